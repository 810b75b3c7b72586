"""What `/metrics` reads: a bounded number of sources, each by a handful of index entries."""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements import run_history

# The indexes of `run_history`, and totals by primary key. A running run's records count already:
# its row and its totals change in one transaction, so the sum never falls.
SOURCES_MEASURED = text(f"""
SELECT s.source_id, s.name, s.namespace, s.source_type, {run_history.FIGURES},
       COALESCE(d.total, 0) AS records, t.totals,
       running.loaded, running.unchanged, running.rejected,
       extract(epoch FROM clock_timestamp() - c.updated_at) AS checkpoint_age_seconds,
       extract(epoch FROM clock_timestamp() - s.created_at) AS known_seconds,
       (SELECT count(*) FROM schema_drifts f WHERE f.source_id = s.source_id) AS drifts
  FROM (SELECT * FROM sources WHERE retired_at IS NULL ORDER BY source_id LIMIT :most) s
  LEFT JOIN etl_checkpoints c USING (source_id)
  LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id{run_history.JOINS}
  LEFT JOIN LATERAL (
       SELECT json_agg(json_build_array(status, reason, bucket, runs, seconds, loaded, unchanged,
                                        rejected)) AS totals
         FROM etl_run_totals WHERE source_id = s.source_id) t ON true
 ORDER BY s.source_id
""")

# Small tables: a row per resource, and the requests of the retention's days.
SYSTEM_MEASURED = text("""
SELECT (SELECT count(*) FROM sources WHERE retired_at IS NULL) AS sources,
       (SELECT count(*) FROM run_requests
         WHERE status = 'pending' AND expires_at > clock_timestamp()) AS requests_pending,
       (SELECT extract(epoch FROM clock_timestamp() - min(requested_at))
          FROM run_requests
         WHERE status = 'pending' AND expires_at > clock_timestamp()) AS oldest_request_seconds,
       pg_database_size(current_database()) AS database_bytes
""")
