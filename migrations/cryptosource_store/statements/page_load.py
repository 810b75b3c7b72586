"""The load path: one page, from a COPY into a stage table to all tables that it changes.

All statements run in one transaction on the session that claimed the source. Every source takes
locks in one order (unified, then tickers, then dataset_versions, each sorted), so that two sources
that load the same coins wait for each other instead of deadlocking.

The statements that follow the update of `quotes_latest` are shared with replays. They are functions
of `coins`: the name of a table with a column `asset_id`, in which a coin may occur several times.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

from cryptosource_store.quote_fields import (
    FIGURE_LIST,
    QUOTE_COLUMNS,
    SET_FIGURES,
    figure_list,
    stage_columns,
)
from cryptosource_store.statements.batching import batch
from cryptosource_store.statements.claim import DATA_CHANNEL, NOTIFY
from cryptosource_store.statements.identity import lock_tickers, move_tickers

STAGE = "page_stage"

STAGE_COLUMNS = (
    "seq",
    "repeated",
    "asset_id",
    "digest",
    "scrubbed",
    *QUOTE_COLUMNS,
    "payload",
)
"""Columns in the COPY text of a page, in order."""

REJECT_COLUMNS = (
    "seq",
    "external_id",
    "digest",
    "scrubbed",
    "reason",
    "field",
    "detail",
    "payload",
)

# Of the session, and emptied at each commit. repeated: an earlier row of this page has the same
# (asset, observed_at), so this row is not compared with the stored one.
CREATE_STAGE = text(f"""
CREATE TEMPORARY TABLE IF NOT EXISTS page_stage (
  seq integer NOT NULL, repeated boolean NOT NULL,
  raw_id bigint NOT NULL DEFAULT nextval('raw_record_id_seq'),
  asset_id bigint NOT NULL, digest uuid NOT NULL, scrubbed boolean NOT NULL,
  {stage_columns()}, payload jsonb NOT NULL
) ON COMMIT DELETE ROWS
""")
CREATE_REJECT_STAGE = text("""
CREATE TEMPORARY TABLE IF NOT EXISTS page_rejects (
  seq integer NOT NULL, raw_id bigint NOT NULL DEFAULT nextval('raw_record_id_seq'),
  external_id text, digest uuid NOT NULL, scrubbed boolean NOT NULL, reason text NOT NULL,
  field text, detail text NOT NULL, payload jsonb NOT NULL
) ON COMMIT DELETE ROWS
""")

COPY_STAGE = f"COPY page_stage ({', '.join(STAGE_COLUMNS)}) FROM STDIN"
COPY_REJECTS = f"COPY page_rejects ({', '.join(REJECT_COLUMNS)}) FROM STDIN"

# The coins and newest observations of a page's ids. OFFSET 0 keeps each look-up one by primary key:
# without statistics the planner would reverse the joins and scan the tables for every page.
KNOWN = text("""
SELECT external_id, asset_id, digest, observed_at FROM (
  SELECT wanted.external_id,
         coalesce(latest.asset_id, (
           SELECT a.asset_id FROM asset_aliases a
            WHERE a.id_scope = :id_scope AND a.external_id = wanted.external_id)) AS asset_id,
         latest.digest, latest.observed_at
    FROM unnest(CAST(:external_ids AS text[])) AS wanted(external_id)
    LEFT JOIN LATERAL (
         SELECT l.asset_id, replace(l.digest::text, '-', '') AS digest, l.observed_at
           FROM quotes_latest l
          WHERE l.source_id = :source_id AND l.external_id = wanted.external_id
         OFFSET 0) latest ON true
  OFFSET 0) known
 WHERE asset_id IS NOT NULL
""")

# A look-up by the primary key of quotes for each row. A row that equals the stored observation of
# its time was loaded before.
DROP_UNCHANGED = text("""
DELETE FROM page_stage s
 WHERE NOT s.repeated AND EXISTS (
       SELECT 1 FROM quotes q
        WHERE q.asset_id = s.asset_id AND q.source_id = :source_id
          AND q.observed_at = s.observed_at AND q.digest = s.digest
       OFFSET 0)
""")

INSERT_RAW = text("""
INSERT INTO raw_records (source_type, raw_id, ingested_at, source_id, run_id, external_id,
                         observed_at, digest, scrubbed, payload)
SELECT :source_type, raw_id, :ingested_at, :source_id, :run_id, external_id, observed_at,
       digest, scrubbed, payload
  FROM page_stage
""")

# Row locks in (asset, time) order. An equal key with another payload is a correction: the last one
# is stored.
UPSERT_QUOTES = text(f"""
INSERT INTO quotes AS q (asset_id, source_id, observed_at, rank, {FIGURE_LIST},
                         run_id, raw_id, digest)
SELECT DISTINCT ON (asset_id, observed_at)
       asset_id, :source_id, observed_at, rank, {FIGURE_LIST},
       :run_id, raw_id, digest
  FROM page_stage
 ORDER BY asset_id, observed_at, seq DESC
ON CONFLICT (asset_id, source_id, observed_at) DO UPDATE
   SET rank = excluded.rank, {SET_FIGURES},
       run_id = excluded.run_id, raw_id = excluded.raw_id, digest = excluded.digest
""")

# Only a newer observation, or a correction of the newest one, replaces a row: an upstream may send
# old observations of some coins after newer ones.
UPSERT_LATEST = text(f"""
INSERT INTO quotes_latest AS l (source_id, external_id, asset_id, observed_at, inferred_time,
       symbol, name, rank, {FIGURE_LIST},
       run_id, raw_id, digest)
SELECT DISTINCT ON (external_id) :source_id, external_id, asset_id, observed_at, inferred_time,
       symbol, name, rank, {FIGURE_LIST},
       :run_id, raw_id, digest
  FROM page_stage
 ORDER BY external_id, observed_at DESC, seq DESC
ON CONFLICT (source_id, external_id) DO UPDATE
   SET asset_id = excluded.asset_id, observed_at = excluded.observed_at,
       inferred_time = excluded.inferred_time, symbol = excluded.symbol, name = excluded.name,
       rank = excluded.rank, {SET_FIGURES},
       run_id = excluded.run_id, raw_id = excluded.raw_id, digest = excluded.digest
 WHERE excluded.observed_at >= l.observed_at
""")


def lock_unified(coins: str) -> TextClause:
    """Return a statement that locks the coins' rows of unified and counts the coins without one."""
    # In the order of asset_id, against deadlocks. Of two sources that load one coin the second
    # waits here, and then sees what the first one committed.
    return text(f"""
SELECT (SELECT count(DISTINCT asset_id) FROM {coins}) - (
  SELECT count(*) FROM (
    SELECT 1 FROM unified WHERE asset_id IN (SELECT asset_id FROM {coins})
     ORDER BY asset_id FOR NO KEY UPDATE) locked)
""")


def upsert_unified(coins: str) -> TextClause:
    """Return a statement that derives the rows of unified from `quotes_latest`, by its index.

    A coin gets the values of its newest observation that has a price. The spread is between the
    prices that sources observed within the hour before that observation.
    """
    return text(f"""
INSERT INTO unified AS u (asset_id, symbol, name, rank, {FIGURE_LIST},
       observed_at, source_id, source_ids, spread_percent)
SELECT newest.asset_id, newest.symbol, newest.name,
       CASE WHEN newest.views = 1 THEN newest.rank ELSE (
         SELECT min(l.rank) FROM quotes_latest l WHERE l.asset_id = newest.asset_id) END,
       {figure_list("newest")}, newest.observed_at, newest.source_id,
       CASE WHEN newest.views = 1 THEN ARRAY[newest.source_id] ELSE (
         SELECT array_agg(l.source_id ORDER BY l.source_id)
           FROM quotes_latest l WHERE l.asset_id = newest.asset_id) END,
       CASE WHEN newest.views > 1 THEN (
         SELECT CASE WHEN count(l.price_usd) > 1 AND min(l.price_usd) > 0
                     THEN (max(l.price_usd) - min(l.price_usd)) / min(l.price_usd) * 100 END
           FROM quotes_latest l
          WHERE l.asset_id = newest.asset_id
            AND l.observed_at >= newest.observed_at - interval '1 hour') END
  FROM (SELECT DISTINCT asset_id FROM {coins}) page
 CROSS JOIN LATERAL (
       SELECT l.*, count(*) OVER () AS views FROM quotes_latest l
        WHERE l.asset_id = page.asset_id
        ORDER BY (l.price_usd IS NULL), l.observed_at DESC, l.source_id
        LIMIT 1) newest
 ORDER BY newest.asset_id
ON CONFLICT (asset_id) DO UPDATE
   SET symbol = excluded.symbol, name = excluded.name, rank = excluded.rank,
       {SET_FIGURES}, observed_at = excluded.observed_at,
       source_id = excluded.source_id, source_ids = excluded.source_ids,
       spread_percent = excluded.spread_percent, updated_at = clock_timestamp()
""")


# A record that is rejected in each run is one row with a count, not a row per run.
UPSERT_REJECTS = text("""
WITH stored AS (
  INSERT INTO rejected_records AS r (source_id, external_id, digest, reason, field, detail,
                                     contract_version, raw_id, run_id, occurrences)
  SELECT DISTINCT ON (digest, reason) :source_id, external_id, digest, reason, field, detail,
         :contract_version, raw_id, CAST(:run_id AS uuid),
         count(*) OVER (PARTITION BY digest, reason)
    FROM page_rejects ORDER BY digest, reason, seq
  ON CONFLICT (source_id, digest, reason) DO UPDATE
     SET occurrences = r.occurrences + excluded.occurrences, last_seen_at = clock_timestamp(),
         run_id = excluded.run_id, contract_version = excluded.contract_version
  RETURNING raw_id
)
INSERT INTO raw_records (source_type, raw_id, ingested_at, source_id, run_id, external_id,
                         observed_at, digest, scrubbed, payload)
SELECT :source_type, p.raw_id, :ingested_at, :source_id, :run_id, p.external_id, NULL,
       p.digest, p.scrubbed, p.payload
  FROM page_rejects p JOIN stored USING (raw_id)
""")

# The row of unified comes last: every page of every source needs this lock, so that it is taken
# shortly before the commit.
COUNT_CHANGE = text("""
INSERT INTO dataset_versions AS d (dataset, version, total)
VALUES (:dataset, 1, :new_records), ('unified', 1, :new_coins)
ON CONFLICT (dataset) DO UPDATE SET version = d.version + 1, total = d.total + excluded.total,
   changed_at = clock_timestamp()
""")


def record_change(coins: str) -> TextClause:
    """Return a statement that adds a row to the feed of changes; it must follow COUNT_CHANGE."""
    # The row lock of COUNT_CHANGE makes versions commit in their order. One row for each page: a
    # version column in unified would need an index that every update writes to. A ticker that moved
    # in this transaction changed the ids of two coins, which need not be among the page's.
    return text(f"""
INSERT INTO data_changes AS d (version, changed_at, source_id, asset_ids)
SELECT version, changed_at, :source_id,
       ARRAY(SELECT asset_id FROM {coins}
              UNION SELECT unnest(ARRAY[from_asset_id, to_asset_id]) FROM ticker_moves
                     WHERE run_id = :run_id AND moved_at >= now() ORDER BY 1)
  FROM dataset_versions WHERE dataset = 'unified'
ON CONFLICT (version) DO UPDATE SET changed_at = excluded.changed_at,
   source_id = excluded.source_id, asset_ids = excluded.asset_ids
""")


NOTIFY_CHANGE = text(f"""
SELECT pg_notify('{DATA_CHANNEL}', concat_ws(':', CAST(:source_id AS bigint), version))
  FROM dataset_versions WHERE dataset = 'unified'
""")

# Updates no row when another run has claimed the source since; the page must not be committed then.
MOVE_CHECKPOINT = text("""
UPDATE etl_checkpoints SET cursor = :cursor, records_committed = :records_committed,
       observed_at = greatest(observed_at, :observed_at), run_id = :run_id,
       updated_at = clock_timestamp()
 WHERE source_id = :source_id AND epoch = :epoch
""")

# The same check for a page that does not move the cursor.
KEEP_CHECKPOINT = text("""
UPDATE etl_checkpoints SET run_id = :run_id WHERE source_id = :source_id AND epoch = :epoch
""")

COUNT_PAGE = text("""
UPDATE etl_runs SET processed = processed + :processed, loaded = loaded + :loaded,
       unchanged = unchanged + :unchanged, rejected = rejected + :rejected, pages = pages + :pages,
       requests = :requests, retries = :retries, records_total = :records_total,
       heartbeat_at = clock_timestamp()
 WHERE run_id = :run_id AND status = 'running'
""")

# After MOVE_CHECKPOINT or KEEP_CHECKPOINT, which have locked the row if it has our epoch.
EPOCH_IS_CURRENT = text("""
SELECT EXISTS (SELECT 1 FROM etl_checkpoints WHERE source_id = :source_id AND epoch = :epoch)
""")

# Only for pages with rejected records. The counts are of all pages of the run so far.
COUNT_REJECTS = text("""
UPDATE etl_runs SET reject_reasons = CAST(:reasons AS jsonb)
 WHERE run_id = :run_id AND status = 'running'
""")


def announce(coins: str) -> TextClause:
    """Return a statement that versions a change of the coins, stores it and notifies listeners."""
    return batch(COUNT_CHANGE, record_change(coins), NOTIFY_CHANGE)


# The page's transaction in as few messages as possible: one ends where its result is needed.
MERGE = batch(INSERT_RAW, UPSERT_QUOTES, UPSERT_LATEST, lock_unified(STAGE))
SHARE = batch(upsert_unified(STAGE), lock_tickers(STAGE), move_tickers(STAGE), announce(STAGE))
ADVANCE = batch(MOVE_CHECKPOINT, COUNT_PAGE, NOTIFY, EPOCH_IS_CURRENT)
STAY = batch(KEEP_CHECKPOINT, COUNT_PAGE, NOTIFY, EPOCH_IS_CURRENT)
