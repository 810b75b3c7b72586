"""What the operator reads of sources and their runs."""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.statements import run_history


def _facts(run: str) -> str:
    return f"""{run}.run_id AS id, {run}.job_name, {run}.trigger, {run}.status,
            COALESCE({run}.reason, '') AS reason, COALESCE({run}.message, '') AS message,
            {run}.started_at, {run}.finished_at, {run}.processed, {run}.loaded, {run}.unchanged,
            {run}.rejected, COALESCE({run}.trace_id, '') AS trace_id,
            {run_history.resumed(run)} AS resumed"""


# By the unique key of uid; the indexes of `run_history`, and totals by primary key.
MIRROR = text(f"""
SELECT s.uid, s.namespace, s.name, s.source_type, s.schedule, s.time_zone, s.cluster,
       {run_history.COLUMNS},
       greatest(failure.finished_at, known.failed_at) AS last_failure_at,
       recent.runs,
       (SELECT row_to_json(x) FROM (
         SELECT {_facts("last")} WHERE last.run_id IS NOT NULL) x) AS last_run,
       totals.total_runs, totals.total_succeeded, totals.total_failed,
       (totals.total_processed + COALESCE(running.processed, 0))::bigint AS total_processed,
       c.source_id IS NOT NULL AS has_checkpoint, c.cursor, c.records_committed, c.observed_at,
       c.updated_at
  FROM sources s
  LEFT JOIN etl_checkpoints c USING (source_id){run_history.JOINS}
  LEFT JOIN LATERAL {run_history.LAST_FAILURE} failure ON true
 CROSS JOIN LATERAL (
   SELECT COALESCE(json_agg(row_to_json(x) ORDER BY x.started_at DESC), '[]'::json) AS runs FROM (
     SELECT {_facts("r")} FROM etl_runs r
      WHERE r.source_id = s.source_id AND {run_history.counts("r")}
      ORDER BY r.started_at DESC LIMIT 10) x) recent
 CROSS JOIN LATERAL (
   SELECT COALESCE(sum(t.runs) FILTER (
            WHERE t.status IN ('success', 'failure', 'interrupted')), 0)::bigint AS total_runs,
          COALESCE(sum(t.runs) FILTER (WHERE t.status = 'success'), 0)::bigint AS total_succeeded,
          COALESCE(sum(t.runs) FILTER (WHERE t.status = 'failure'), 0)::bigint AS total_failed,
          COALESCE(sum(t.loaded + t.unchanged + t.rejected), 0) AS total_processed
     FROM etl_run_totals t WHERE t.source_id = s.source_id) totals
 WHERE s.uid = ANY (CAST(:uids AS text[])) AND s.retired_at IS NULL
""")
