"""What the operator reads of sources and their runs."""

from __future__ import annotations

from sqlalchemy import text

# By the unique key of uid; index etl_runs_source_started_idx beneath, one scan of a source's own
# runs for the totals, bounded by how long runs are kept. Skipped runs and replays say nothing about
# how the source is. Each attempt has a row: failures are counted by Job.
MIRROR = text("""
SELECT s.uid, s.namespace, s.name, s.source_type, s.schedule, s.time_zone, s.suspended,
       s.max_age_seconds, s.cluster, recent.runs, totals.*, good.finished_at AS last_success_at,
       c.source_id IS NOT NULL AS has_checkpoint, c.cursor, c.records_committed, c.observed_at,
       c.updated_at,
       (SELECT count(DISTINCT r.job_name) FROM etl_runs r
         WHERE r.source_id = s.source_id AND r.status = 'failure' AND r.trigger <> 'replay'
           AND r.started_at > COALESCE(good.started_at, '-infinity')) AS consecutive_failures
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id)
  LEFT JOIN LATERAL (SELECT r.started_at, r.finished_at FROM etl_runs r
                      WHERE r.source_id = s.source_id AND r.status = 'success'
                        AND r.trigger <> 'replay'
                      ORDER BY r.started_at DESC LIMIT 1) good ON true
 CROSS JOIN LATERAL (
   SELECT COALESCE(json_agg(row_to_json(x) ORDER BY x.started_at DESC), '[]'::json) AS runs FROM (
     SELECT r.run_id AS id, r.job_name, r.trigger, r.status, COALESCE(r.reason, '') AS reason,
            COALESCE(r.message, '') AS message, r.started_at, r.finished_at, r.processed, r.loaded,
            r.unchanged, r.rejected, COALESCE(r.trace_id, '') AS trace_id
       FROM etl_runs r
      WHERE r.source_id = s.source_id AND r.status <> 'skipped' AND r.trigger <> 'replay'
      ORDER BY r.started_at DESC LIMIT 10) x) recent
 CROSS JOIN LATERAL (
   SELECT count(*) FILTER (WHERE r.status IN ('success', 'failure', 'interrupted')) AS total_runs,
          count(*) FILTER (WHERE r.status = 'success') AS total_succeeded,
          count(*) FILTER (WHERE r.status = 'failure') AS total_failed,
          COALESCE(sum(r.processed), 0)::bigint AS total_processed,
          max(r.finished_at) FILTER (WHERE r.status = 'failure') AS last_failure_at
     FROM etl_runs r
    WHERE r.source_id = s.source_id AND r.trigger <> 'replay') totals
 WHERE s.uid = ANY (CAST(:uids AS text[])) AND s.retired_at IS NULL
""")
