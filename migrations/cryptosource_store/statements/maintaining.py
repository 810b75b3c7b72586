"""Making partitions ahead, dropping what is past its retention, clearing what is left over."""

from __future__ import annotations

from sqlalchemy import text

MAINTENANCE_LOCK = 727_004
"""Advisory lock (one key) of the one process that maintains."""

TRY_LOCK = text(f"SELECT pg_try_advisory_lock({MAINTENANCE_LOCK})")

# The catalog alone. Bounds read in UTC, as the session's time zone is.
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

# The newest runs of a source stay however old they are. Index etl_runs_source_started_idx.
_OLD_RUNS = """etl_runs r
 WHERE r.started_at < :before AND r.status <> 'running'
   AND (SELECT count(*) FROM (
          SELECT 1 FROM etl_runs n
           WHERE n.source_id = r.source_id AND n.started_at > r.started_at
           LIMIT :keep) newer) >= :keep"""
_OLD_REQUESTS = "run_requests r WHERE r.requested_at < :before"
# An arrival that has passed stands for a full bucket, as does a missing row.
_OLD_BUCKETS = "rate_limits r WHERE r.arrival < extract(epoch FROM CAST(:before AS timestamptz))"

COUNT_OLD = {
    "etl_runs": text(f"SELECT count(*) FROM {_OLD_RUNS}"),
    "run_requests": text(f"SELECT count(*) FROM {_OLD_REQUESTS}"),
    "rate_limits": text(f"SELECT count(*) FROM {_OLD_BUCKETS}"),
}
"""Table -> how many of its rows are past their retention."""


def _delete(table: str, key: str, old: str) -> str:
    # Locked rows belong to somebody who is at work; they are left for the next time.
    return f"""DELETE FROM {table} WHERE {key} IN (
      SELECT r.{key} FROM {old} LIMIT :most FOR UPDATE OF r SKIP LOCKED)"""


DELETE_OLD = {
    "etl_runs": text(_delete("etl_runs", "run_id", _OLD_RUNS)),
    "run_requests": text(_delete("run_requests", "request_id", _OLD_REQUESTS)),
    "rate_limits": text(_delete("rate_limits", "bucket", _OLD_BUCKETS)),
}
"""Table -> deletes at most :most of those rows."""
