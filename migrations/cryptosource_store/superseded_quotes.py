"""The trigger that keeps the former values of observations that are corrected or withdrawn.

`quotes.known_from` is the time since which an observation is known with its present values. When
the values change or the row is deleted, the trigger copies the old ones to `superseded_quotes`,
together with the time at which they ended.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from cryptosource_store.quote_fields import FIGURE_LIST, figure_list
from cryptosource_store.tables import metadata, quotes

# A trigger, so that no statement and no older version of the code can lose a value. now() is the
# transaction's start: a page's observations become known together, and a new value begins when the
# old one ends. A value that only its own transaction saw is not kept.
KEEP_SUPERSEDED = f"""
CREATE OR REPLACE FUNCTION keep_superseded_quote() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  ended timestamptz := greatest(now(), OLD.known_from);
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF ({figure_list("NEW")}, NEW.rank)
       IS NOT DISTINCT FROM
       ({figure_list("OLD")}, OLD.rank)
    THEN
      NEW.known_from := OLD.known_from;
      RETURN NEW;
    END IF;
    NEW.known_from := ended;
  END IF;
  IF OLD.known_from < ended THEN
    INSERT INTO superseded_quotes (asset_id, source_id, observed_at, known_from, known_until,
                                   {FIGURE_LIST},
                                   rank, run_id, raw_id)
    VALUES (OLD.asset_id, OLD.source_id, OLD.observed_at, OLD.known_from, ended,
            {figure_list("OLD")},
            OLD.rank, OLD.run_id, OLD.raw_id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END
$function$
"""

# Not for inserts: these are nearly all writes, and supersede nothing.
TRIGGER = """CREATE TRIGGER quotes_keep_superseded BEFORE UPDATE OR DELETE ON quotes
  FOR EACH ROW EXECUTE FUNCTION keep_superseded_quote()"""

for _statement in (KEEP_SUPERSEDED, TRIGGER):
    event.listen(quotes, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]
event.listen(metadata, "after_drop", DDL("DROP FUNCTION IF EXISTS keep_superseded_quote()"))  # type: ignore[no-untyped-call]
