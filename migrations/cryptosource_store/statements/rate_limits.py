"""The token bucket that pods share: the generic cell rate algorithm, with one row per bucket.

`arrival` is the theoretical arrival time of the next request at the sustained rate. A request may
be sent once `arrival - tolerance` has passed, and advances `arrival` by one interval.
"""

from __future__ import annotations

from sqlalchemy import text

_NOW = "extract(epoch FROM clock_timestamp())"

MAKE_BUCKET = text("""
INSERT INTO rate_limits (bucket, arrival) VALUES (:bucket, 0) ON CONFLICT DO NOTHING
""")

# Row lock until the transaction ends, so that no other pod takes the token between WAIT and TAKE.
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
