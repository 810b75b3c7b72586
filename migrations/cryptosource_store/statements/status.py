"""How every source is, for `cryptosource status`."""

from __future__ import annotations

from sqlalchemy import text

# Index etl_runs_source_started_idx, a few entries per source. A skipped run says nothing about its
# source, and a replay brings no new data: neither is a last run, a success or a failure here.
# Ages are by the database's clock, which stamped the rows.
SOURCES_STATUS = text("""
SELECT s.name, s.namespace, s.source_type, s.schedule, s.time_zone, s.suspended,
       s.max_age_seconds, clock_timestamp() AS now,
       CASE WHEN last.run_id IS NOT NULL THEN json_build_object(
         'run_id', last.run_id, 'trigger', last.trigger, 'status', last.status,
         'reason', last.reason, 'message', last.message, 'started_at', last.started_at,
         'finished_at', last.finished_at) END AS last_run,
       CAST(extract(epoch FROM clock_timestamp()
                               - COALESCE(last.finished_at, last.started_at)) AS bigint)
         AS last_run_age_seconds,
       last.next_attempt_at, good.finished_at AS last_success_at,
       CAST(extract(epoch FROM clock_timestamp() - good.finished_at) AS bigint) AS age_seconds,
       (SELECT count(*) FROM etl_runs r
         WHERE r.source_id = s.source_id AND r.status IN ('failure', 'interrupted')
           AND r.trigger <> 'replay'
           AND r.started_at > COALESCE(good.started_at, '-infinity')) AS consecutive_failures,
       COALESCE(d.total, 0) AS records, c.cursor, c.records_committed,
       c.observed_at AS checkpoint_observed_at, c.updated_at AS checkpoint_updated_at,
       CAST(extract(epoch FROM clock_timestamp() - c.updated_at) AS bigint)
         AS checkpoint_age_seconds
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id)
  LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id
  LEFT JOIN LATERAL (SELECT * FROM etl_runs r
                      WHERE r.source_id = s.source_id AND r.status <> 'skipped'
                        AND r.trigger <> 'replay'
                      ORDER BY r.started_at DESC LIMIT 1) last ON true
  LEFT JOIN LATERAL (SELECT * FROM etl_runs r
                      WHERE r.source_id = s.source_id AND r.status = 'success'
                        AND r.trigger <> 'replay'
                      ORDER BY r.started_at DESC LIMIT 1) good ON true
 WHERE s.retired_at IS NULL
 ORDER BY s.namespace, s.name
""")
