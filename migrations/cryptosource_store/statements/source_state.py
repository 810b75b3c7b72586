"""The state of sources for `/health`, the page, `cryptosource status`, the operator and `/metrics`.

Each reader needs other columns, but all are built on `counted_runs`, which defines the runs that
count. They return rows, because the state is judged in Python (`cryptosource_store.source_state`).
"""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements import counted_runs

# The indexes of `counted_runs`, and unique keys.
_HEALTH = f"""
SELECT s.name, s.namespace, s.source_type, {counted_runs.COLUMNS},
       c.observed_at, c.records_committed,
       c.updated_at AS checkpoint_at,
       CAST(greatest(extract(epoch FROM clock_timestamp() - c.updated_at), 0) AS bigint)
         AS checkpoint_age_seconds
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id){counted_runs.JOINS}
 WHERE s.retired_at IS NULL"""

SOURCES_HEALTH = text(f"{_HEALTH} ORDER BY s.namespace, s.name")

# Index sources_identity_idx.
SOURCE_HEALTH = text(f"{_HEALTH} AND s.source_id = :source_id")

# The indexes of `counted_runs`, and unique keys.
SOURCES_STATUS = text(f"""
SELECT s.name, s.namespace, s.source_type, s.schedule, s.time_zone, clock_timestamp() AS now,
       {counted_runs.COLUMNS},
       extract(epoch FROM clock_timestamp() - running.started_at) AS running_seconds,
       extract(epoch FROM clock_timestamp() - last.finished_at) AS last_run_age_seconds,
       COALESCE(d.total, 0) AS records, c.cursor, c.records_committed,
       c.observed_at AS checkpoint_observed_at, c.updated_at AS checkpoint_updated_at,
       CAST(extract(epoch FROM clock_timestamp() - c.updated_at) AS bigint)
         AS checkpoint_age_seconds
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id)
  LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id{counted_runs.JOINS}
 WHERE s.retired_at IS NULL
 ORDER BY s.namespace, s.name
""")

# The indexes of `counted_runs`, and totals by primary key. The records of a running run are added to
# the totals: its row and its totals change in one transaction, so that the sum never decreases.
SOURCES_MEASURED = text(f"""
SELECT s.source_id, s.name, s.namespace, s.source_type, {counted_runs.FIGURES},
       COALESCE(d.total, 0) AS records, t.totals,
       running.loaded, running.unchanged, running.rejected,
       extract(epoch FROM clock_timestamp() - c.updated_at) AS checkpoint_age_seconds,
       extract(epoch FROM clock_timestamp() - s.created_at) AS known_seconds,
       (SELECT count(*) FROM schema_drifts f WHERE f.source_id = s.source_id) AS drifts
  FROM (SELECT * FROM sources WHERE retired_at IS NULL ORDER BY source_id LIMIT :most) s
  LEFT JOIN etl_checkpoints c USING (source_id)
  LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id{counted_runs.JOINS}
  LEFT JOIN LATERAL (
       SELECT json_agg(json_build_array(status, reason, bucket, runs, seconds, loaded, unchanged,
                                        rejected)) AS totals
         FROM etl_run_totals WHERE source_id = s.source_id) t ON true
 ORDER BY s.source_id
""")

# Small tables: a row per resource, and the requests that retention keeps.
SYSTEM_MEASURED = text("""
SELECT (SELECT count(*) FROM sources WHERE retired_at IS NULL) AS sources,
       (SELECT count(*) FROM run_requests
         WHERE status = 'pending' AND expires_at > clock_timestamp()) AS requests_pending,
       (SELECT extract(epoch FROM clock_timestamp() - min(requested_at))
          FROM run_requests
         WHERE status = 'pending' AND expires_at > clock_timestamp()) AS oldest_request_seconds,
       pg_database_size(current_database()) AS database_bytes
""")


def _run_fields(run: str) -> str:
    return f"""{run}.run_id AS id, {run}.job_name, {run}.trigger, {run}.status,
            COALESCE({run}.reason, '') AS reason, COALESCE({run}.message, '') AS message,
            {run}.started_at, {run}.finished_at, {run}.processed, {run}.loaded, {run}.unchanged,
            {run}.rejected, COALESCE({run}.trace_id, '') AS trace_id,
            {counted_runs.resumed(run)} AS resumed"""


# By the unique key of uid; the indexes of `counted_runs`, and totals by primary key.
OPERATOR_MIRROR = text(f"""
SELECT s.uid, s.namespace, s.name, s.source_type, s.schedule, s.time_zone, s.cluster,
       {counted_runs.COLUMNS},
       greatest(failure.finished_at, known.failed_at) AS last_failure_at,
       recent.runs,
       (SELECT row_to_json(x) FROM (
         SELECT {_run_fields("last")} WHERE last.run_id IS NOT NULL) x) AS last_run,
       totals.total_runs, totals.total_succeeded, totals.total_failed,
       (totals.total_processed + COALESCE(running.processed, 0))::bigint AS total_processed,
       c.source_id IS NOT NULL AS has_checkpoint, c.cursor, c.records_committed, c.observed_at,
       c.updated_at
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id){counted_runs.JOINS}
  LEFT JOIN LATERAL {counted_runs.LAST_FAILURE} failure ON true
 CROSS JOIN LATERAL (
   SELECT COALESCE(json_agg(row_to_json(x) ORDER BY x.started_at DESC), '[]'::json) AS runs FROM (
     SELECT {_run_fields("r")} FROM etl_runs r
      WHERE r.source_id = s.source_id AND {counted_runs.counts("r")}
      ORDER BY r.started_at DESC LIMIT 10) x) recent
 CROSS JOIN LATERAL (
   SELECT COALESCE(sum(t.runs) FILTER (
            WHERE {counted_runs.has_ended("t")}), 0)::bigint AS total_runs,
          COALESCE(sum(t.runs) FILTER (WHERE t.status = 'success'), 0)::bigint AS total_succeeded,
          COALESCE(sum(t.runs) FILTER (WHERE t.status = 'failure'), 0)::bigint AS total_failed,
          COALESCE(sum(t.loaded + t.unchanged + t.rejected), 0) AS total_processed
     FROM etl_run_totals t WHERE t.source_id = s.source_id) totals
 WHERE s.uid = ANY (CAST(:uids AS text[])) AND s.retired_at IS NULL
""")
