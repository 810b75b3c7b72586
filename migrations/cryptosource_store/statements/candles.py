"""Down-sampled history of a coin: one row per interval and source, computed exactly by Postgres.

Buckets are half-open, `start <= t < start + interval`, and aligned to UTC: intervals divide a day,
so that each day begins with a bucket.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text

from cryptosource_store.quote_fields import BUCKETED
from cryptosource_store.statements import record_pages as pages
from cryptosource_store.statements.as_of import KNOWN_QUOTES
from cryptosource_store.statements.coins import UNIFIED_VERSION, rfc3339

_LAST_FIGURES = ",\n".join(
    f"         (array_agg(q.{field.name} ORDER BY q.observed_at DESC))[1] AS last_{field.name}"
    for field in BUCKETED
)
# Unknown prices are ignored by open, high, low, close and count. `last` is the price of the newest
# observation, even if unknown.
_BUCKETS = f"""
  SELECT date_bin(CAST(:interval AS interval), q.observed_at, 'epoch'::timestamptz) AS bucket,
         q.source_id,
         (array_agg(q.price_usd ORDER BY q.observed_at)
            FILTER (WHERE q.price_usd IS NOT NULL))[1] AS open,
         max(q.price_usd) AS high, min(q.price_usd) AS low,
         (array_agg(q.price_usd ORDER BY q.observed_at DESC)
            FILTER (WHERE q.price_usd IS NOT NULL))[1] AS close,
         (array_agg(q.price_usd ORDER BY q.observed_at DESC))[1] AS last,
         count(q.price_usd) AS count,
         max(q.observed_at) AS last_at,
{_LAST_FIGURES}
    FROM {{quotes}}{{where}}
   GROUP BY 1, 2"""


def buckets(*, as_of: bool) -> str:
    """Return SQL for the rows of the buckets; binds `interval` and what a history binds."""
    quotes = KNOWN_QUOTES if as_of else "quotes q"
    return _BUCKETS.format(quotes=quotes, where=pages.OF_COIN_IN_RANGE)


BUCKET_FIELDS = f"""{rfc3339("u.bucket")} AS bucket_start,
         {rfc3339("(u.bucket + CAST(:interval AS interval))")} AS bucket_end,
         s.name AS source, s.source_type, s.namespace, u.open, u.high, u.low, u.close, u.last,
         u.count, {rfc3339("u.last_at")} AS last_observed_at,
         {", ".join(f"u.last_{field.name}" for field in BUCKETED)}"""


def newest_observation(*, as_of: bool) -> TextClause:
    """Return the statement of the time of a coin's newest observation not after `end`.

    Reads one entry of the primary key (asset, source, time) per source; binds what a history binds.
    """
    quotes = KNOWN_QUOTES if as_of else "quotes q"
    return text(f"""
SELECT max(newest.observed_at)
  FROM unnest(CAST(:source_ids AS integer[])) AS chosen(source_id)
 CROSS JOIN LATERAL (
       SELECT q.observed_at FROM {quotes}
        WHERE q.asset_id = :asset_id AND q.source_id = chosen.source_id AND q.observed_at <= :end
        ORDER BY q.observed_at DESC LIMIT 1) newest
""")


def bucket_page(*, descending: bool, after: bool, as_of: bool) -> TextClause:
    """Return the statement of a page of buckets; it computes all buckets of the range.

    Args:
        descending: newest first.
        after: continue after `after_key` (a bucket's start) and `after_source`.
        as_of: from the observations known at `as_of`.
    """
    direction, comparison = ("DESC", "<") if descending else ("ASC", ">")
    after_cursor = f""" WHERE u.bucket {comparison} :after_key
        OR (u.bucket = :after_key AND u.source_id > :after_source)"""
    last = "FILTER (WHERE n = :size)"
    return text(f"""
WITH grouped AS MATERIALIZED ({buckets(as_of=as_of)}), page AS (
  SELECT row_number() OVER () AS n, ordered.* FROM (
    SELECT * FROM grouped u{after_cursor if after else ""}
     ORDER BY u.bucket {direction}, u.source_id LIMIT :size + 1) ordered
)
SELECT {UNIFIED_VERSION} AS version, (SELECT count(*) FROM grouped) AS total, count(*) AS found,
       COALESCE(string_agg(row_to_json(record)::text, ',' ORDER BY n) FILTER (WHERE n <= :size),
                '') AS body,
       (max(u.bucket) {last})::text AS last_key, max(u.source_id) {last} AS last_source
  FROM page u
  LEFT JOIN sources s USING (source_id)
 CROSS JOIN LATERAL (SELECT {BUCKET_FIELDS}) record
""")
