"""Replay of stored raw records: one page, from a COPY into a stage table to all tables it changes.

Of all raw records that resolve to a key (asset, source, observed_at), the one with the highest
raw_id is its quote. So pages may come in any order, and newest first one pass suffices. Statements
change only rows that are wrong: an unchanged page writes nothing. The order of locks is that of the
load path (quotes, quotes_latest, unified, tickers, dataset_versions), which also provides the
statements from unified on.

replay_touched holds the coins whose quotes the page may have changed, and replay_changed those of
them whose row of quotes_latest did change: only these need the statements from unified on.
"""

from __future__ import annotations

from sqlalchemy import text

from cryptosource_store.quote_fields import (
    FIGURE_LIST,
    QUOTE_COLUMNS,
    SET_FIGURES,
    figure_list,
    stage_columns,
)
from cryptosource_store.statements.identity import lock_tickers, move_tickers
from cryptosource_store.statements.page_load import announce, lock_unified, upsert_unified

STAGE_COLUMNS = (
    "raw_id",
    "ingested_at",
    "held_asset_id",
    "held_external_id",
    "held_observed_at",
    "digest",
    "asset_id",
    *QUOTE_COLUMNS,
    "reason",
    "field",
    "detail",
)
"""Columns in the COPY text of a page, in order."""

# held_*: the key of the record's quote before this page. asset_id is null for a rejected record,
# reason for an accepted one.
CREATE_STAGE = text(f"""
CREATE TEMPORARY TABLE IF NOT EXISTS replay_stage (
  raw_id bigint PRIMARY KEY, ingested_at timestamptz NOT NULL, held_asset_id bigint,
  held_external_id text, held_observed_at timestamptz, digest uuid NOT NULL, asset_id bigint,
  {stage_columns(nullable=True)}, reason text, field text, detail text
) ON COMMIT DELETE ROWS
""")
CREATE_TOUCHED = text("""
CREATE TEMPORARY TABLE IF NOT EXISTS replay_touched (asset_id bigint PRIMARY KEY)
ON COMMIT DELETE ROWS
""")
CREATE_CHANGED = text("""
CREATE TEMPORARY TABLE IF NOT EXISTS replay_changed (asset_id bigint PRIMARY KEY)
ON COMMIT DELETE ROWS
""")
CREATE_NAMES = text("""
CREATE TEMPORARY TABLE IF NOT EXISTS replay_names (
  raw_id bigint PRIMARY KEY, inferred_time boolean NOT NULL, symbol text, name text
) ON COMMIT DELETE ROWS
""")
CREATE_TABLES = (CREATE_STAGE, CREATE_TOUCHED, CREATE_CHANGED, CREATE_NAMES)

CHANGED = "replay_changed"

COPY_STAGE = f"COPY replay_stage ({', '.join(STAGE_COLUMNS)}) FROM STDIN"

_RAW = """r.raw_id, r.ingested_at, r.external_id, r.observed_at,
       replace(r.digest::text, '-', '') AS digest, r.scrubbed, r.payload::text AS payload"""

# Primary key of each month's partition, backwards. Takes no lock that blocks a load.
STORED_BEFORE = text(f"""
SELECT {_RAW} FROM raw_records r
 WHERE r.source_type = :source_type AND r.source_id = :source_id AND r.raw_id < :before
 ORDER BY r.raw_id DESC LIMIT :size
""")

# A record that now resolves to another key, or to none, gives up the key that it had.
REMOVE_QUOTES = text("""
WITH gone AS (
  DELETE FROM quotes q USING replay_stage s
   WHERE q.asset_id = s.held_asset_id AND q.source_id = :source_id
     AND q.observed_at = s.held_observed_at AND q.raw_id = s.raw_id
     AND (s.asset_id, s.observed_at) IS DISTINCT FROM (s.held_asset_id, s.held_observed_at)
  RETURNING q.asset_id
), noted AS (
  INSERT INTO replay_touched SELECT DISTINCT asset_id FROM gone ON CONFLICT DO NOTHING
)
SELECT count(*) FROM gone
""")

# Rows that are right already are left out before the insert, because ON CONFLICT would lock each of
# them, which is a write.
WRITE_QUOTES = text(f"""
WITH wanted AS MATERIALIZED (
  SELECT DISTINCT ON (asset_id, observed_at) * FROM replay_stage
   WHERE asset_id IS NOT NULL ORDER BY asset_id, observed_at, raw_id DESC
), put AS (
  INSERT INTO quotes AS q (asset_id, source_id, observed_at, rank, {FIGURE_LIST},
                           run_id, raw_id, digest)
  SELECT w.asset_id, :source_id, w.observed_at, w.rank, {figure_list("w")},
         :run_id, w.raw_id, w.digest
    FROM wanted w
   WHERE NOT EXISTS (
         SELECT 1 FROM quotes o
          WHERE o.asset_id = w.asset_id AND o.source_id = :source_id
            AND o.observed_at = w.observed_at
            AND (o.raw_id > w.raw_id
                 OR (o.raw_id, o.rank, {figure_list("o")})
                    IS NOT DISTINCT FROM
                    (w.raw_id, w.rank, {figure_list("w")}))
         OFFSET 0)
   ORDER BY w.asset_id, w.observed_at
  ON CONFLICT (asset_id, source_id, observed_at) DO UPDATE
     SET rank = excluded.rank, {SET_FIGURES},
         run_id = excluded.run_id, raw_id = excluded.raw_id, digest = excluded.digest
  RETURNING asset_id, raw_id
), noted AS (
  INSERT INTO replay_touched SELECT DISTINCT asset_id FROM put ON CONFLICT DO NOTHING
)
SELECT raw_id FROM put
""")

# Symbol, name and inferred_time are not in quotes but in quotes_latest only.
TOUCH_LATEST = text("""
WITH found AS MATERIALIZED (
  SELECT s.raw_id, l.asset_id, s.asset_id IS NOT NULL AS stays
    FROM replay_stage s
    JOIN quotes_latest l ON l.source_id = :source_id AND l.external_id = s.held_external_id
                        AND l.raw_id = s.raw_id
   WHERE (s.asset_id, s.external_id, s.observed_at, s.inferred_time, s.symbol, s.name)
         IS DISTINCT FROM
         (l.asset_id, l.external_id, l.observed_at, l.inferred_time, l.symbol, l.name)
), noted AS (
  INSERT INTO replay_touched SELECT DISTINCT asset_id FROM found ON CONFLICT DO NOTHING
)
SELECT raw_id FROM found WHERE stays
""")

ANY_TOUCHED = text("SELECT EXISTS (SELECT 1 FROM replay_touched)")

_NEWEST = """CROSS JOIN LATERAL (
       SELECT * FROM quotes q WHERE q.asset_id = t.asset_id AND q.source_id = :source_id
        ORDER BY q.observed_at DESC LIMIT 1) q"""

# Raw records of quotes that became a coin's newest, whose names are neither in the page nor in
# quotes_latest: the caller has to read them from the payload.
UNNAMED = text(f"""
SELECT {_RAW} FROM replay_touched t
 {_NEWEST}
  JOIN raw_records r ON r.source_type = :source_type AND r.raw_id = q.raw_id
                    AND r.source_id = :source_id
 WHERE NOT EXISTS (SELECT 1 FROM replay_stage s
                    WHERE s.raw_id = q.raw_id AND s.asset_id = t.asset_id)
   AND NOT EXISTS (SELECT 1 FROM quotes_latest l
                    WHERE l.asset_id = t.asset_id AND l.source_id = :source_id
                      AND l.raw_id = q.raw_id)
""")

INSERT_NAMES = text("""
INSERT INTO replay_names (raw_id, inferred_time, symbol, name)
SELECT * FROM unnest(CAST(:raw_ids AS bigint[]), CAST(:inferred_times AS boolean[]),
                     CAST(:symbols AS text[]), CAST(:names AS text[]))
ON CONFLICT DO NOTHING
""")

# Index quotes_latest_asset_idx.
COUNT_LATEST = text("""
SELECT count(*) FROM replay_touched t JOIN quotes_latest l ON l.asset_id = t.asset_id
 WHERE l.source_id = :source_id
""")

# The newest quote of each touched coin.
WRITE_LATEST = text(f"""
WITH wanted AS MATERIALIZED (
  SELECT a.external_id, q.asset_id, q.observed_at, q.rank, {figure_list("q")},
         q.run_id, q.raw_id, q.digest,
         COALESCE(s.inferred_time, n.inferred_time, l.inferred_time, false) AS inferred_time,
         CASE WHEN s.raw_id IS NOT NULL THEN s.symbol WHEN n.raw_id IS NOT NULL THEN n.symbol
              ELSE l.symbol END AS symbol,
         CASE WHEN s.raw_id IS NOT NULL THEN s.name WHEN n.raw_id IS NOT NULL THEN n.name
              ELSE l.name END AS name
    FROM replay_touched t
    JOIN asset_aliases a ON a.asset_id = t.asset_id AND a.id_scope = :id_scope
   {_NEWEST}
    LEFT JOIN replay_stage s ON s.raw_id = q.raw_id AND s.asset_id = t.asset_id
    LEFT JOIN replay_names n ON n.raw_id = q.raw_id
    LEFT JOIN quotes_latest l ON l.source_id = :source_id AND l.external_id = a.external_id
), put AS (
  INSERT INTO quotes_latest AS l (source_id, external_id, asset_id, observed_at, inferred_time,
         symbol, name, rank, {FIGURE_LIST},
         run_id, raw_id, digest)
  SELECT :source_id, external_id, asset_id, observed_at, inferred_time, symbol, name, rank,
         {FIGURE_LIST}, run_id, raw_id, digest
    FROM wanted w
   WHERE NOT EXISTS (
         SELECT 1 FROM quotes_latest o
          WHERE o.source_id = :source_id AND o.external_id = w.external_id
            AND (o.asset_id, o.observed_at, o.inferred_time, o.symbol, o.name, o.rank,
                 {figure_list("o")}, o.raw_id)
                IS NOT DISTINCT FROM
                (w.asset_id, w.observed_at, w.inferred_time, w.symbol, w.name, w.rank,
                 {figure_list("w")}, w.raw_id))
   ORDER BY external_id
  ON CONFLICT (source_id, external_id) DO UPDATE
     SET asset_id = excluded.asset_id, observed_at = excluded.observed_at,
         inferred_time = excluded.inferred_time, symbol = excluded.symbol, name = excluded.name,
         rank = excluded.rank, {SET_FIGURES},
         run_id = excluded.run_id, raw_id = excluded.raw_id, digest = excluded.digest
  RETURNING l.asset_id
)
INSERT INTO replay_changed SELECT DISTINCT asset_id FROM put ON CONFLICT DO NOTHING
""")

DROP_LATEST = text("""
WITH gone AS (
  DELETE FROM quotes_latest l USING replay_touched t
   WHERE l.source_id = :source_id AND l.asset_id = t.asset_id
     AND NOT EXISTS (SELECT 1 FROM quotes q
                      WHERE q.asset_id = t.asset_id AND q.source_id = :source_id)
  RETURNING l.asset_id
)
INSERT INTO replay_changed SELECT DISTINCT asset_id FROM gone ON CONFLICT DO NOTHING
""")

LOCK_UNIFIED = lock_unified(CHANGED)
UPSERT_UNIFIED = upsert_unified(CHANGED)

# LOCK_UNIFIED has locked the rows.
DROP_UNIFIED = text("""
DELETE FROM unified u USING replay_changed c
 WHERE u.asset_id = c.asset_id
   AND NOT EXISTS (SELECT 1 FROM quotes_latest l WHERE l.asset_id = c.asset_id)
""")
COUNT_UNKNOWN = text("""
SELECT count(*) FROM replay_changed c
 WHERE NOT EXISTS (SELECT 1 FROM unified u WHERE u.asset_id = c.asset_id)
""")

LOCK_TICKERS = lock_tickers(CHANGED)
MOVE_TICKERS = move_tickers(CHANGED)

# Tickers that no other coin has: MOVE_TICKERS has given the others to their new owners.
DROP_TICKERS = text("""
DELETE FROM tickers t USING replay_changed c
 WHERE t.asset_id = c.asset_id
   AND NOT EXISTS (SELECT 1 FROM unified u WHERE u.asset_id = c.asset_id)
""")
ANNOUNCE = announce(CHANGED)

# ingested_at is compared so that only its partition is searched.
RESTAMP_RAW = text("""
UPDATE raw_records r
   SET observed_at = s.observed_at, external_id = COALESCE(s.external_id, r.external_id)
  FROM replay_stage s
 WHERE r.source_type = :source_type AND r.raw_id = s.raw_id AND r.ingested_at = s.ingested_at
   AND (s.observed_at IS DISTINCT FROM s.held_observed_at
        OR s.external_id IS DISTINCT FROM s.held_external_id AND s.asset_id IS NOT NULL)
""")

# Unique key (source_id, digest, reason), by its first two columns.
RELEASE = text("""
UPDATE rejected_records r SET replayed_at = clock_timestamp()
  FROM replay_stage s
 WHERE r.source_id = :source_id AND r.digest = s.digest AND r.replayed_at IS NULL
   AND r.reason IS DISTINCT FROM s.reason
""")

# A record that was accepted before returns to quarantine. One that never left it is only brought up
# to date.
KEEP_REJECTED = text("""
UPDATE rejected_records r
   SET contract_version = :contract_version, field = s.field, detail = s.detail,
       replayed_at = CASE WHEN s.held_observed_at IS NULL THEN r.replayed_at END
  FROM replay_stage s
 WHERE r.source_id = :source_id AND r.digest = s.digest AND r.reason = s.reason
   AND (r.contract_version <> :contract_version
        OR s.held_observed_at IS NOT NULL AND r.replayed_at IS NOT NULL)
""")

ADD_REJECTED = text("""
INSERT INTO rejected_records (source_id, external_id, digest, reason, field, detail,
                              contract_version, raw_id, run_id)
SELECT DISTINCT ON (s.digest, s.reason) :source_id, s.held_external_id, s.digest, s.reason,
       s.field, s.detail, :contract_version, s.raw_id, :run_id
  FROM replay_stage s
 WHERE s.reason IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM rejected_records r
                    WHERE r.source_id = :source_id AND r.digest = s.digest
                      AND r.reason = s.reason)
 ORDER BY s.digest, s.reason, s.raw_id
""")
