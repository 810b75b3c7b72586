"""Statements of maintenance: partitions, sizes, and deletion of rows past their retention."""

from __future__ import annotations

from sqlalchemy import text

MAINTENANCE_LOCK = 727_004
"""Advisory lock (one key) of the process that maintains the database."""

TRY_LOCK = text(f"SELECT pg_try_advisory_lock({MAINTENANCE_LOCK})")

# Reads the catalog only. The session's time zone is UTC, and so are the bounds.
PARTITIONS = text(r"""
SELECT root.name AS root, tree.relid::regclass::text AS name, tree.isleaf AS leaf,
       CASE WHEN root.name = 'raw_records' THEN branch.name END AS branch,
       substring(bound.expression FROM $$FROM \('([^']+)'\)$$)::timestamptz AS lower,
       substring(bound.expression FROM $$TO \('([^']+)'\)$$)::timestamptz AS upper
  FROM (VALUES ('quotes'), ('raw_records')) AS root(name)
 CROSS JOIN LATERAL pg_partition_tree(root.name::regclass) tree
  JOIN pg_class c ON c.oid = tree.relid
 CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS expression) bound
 CROSS JOIN LATERAL (
       SELECT CASE WHEN tree.level = 1 THEN tree.relid ELSE tree.parentrelid END::regclass::text
         AS name) branch
 WHERE tree.level > 0
 ORDER BY root.name, branch.name, lower NULLS FIRST
""")

# The catalog, and the size of each file.
DATABASE_SIZE = text("""
SELECT pg_database_size(current_database()) AS database_bytes, clock_timestamp() AS now
""")
TABLE_SIZES = text("""
SELECT root.name AS root,
       CASE WHEN root.name = 'raw_records' THEN parent.name ELSE root.name END AS name,
       sum(pg_total_relation_size(tree.relid))::bigint AS bytes
  FROM (VALUES ('quotes'), ('raw_records')) AS root(name)
 CROSS JOIN LATERAL pg_partition_tree(root.name::regclass) tree
 CROSS JOIN LATERAL (SELECT tree.parentrelid::regclass::text AS name) parent
 WHERE tree.isleaf AND tree.level > 0
 GROUP BY 1, 2 ORDER BY 1, 2
""")

# The newest runs of a source are kept whatever their age. Index etl_runs_source_started_idx.
_OLD_RUNS = """etl_runs r
 WHERE r.started_at < :before AND r.status <> 'running'
   AND (SELECT count(*) FROM (
          SELECT 1 FROM etl_runs n
           WHERE n.source_id = r.source_id AND n.started_at > r.started_at
           LIMIT :keep) newer) >= :keep"""
_OLD_REQUESTS = "run_requests r WHERE r.requested_at < :before"
# Listings that have not ended are kept. Others are kept as long as runs, which they help to compare.
_OLD_LISTINGS = "listings r WHERE r.delisted_at < :before"
_OLD_REQUEST_KEYS = "run_request_keys r WHERE r.created_at < :before"
# An arrival in the past means a full bucket, and so does a missing row.
_OLD_BUCKETS = "rate_limits r WHERE r.arrival < extract(epoch FROM CAST(:before AS timestamptz))"
# A follower that was disconnected for longer has to read all data again.
_OLD_CHANGES = "data_changes r WHERE r.changed_at < :before"
# As old as the dropped months of quotes.
_OLD_SUPERSEDED = "superseded_quotes r WHERE r.observed_at < :before"

COUNT_OLD = {
    "etl_runs": text(f"SELECT count(*) FROM {_OLD_RUNS}"),
    "run_requests": text(f"SELECT count(*) FROM {_OLD_REQUESTS}"),
    "listings": text(f"SELECT count(*) FROM {_OLD_LISTINGS}"),
    "run_request_keys": text(f"SELECT count(*) FROM {_OLD_REQUEST_KEYS}"),
    "rate_limits": text(f"SELECT count(*) FROM {_OLD_BUCKETS}"),
    "data_changes": text(f"SELECT count(*) FROM {_OLD_CHANGES}"),
    "superseded_quotes": text(f"SELECT count(*) FROM {_OLD_SUPERSEDED}"),
}
"""Table -> statement that counts its rows past their retention."""


def _delete(table: str, key: str, old: str) -> str:
    # Rows that another session has locked are skipped until the next maintenance.
    return f"""DELETE FROM {table} WHERE {key} IN (
      SELECT r.{key} FROM {old} LIMIT :most FOR UPDATE OF r SKIP LOCKED)"""


DELETE_OLD = {
    "etl_runs": text(_delete("etl_runs", "run_id", _OLD_RUNS)),
    "run_requests": text(_delete("run_requests", "request_id", _OLD_REQUESTS)),
    "listings": text(_delete("listings", "ctid", _OLD_LISTINGS)),
    "run_request_keys": text(_delete("run_request_keys", "ctid", _OLD_REQUEST_KEYS)),
    "rate_limits": text(_delete("rate_limits", "bucket", _OLD_BUCKETS)),
    "data_changes": text(_delete("data_changes", "version", _OLD_CHANGES)),
    "superseded_quotes": text(_delete("superseded_quotes", "ctid", _OLD_SUPERSEDED)),
}
"""Table -> statement that deletes at most `most` of those rows."""

# With a month of quotes dropped, what was known before its end can no longer be answered.
ADVANCE_RECORDED_SINCE = text("""
UPDATE knowledge SET recorded_since = greatest(recorded_since, CAST(:before AS timestamptz))
""")
