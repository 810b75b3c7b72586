"""A database of one million quotes as loads would leave it, made by the server itself."""

from __future__ import annotations

from sqlalchemy import URL, text

from cryptosource_store.engine import session_engine
from cryptosource_store.partitions import ensure_quote_partitions
from cryptosource_store.settings import SessionTimeouts

COINS = 100_000
"""So that there is a page at depth 90 000."""
OBSERVATIONS = 10
"""Of each coin, an hour apart."""
SOURCES = 2

FILL = (
    """INSERT INTO sources (uid, namespace, name, source_type)
       VALUES ('a', 'crypto', 'gecko', 'coingecko'), ('b', 'crypto', 'paprika', 'coinpaprika')""",
    # Sixteen coins share each of a thousand tickers; the others have one of their own.
    """INSERT INTO assets (slug, symbol, name)
       SELECT 'coin-' || n, CASE WHEN n % 6 = 0 THEN 'SHARED' || n % 1000 ELSE 'C' || n END,
              'The coin number ' || n FROM generate_series(1, :coins) n""",
    """INSERT INTO quotes (asset_id, source_id, observed_at, price_usd, market_cap_usd,
              volume_24h_usd, percent_change_24h, rank, run_id, raw_id, digest)
       SELECT a.asset_id, 1 + k % :sources,
              timestamptz '2026-11-20 00:00Z' + k * interval '1 hour',
              round((1000000.0 / a.asset_id * (1 + k / 100.0))::numeric, 12),
              round((1e12 / a.asset_id)::numeric, 2), round((1e10 / a.asset_id)::numeric, 4),
              round((k - 5)::numeric / 7, 5), a.asset_id, gen_random_uuid(), 1, gen_random_uuid()
         FROM assets a CROSS JOIN generate_series(0, :observations - 1) k""",
    """INSERT INTO quotes_latest (source_id, external_id, asset_id, observed_at, inferred_time,
              symbol, name, rank, price_usd, market_cap_usd, volume_24h_usd, percent_change_24h,
              run_id, raw_id, digest)
       SELECT DISTINCT ON (q.source_id, a.slug) q.source_id, a.slug, a.asset_id, q.observed_at,
              false, a.symbol, a.name, q.rank, q.price_usd, q.market_cap_usd, q.volume_24h_usd,
              q.percent_change_24h, q.run_id, q.raw_id, q.digest
         FROM quotes q JOIN assets a USING (asset_id)
        ORDER BY q.source_id, a.slug, q.observed_at DESC""",
    """INSERT INTO unified (asset_id, symbol, name, rank, price_usd, market_cap_usd,
              volume_24h_usd, percent_change_24h, observed_at, source_id, source_ids,
              spread_percent)
       SELECT DISTINCT ON (asset_id) asset_id, symbol, name, rank, price_usd, market_cap_usd,
              volume_24h_usd, percent_change_24h, observed_at, source_id, '{1,2}', 0.9901
         FROM quotes_latest ORDER BY asset_id, observed_at DESC""",
    """INSERT INTO tickers (ticker, asset_id)
       SELECT symbol, min(asset_id) FROM unified GROUP BY symbol""",
    """INSERT INTO dataset_versions (dataset, version, total)
       VALUES ('unified', 1, :coins), ('source:1', 1, :coins), ('source:2', 1, :coins)""",
)
LONG_ENOUGH = SessionTimeouts(statement_seconds=600)


def fill(url: URL) -> None:
    """Fill a migrated, empty database with a million quotes of a hundred thousand coins."""
    engine = session_engine(url, application="cryptosource-bench", timeouts=LONG_ENOUGH)
    bound = {"coins": COINS, "observations": OBSERVATIONS, "sources": SOURCES}
    with engine.begin() as connection:
        ensure_quote_partitions(connection, [(2026, 11)])
        for statement in FILL:
            connection.execute(text(statement), bound)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
