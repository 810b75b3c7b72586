"""The shared token bucket: generic cell rate algorithm, one row per bucket.

`arrival` is the theoretical arrival time of the next request at the sustained rate. A request may
go out once `arrival - tolerance` has passed; each moves it on by one interval.
"""

from __future__ import annotations

from sqlalchemy import text

_NOW = "extract(epoch FROM clock_timestamp())"

# Row lock on one bucket. Returns the seconds to wait before the request that was just counted.
TAKE = text(f"""
INSERT INTO rate_limits AS r (bucket, arrival) VALUES (:bucket, {_NOW} + :interval)
ON CONFLICT (bucket) DO UPDATE SET arrival = greatest(r.arrival, {_NOW}) + :interval
RETURNING arrival - :interval - :tolerance - {_NOW} AS wait_seconds
""")

PENALIZE = text("""
INSERT INTO rate_limits AS r (bucket, arrival)
VALUES (:bucket, extract(epoch FROM CAST(:until AS timestamptz)) + :tolerance)
ON CONFLICT (bucket) DO UPDATE SET arrival = greatest(r.arrival, excluded.arrival)
""")
