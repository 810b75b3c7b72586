"""Which ids an upstream lists. Written after a run's last page, and only what changed."""

from __future__ import annotations

from sqlalchemy import text

# Row lock on the checkpoint: nobody claims the source until this is committed. 0 rows: somebody has.
FENCE = text("""
SELECT COALESCE(listing_digest::text, '') FROM etl_checkpoints WHERE source_id = :source_id AND epoch = :epoch FOR UPDATE
""")

# Index listings_open_idx alone.
LISTED = text("""
SELECT external_id FROM listings WHERE source_id = :source_id AND until_epoch IS NULL
""")

LIST = text("""
INSERT INTO listings (source_id, external_id, from_epoch)
SELECT :source_id, external_id, :epoch
  FROM unnest(CAST(:external_ids AS text[])) AS news(external_id)
""")

# Index listings_open_idx, a look-up for each id.
DELIST = text("""
UPDATE listings SET until_epoch = :epoch, delisted_at = clock_timestamp()
 WHERE source_id = :source_id AND until_epoch IS NULL
   AND external_id = ANY (CAST(:external_ids AS text[]))
""")

# The checkpoint's row is locked by the fence.
KEEP_DIGEST = text("""
UPDATE etl_checkpoints SET listing_digest = CAST(:digest AS uuid)
 WHERE source_id = :source_id AND epoch = :epoch
""")

COUNT_LISTED = text("""
UPDATE etl_runs SET listed = :listed WHERE run_id = :run_id AND status = 'running'
""")
