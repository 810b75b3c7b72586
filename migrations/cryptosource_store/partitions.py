"""The functions that create partitions of `quotes` and `raw_records` when they are needed.

A load must be able to begin a new month without the privilege to run DDL: two SECURITY DEFINER
functions do it on its behalf, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import DDL, Connection, event, text

from cryptosource_store.tables import metadata

PARTITION_LOCK = 727_001
"""Advisory lock (one key) that is held while partitions are created or dropped."""

# Both functions create the partition by itself and then attach it, which takes SHARE UPDATE
# EXCLUSIVE on the parent, so that neither reads nor writes wait. CREATE TABLE … PARTITION OF would
# take ACCESS EXCLUSIVE.
ENSURE_QUOTE_PARTITIONS = f"""
CREATE OR REPLACE FUNCTION ensure_quote_partitions(months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  month date;
  leaf text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock({PARTITION_LOCK});
  FOREACH month IN ARRAY months LOOP
    month := date_trunc('month', month);
    leaf := format('quotes_%s', to_char(month, '"y"YYYY"m"MM'));
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE quotes INCLUDING ALL)', leaf);
    EXECUTE format('ALTER TABLE quotes ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', leaf,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$function$
"""

ENSURE_RAW_PARTITIONS = f"""
CREATE OR REPLACE FUNCTION ensure_raw_partitions(kind text, months date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  month date;
  branch text := format('raw_%s', kind);
  leaf text;
  made integer := 0;
BEGIN
  IF kind !~ '^[a-z][a-z0-9]{{0,39}}$' THEN
    RAISE EXCEPTION 'source type % is not a lower-case word of at most 40 characters', kind;
  END IF;
  PERFORM pg_advisory_xact_lock({PARTITION_LOCK});
  IF to_regclass(branch) IS NULL THEN
    EXECUTE format('CREATE TABLE %I (LIKE raw_records INCLUDING ALL) PARTITION BY RANGE (ingested_at)', branch);
    EXECUTE format('ALTER TABLE raw_records ATTACH PARTITION %I FOR VALUES IN (%L)', branch, kind);
    made := made + 1;
  END IF;
  FOREACH month IN ARRAY months LOOP
    month := date_trunc('month', month);
    leaf := format('%s_%s', branch, to_char(month, '"y"YYYY"m"MM'));
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', leaf, branch);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', branch, leaf,
      month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    made := made + 1;
  END LOOP;
  RETURN made;
END
$function$
"""

DROP_FUNCTIONS = (
    "DROP FUNCTION IF EXISTS ensure_quote_partitions(date[])",
    "DROP FUNCTION IF EXISTS ensure_raw_partitions(text, date[])",
)


def _as_ddl(statement: str) -> DDL:
    # DDL() formats its text with the table's name, by the % operator.
    return DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]


for _function in (ENSURE_QUOTE_PARTITIONS, ENSURE_RAW_PARTITIONS):
    event.listen(metadata, "after_create", _as_ddl(_function))
for _drop in DROP_FUNCTIONS:
    event.listen(metadata, "after_drop", _as_ddl(_drop))


def months_of(moments: Iterable[datetime]) -> set[tuple[int, int]]:
    """Return the (year, month) pairs of times, which must be in UTC."""
    return {(moment.year, moment.month) for moment in moments}


def _dates(months: Iterable[tuple[int, int]]) -> list[str]:
    return [f"{year:04d}-{month:02d}-01" for year, month in sorted(months)]


def ensure_quote_partitions(connection: Connection, months: Iterable[tuple[int, int]]) -> int:
    """Create the missing months of `quotes`; return how many tables were created.

    Args:
        connection: in a transaction of its own, which holds `PARTITION_LOCK` until its end.
        months: (year, month) pairs in UTC.
    """
    statement = text("SELECT ensure_quote_partitions(CAST(:months AS date[]))")
    return int(connection.scalar(statement, {"months": _dates(months)}) or 0)


def ensure_raw_partitions(
    connection: Connection, source_type: str, months: Iterable[tuple[int, int]]
) -> int:
    """Create the branch of a source type and its months; return how many tables were created.

    Args:
        connection: in a transaction of its own, which holds `PARTITION_LOCK` until its end.
        source_type: `spec.type` in lower case; the branch is `raw_<source_type>`.
        months: (year, month) pairs of arrival in UTC.
    """
    statement = text("SELECT ensure_raw_partitions(:kind, CAST(:months AS date[]))")
    parameters = {"kind": source_type, "months": _dates(months)}
    return int(connection.scalar(statement, parameters) or 0)
