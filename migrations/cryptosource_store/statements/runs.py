"""Runs and their totals as the API reads them, as JSON that Postgres builds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import TextClause, text

from cryptosource_store.statements import counted_runs
from cryptosource_store.statements.coins import rfc3339

RUNS_CAP = 10_001
"""Counting runs stops at this number."""

DETAILS_SHOWN = 20
"""Maximum number of rejected records, and of drifts, shown of one run."""

RUN_FIELDS = f"""r.run_id, s.name AS source, s.namespace, s.source_type, r.job_name, r.attempt,
         r.trigger, r.status, r.reason, r.message, {rfc3339("r.started_at")} AS started_at,
         {rfc3339("r.finished_at")} AS finished_at,
         extract(epoch FROM COALESCE(r.finished_at, clock_timestamp()) - r.started_at)
           AS duration_seconds,
         {rfc3339("r.next_attempt_at")} AS next_attempt_at, r.processed, r.loaded, r.unchanged,
         r.rejected, r.pages, r.requests, r.retries, r.records_total, r.trace_id"""

COUNTS = """count(*) AS runs,
         count(*) FILTER (WHERE r.status = 'success') AS success,
         count(*) FILTER (WHERE r.status = 'failure') AS failure,
         count(*) FILTER (WHERE r.status = 'skipped') AS skipped,
         count(*) FILTER (WHERE r.status = 'interrupted') AS interrupted,
         count(*) FILTER (WHERE r.status = 'running') AS running,
         COALESCE(sum(r.processed), 0) AS processed, COALESCE(sum(r.loaded), 0) AS loaded,
         COALESCE(sum(r.unchanged), 0) AS unchanged, COALESCE(sum(r.rejected), 0) AS rejected"""

# A plugin may store anything in its cursor; only short members without structure are shown.
CURSOR_SUMMARY = """COALESCE((SELECT json_object_agg(key, value ORDER BY key)
    FROM jsonb_each(k.cursor)
   WHERE jsonb_typeof(value) NOT IN ('object', 'array') AND length(value::text) <= 200),
  '{}'::json)"""

CHECKPOINT = f"""(SELECT row_to_json(x) FROM (
   SELECT {CURSOR_SUMMARY} AS cursor, k.records_committed, {rfc3339("k.observed_at")} AS observed_at,
          {rfc3339("k.updated_at")} AS updated_at
     FROM etl_checkpoints k WHERE k.source_id = s.source_id) x)"""

# One scan of etl_runs, whose size retention limits, without replays; everything else by index.
STATS = text(f"""
WITH per_source AS MATERIALIZED (
  SELECT r.source_id, {COUNTS} FROM etl_runs r
   WHERE {counted_runs.asked_upstream("r")} GROUP BY r.source_id
)
SELECT row_to_json(stats)::text AS body FROM (
  SELECT (SELECT row_to_json(t) FROM (
            SELECT count(*) FILTER (WHERE s.retired_at IS NULL) AS sources,
                   COALESCE((SELECT total FROM dataset_versions WHERE dataset = 'unified'), 0)
                     AS coins,
                   COALESCE(sum(p.runs), 0) AS runs, COALESCE(sum(p.success), 0) AS success,
                   COALESCE(sum(p.failure), 0) AS failure, COALESCE(sum(p.skipped), 0) AS skipped,
                   COALESCE(sum(p.interrupted), 0) AS interrupted,
                   COALESCE(sum(p.running), 0) AS running,
                   COALESCE(sum(p.processed), 0) AS processed,
                   COALESCE(sum(p.loaded), 0) AS loaded,
                   COALESCE(sum(p.unchanged), 0) AS unchanged,
                   COALESCE(sum(p.rejected), 0) AS rejected
              FROM sources s LEFT JOIN per_source p USING (source_id)) t) AS totals,
         (SELECT COALESCE(json_agg(row_to_json(x) ORDER BY x.namespace, x.source), '[]'::json)
            FROM (SELECT s.name AS source, s.namespace, s.source_type, s.schedule, s.time_zone,
                         s.suspended,
                         COALESCE(d.total, 0) AS records, COALESCE(p.runs, 0) AS runs,
                         COALESCE(p.success, 0) AS success, COALESCE(p.failure, 0) AS failure,
                         COALESCE(p.skipped, 0) AS skipped,
                         COALESCE(p.interrupted, 0) AS interrupted,
                         COALESCE(p.running, 0) AS running,
                         COALESCE(p.processed, 0) AS processed, COALESCE(p.loaded, 0) AS loaded,
                         COALESCE(p.unchanged, 0) AS unchanged,
                         COALESCE(p.rejected, 0) AS rejected,
                         (SELECT row_to_json(l) FROM (
                            SELECT {RUN_FIELDS} FROM etl_runs r
                             WHERE r.source_id = s.source_id AND {counted_runs.counts("r")}
                             ORDER BY r.started_at DESC LIMIT 1) l) AS last_run,
                         {CHECKPOINT} AS checkpoint,
                         (SELECT count(*) FROM schema_drifts f
                           WHERE f.source_id = s.source_id) AS drifts,
                         (SELECT count(*) FROM rejected_records q
                           WHERE q.source_id = s.source_id AND q.replayed_at IS NULL)
                           AS quarantined
                    FROM sources s
                    LEFT JOIN per_source p USING (source_id)
                    LEFT JOIN dataset_versions d ON d.dataset = 'source:' || s.source_id
                   WHERE s.retired_at IS NULL) x) AS sources
) stats
""")

OF_SOURCE = "(s.name = :source OR s.source_type = lower(:source))"
OF_NAME = "s.name = :source"
OF_NAMESPACE = "s.namespace = :namespace"
OF_STATUS = "r.status = :status"
OF_REASON = "r.reason = :reason"
OF_TRIGGER = "r.trigger = :trigger"
SINCE = "r.started_at >= :since"
UNTIL = "r.started_at <= :until"


def runs_statement(conditions: Sequence[str], *, after: bool) -> TextClause:
    """Return the statement of a page of runs, newest first, by etl_runs_started_idx.

    Args:
        conditions: filters, which are constants of this module.
        after: continue after `after_key` (a time) and `after_run`.
    """
    filters = " AND ".join(["true", *conditions])
    after_cursor = """ AND r.started_at <= :after_key
        AND (r.started_at < :after_key OR r.run_id > CAST(:after_run AS uuid))"""
    return text(f"""
WITH page AS (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT row_to_json(record)::text AS record, r.started_at::text AS sort_key,
           r.run_id::text AS run
      FROM etl_runs r JOIN sources s USING (source_id)
     CROSS JOIN LATERAL (SELECT {RUN_FIELDS}) record
     WHERE {filters}{after_cursor if after else ""}
     ORDER BY r.started_at DESC, r.run_id LIMIT :size + 1) ordered
)
SELECT (SELECT count(*) FROM (
          SELECT 1 FROM etl_runs r JOIN sources s USING (source_id) WHERE {filters}
           LIMIT {RUNS_CAP}) counted) AS total,
       count(*) AS found,
       COALESCE(string_agg(record, ',' ORDER BY n) FILTER (WHERE n <= :size), '') AS body,
       max(sort_key) FILTER (WHERE n = :size) AS last_key,
       max(run) FILTER (WHERE n = :size) AS last_run
  FROM page
""")


# Primary key, rejected_records_run_idx and schema_drifts_source_idx.
RUN = text(f"""
SELECT row_to_json(run)::text AS body FROM (
  SELECT {RUN_FIELDS},
         (SELECT COALESCE(json_agg(row_to_json(x)), '[]'::json) FROM (
            SELECT q.external_id, q.reason, q.field, q.detail, q.contract_version, q.occurrences,
                   {rfc3339("q.first_seen_at")} AS first_seen_at,
                   {rfc3339("q.last_seen_at")} AS last_seen_at,
                   {rfc3339("q.replayed_at")} AS replayed_at
              FROM rejected_records q WHERE q.run_id = r.run_id
             ORDER BY q.rejected_id LIMIT {DETAILS_SHOWN}) x) AS rejects,
         (SELECT COALESCE(json_agg(row_to_json(x)), '[]'::json) FROM (
            SELECT f.field, f.change, f.types_before, f.types_after,
                   {rfc3339("f.detected_at")} AS detected_at
              FROM schema_drifts f WHERE f.source_id = r.source_id AND f.run_id = r.run_id
             ORDER BY f.drift_id LIMIT {DETAILS_SHOWN}) x) AS drifts
    FROM etl_runs r JOIN sources s USING (source_id)
   WHERE r.run_id = CAST(:run_id AS uuid)
) run
""")
