"""The triggers that add each ended run to `etl_run_totals`, for counters that must never decrease.

Totals outlive the rows of `etl_runs`, which retention deletes.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from cryptosource_store.statements.counted_runs import asked_upstream
from cryptosource_store.tables import etl_runs, metadata

# A migration that changes these must empty the totals: counts by the old bounds cannot be split.
DURATION_BOUNDS = (1, 5, 10, 30, 60, 300, 900)
"""Upper bounds of the histogram of run durations, in seconds."""

COUNT_RUN = f"""
CREATE OR REPLACE FUNCTION count_run() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  took numeric := greatest(extract(epoch FROM NEW.finished_at - NEW.started_at), 0);
BEGIN
  INSERT INTO etl_run_totals AS t (source_id, status, reason, bucket, runs, seconds, loaded,
                                   unchanged, rejected, last_at)
  VALUES (NEW.source_id, NEW.status, coalesce(NEW.reason, ''),
          (SELECT count(*) FROM unnest(ARRAY[{", ".join(map(str, DURATION_BOUNDS))}]::numeric[]) AS bound
            WHERE bound < took),
          1, took, NEW.loaded, NEW.unchanged, NEW.rejected, NEW.finished_at)
  ON CONFLICT (source_id, status, reason, bucket) DO UPDATE
     SET runs = t.runs + 1, seconds = t.seconds + excluded.seconds,
         loaded = t.loaded + excluded.loaded, unchanged = t.unchanged + excluded.unchanged,
         rejected = t.rejected + excluded.rejected, last_at = greatest(t.last_at, excluded.last_at);
  RETURN NULL;
END
$function$
"""

# Triggers, so that a run counts whichever statement and whichever version of the code ends it. They
# do not fire for the updates of each page. Only the session that runs a source ends its runs, so no
# two sessions wait for the same row of totals.
TRIGGERS = (
    f"""CREATE TRIGGER etl_runs_count_ended AFTER UPDATE OF finished_at ON etl_runs FOR EACH ROW
  WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL AND {asked_upstream("NEW")})
  EXECUTE FUNCTION count_run()""",
    f"""CREATE TRIGGER etl_runs_count_inserted AFTER INSERT ON etl_runs FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL AND {asked_upstream("NEW")})
  EXECUTE FUNCTION count_run()""",
)

for _statement in (COUNT_RUN, *TRIGGERS):
    event.listen(etl_runs, "after_create", DDL(_statement.replace("%", "%%")))  # type: ignore[no-untyped-call]
event.listen(metadata, "after_drop", DDL("DROP FUNCTION IF EXISTS count_run()"))  # type: ignore[no-untyped-call]
