"""What a run learns of its upstream: the shape of its records, and which ids it lists.

Both are written after a run's last page, and only what changed.
"""

from __future__ import annotations

from sqlalchemy import text

ACCEPTED_SHAPE = text("SELECT accepted_shape FROM sources WHERE source_id = :source_id")

ACCEPT_SHAPE = text("""
UPDATE sources SET accepted_shape = CAST(:shape AS jsonb) WHERE source_id = :source_id
""")

INSERT_DRIFT = text("""
INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after)
VALUES (:source_id, :run_id, :field, :change, CAST(:before AS jsonb), CAST(:after AS jsonb))
""")

# The row lock on the checkpoint keeps other runs from claiming the source until the commit. No row:
# another run has claimed it already, and this one must write nothing.
LOCK_LISTING_DIGEST = text("""
SELECT COALESCE(listing_digest::text, '') FROM etl_checkpoints WHERE source_id = :source_id AND epoch = :epoch FOR UPDATE
""")

# Index listings_open_idx alone.
LISTED_IDS = text("""
SELECT external_id FROM listings WHERE source_id = :source_id AND until_epoch IS NULL
""")

INSERT_LISTINGS = text("""
INSERT INTO listings (source_id, external_id, from_epoch)
SELECT :source_id, external_id, :epoch
  FROM unnest(CAST(:external_ids AS text[])) AS news(external_id)
""")

# Index listings_open_idx, a look-up for each id.
CLOSE_LISTINGS = text("""
UPDATE listings SET until_epoch = :epoch, delisted_at = clock_timestamp()
 WHERE source_id = :source_id AND until_epoch IS NULL
   AND external_id = ANY (CAST(:external_ids AS text[]))
""")

# LOCK_LISTING_DIGEST holds the checkpoint's row.
STORE_LISTING_DIGEST = text("""
UPDATE etl_checkpoints SET listing_digest = CAST(:digest AS uuid)
 WHERE source_id = :source_id AND epoch = :epoch
""")

STORE_LISTED_COUNT = text("""
UPDATE etl_runs SET listed = :listed WHERE run_id = :run_id AND status = 'running'
""")
