"""How every source is, for `cryptosource status`."""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements import run_history

# The indexes of `run_history`, and unique keys.
SOURCES_STATUS = text(f"""
SELECT s.name, s.namespace, s.source_type, s.schedule, s.time_zone, clock_timestamp() AS now,
       {run_history.COLUMNS},
       extract(epoch FROM clock_timestamp() - running.started_at) AS running_seconds,
       extract(epoch FROM clock_timestamp() - last.finished_at) AS last_run_age_seconds,
       COALESCE(d.total, 0) AS records, c.cursor, c.records_committed,
       c.observed_at AS checkpoint_observed_at, c.updated_at AS checkpoint_updated_at,
       CAST(extract(epoch FROM clock_timestamp() - c.updated_at) AS bigint)
         AS checkpoint_age_seconds
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id)
  LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id{run_history.JOINS}
 WHERE s.retired_at IS NULL
 ORDER BY s.namespace, s.name
""")
