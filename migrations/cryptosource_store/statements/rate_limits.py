"""The shared token bucket: generic cell rate algorithm, one row per bucket.

`arrival` is the theoretical arrival time of the next request at the sustained rate. A request may
go out once `arrival - tolerance` has passed; each one that does moves it on by one interval.
"""

from __future__ import annotations

from sqlalchemy import text

_NOW = "extract(epoch FROM clock_timestamp())"

MAKE_BUCKET = text("""
INSERT INTO rate_limits (bucket, arrival) VALUES (:bucket, 0) ON CONFLICT DO NOTHING
""")

# Row lock until the transaction ends, so that what is decided here is what TAKE finds.
WAIT = text(f"""
SELECT arrival - :tolerance - {_NOW} FROM rate_limits WHERE bucket = :bucket FOR UPDATE
""")

TAKE = text(f"""
UPDATE rate_limits SET arrival = greatest(arrival, {_NOW}) + :interval WHERE bucket = :bucket
""")

PENALIZE = text("""
INSERT INTO rate_limits AS r (bucket, arrival)
VALUES (:bucket, extract(epoch FROM CAST(:until AS timestamptz)) + :tolerance)
ON CONFLICT (bucket) DO UPDATE SET arrival = greatest(r.arrival, excluded.arrival)
""")
