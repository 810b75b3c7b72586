"""Statistics for the API: performance of runs over time, and changes in the shape of records."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import TextClause, text

from cryptosource_store.statements.coins import rfc3339
from cryptosource_store.statements.counted_runs import asked_upstream, has_ended

CHOSEN_SOURCES = """s.retired_at IS NULL
     AND (CAST(:source AS text) IS NULL OR s.name = :source OR s.source_type = lower(:source))
     AND (CAST(:namespace AS text) IS NULL OR s.namespace = :namespace)"""
"""Condition for sources that are not retired, by name or type and by namespace where given."""

NOW = text("SELECT clock_timestamp()")

DURATION = "extract(epoch FROM r.finished_at - r.started_at)"

_ENDED = has_ended("r")
_SECONDS = f"sum({DURATION}) FILTER (WHERE {_ENDED})"


def _percentile(share: str) -> str:
    seconds = f"percentile_cont({share}) WITHIN GROUP (ORDER BY {DURATION}) FILTER (WHERE {_ENDED})"
    return f"trim_scale(round(({seconds})::numeric, 6))"


# A skipped run is counted, but has no part in any other figure.
_PERFORMANCE = f"""
SELECT count(*) AS runs,
       count(*) FILTER (WHERE r.status = 'success') AS success,
       count(*) FILTER (WHERE r.status = 'failure') AS failure,
       count(*) FILTER (WHERE r.status = 'interrupted') AS interrupted,
       count(*) FILTER (WHERE r.status = 'skipped') AS skipped,
       count(*) FILTER (WHERE r.status = 'running') AS running,
       trim_scale(round(count(*) FILTER (WHERE r.status = 'success')::numeric
         / nullif(count(*) FILTER (WHERE {_ENDED}), 0), 6)) AS success_rate,
       {_percentile("0.5")} AS duration_p50_seconds,
       {_percentile("0.95")} AS duration_p95_seconds,
       COALESCE(sum(r.processed), 0) AS processed, COALESCE(sum(r.loaded), 0) AS loaded,
       COALESCE(sum(r.unchanged), 0) AS unchanged, COALESCE(sum(r.rejected), 0) AS rejected,
       trim_scale(round(sum(r.processed) FILTER (WHERE {_ENDED}) / nullif({_SECONDS}, 0), 3))
         AS records_per_second
  FROM etl_runs r
 WHERE r.source_id = place.source_id AND {asked_upstream("r")}
   AND r.started_at >= place.start AND r.started_at < place.start + CAST(:step AS interval)
"""

_AFTER_CURSOR = """
     AND (s.namespace, s.name) >= (:after_namespace, :after_name)
     AND ((s.namespace, s.name) <> (:after_namespace, :after_name)
          OR bucket.start < :after_start)"""


def performance_statement(*, after: bool) -> TextClause:
    """Return the statement of a page of (source, bucket), newest bucket of each source first.

    Args:
        after: continue after `after_namespace`, `after_name` and `after_start`.
    """
    # Places are generated, and runs are read (by etl_runs_source_started_idx) for those of the page
    # only. So its cost does not depend on the length of the window.
    return text(f"""
WITH place AS MATERIALIZED (
  SELECT s.source_id, s.namespace, s.name, s.source_type, bucket.start
    FROM sources s
   CROSS JOIN generate_series(CAST(:first AS timestamptz), CAST(:last AS timestamptz),
                              CAST(:step AS interval)) AS bucket(start)
   WHERE {CHOSEN_SOURCES}{_AFTER_CURSOR if after else ""}
   ORDER BY s.namespace, s.name, bucket.start DESC LIMIT :size + 1
), page AS (
  SELECT row_number() OVER (ORDER BY place.namespace, place.name, place.start DESC) AS n,
         place.namespace, place.name, place.start, row_to_json(record)::text AS record
    FROM place
   CROSS JOIN LATERAL ({_PERFORMANCE}) figures
   CROSS JOIN LATERAL (
     SELECT place.name AS source, place.namespace, place.source_type,
            {rfc3339("place.start")} AS start,
            {rfc3339("(place.start + CAST(:step AS interval))")} AS "end", figures.*) record
)
SELECT (SELECT count(*) FROM sources s WHERE {CHOSEN_SOURCES}) * :buckets AS total,
       count(*) AS found,
       COALESCE(string_agg(record, ',' ORDER BY n) FILTER (WHERE n <= :size), '') AS body,
       max(namespace) FILTER (WHERE n = :size) AS last_namespace,
       max(name) FILTER (WHERE n = :size) AS last_name,
       max(start::text) FILTER (WHERE n = :size) AS last_start
  FROM page
""")


DRIFTS_CAP = 10_001
"""Counting drifts stops at this number."""

DRIFT_OF_SOURCE = "(s.name = :source OR s.source_type = lower(:source))"
DRIFT_OF_NAMESPACE = "s.namespace = :namespace"
DRIFT_OF_FIELD = "f.field = :field"
DRIFT_OF_CHANGE = "f.change = :change"
DRIFT_SINCE = "f.detected_at >= :since"
DRIFT_UNTIL = "f.detected_at <= :until"

_CONSEQUENCE = """CASE f.change
    WHEN 'appeared' THEN 'The field was accepted into the shape. Raw records keep it.'
    WHEN 'vanished' THEN 'The shape was accepted without the field. What the field fed is null; '
      || 'a record that cannot do without it goes to quarantine.'
    ELSE 'The types were accepted into the shape. A record whose value cannot be read goes to '
      || 'quarantine with its payload.' END"""


def drifts_statement(conditions: Sequence[str], *, after: bool) -> TextClause:
    """Return the statement of a page of drifts, newest first, by primary key.

    Args:
        conditions: filters, which are constants of this module.
        after: continue after `after_drift`.
    """
    filters = " AND ".join(["true", *conditions])
    after_cursor = " AND f.drift_id < :after_drift" if after else ""
    rows = "schema_drifts f JOIN sources s USING (source_id)"
    return text(f"""
WITH page AS (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT row_to_json(record)::text AS record, f.drift_id
      FROM {rows}
      LEFT JOIN etl_runs r ON r.run_id = f.run_id
     CROSS JOIN LATERAL (
       SELECT f.drift_id, s.name AS source, s.namespace, s.source_type, f.field, f.change,
              f.types_before, f.types_after, {rfc3339("f.detected_at")} AS detected_at,
              {_CONSEQUENCE} AS done, s.accepted_shape -> f.field AS types_now, f.run_id,
              r.status AS run_status, r.processed, r.rejected) record
     WHERE {filters}{after_cursor}
     ORDER BY f.drift_id DESC LIMIT :size + 1) ordered
)
SELECT (SELECT count(*) FROM (
          SELECT 1 FROM {rows} WHERE {filters} LIMIT {DRIFTS_CAP}) counted) AS total,
       count(*) AS found,
       COALESCE(string_agg(record, ',' ORDER BY n) FILTER (WHERE n <= :size), '') AS body,
       max(drift_id::text) FILTER (WHERE n = :size) AS last_drift
  FROM page
""")
