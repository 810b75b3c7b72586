"""Fill a migrated database with coins, a month of prices, and a source in each state.

Everything is relative to the database's clock; nothing is random, so two showcases look alike.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from hack.showcase.coins import COINS
from hack.showcase.sources import SOURCES, SeededRun, SeededSource
from sqlalchemy import Connection, Engine, text

from cryptosource_store.partitions import ensure_quote_partitions, months_of

DAYS = 31
DRIFTS = (
    ("quotes.USD.percent_from_price_ath", "vanished", ["number"], []),
    ("first_data_at", "retyped", ["string"], ["string", "number"]),
    ("tags", "appeared", [], ["array"]),
)
REJECTS = (
    ("ghost-protocol", "InvalidNumber", "price_usd", "'1.2.3' is no number"),
    ("moon-2", "NotFinite", "volume_24h_usd", "NaN is no amount"),
    ("moon-3", "NotFinite", "market_cap_usd", "Infinity is no amount"),
    ("yesterdays-coin", "ObservedInFuture", "last_updated", "2031-01-01T00:00:00Z lies ahead"),
    ("minus", "Negative", "price_usd", "-0.01 is less than 0"),
    ("moon-4", "NotFinite", "price_usd", "NaN is no amount"),
)

# Two slow waves, a fast one and a grain of noise that follows from the coin and the hour.
QUOTES = text("""
INSERT INTO quotes (asset_id, source_id, observed_at, price_usd, market_cap_usd, run_id, raw_id,
                    digest)
SELECT :asset_id, :source_id, t.moment, w.price, w.price * :supply, CAST(:run_id AS uuid), 1,
       md5(:asset_id || ' ' || t.moment)::uuid
  FROM generate_series(CAST(:newest AS timestamptz) - :days * interval '1 day',
                       CAST(:newest AS timestamptz), interval '30 minutes') AS t(moment)
 CROSS JOIN LATERAL (
       SELECT extract(epoch FROM t.moment - CAST(:newest AS timestamptz)) / 3600 AS hours,
              hashtext(:asset_id || t.moment::text) / 2147483648.0 AS noise) x
 CROSS JOIN LATERAL (
       SELECT round((CAST(:price AS numeric) * CAST(:factor AS numeric)
                     * (1 + 0.06 * (sin(x.hours / 97 + :asset_id) - sin(:asset_id))
                          + 0.02 * (sin(x.hours / 13 + 2 * :asset_id) - sin(2 * :asset_id))
                          + 0.003 * x.noise)::numeric), 14) AS price) w
""")

LATEST = text("""
INSERT INTO quotes_latest (source_id, external_id, asset_id, observed_at, inferred_time, symbol,
                           name, rank, price_usd, market_cap_usd, volume_24h_usd,
                           percent_change_24h, run_id, raw_id, digest)
SELECT :source_id, :external_id, :asset_id, q.observed_at, false, :symbol, :name, :rank,
       q.price_usd, round(q.market_cap_usd), round(q.market_cap_usd * 0.043),
       round((q.price_usd / d.price_usd - 1) * 100, 4), CAST(:run_id AS uuid), 1, q.digest
  FROM (SELECT * FROM quotes WHERE asset_id = :asset_id AND source_id = :source_id
         ORDER BY observed_at DESC LIMIT 1) q
  JOIN LATERAL (SELECT price_usd FROM quotes e
                 WHERE e.asset_id = :asset_id AND e.source_id = :source_id
                   AND e.observed_at <= q.observed_at - interval '1 day'
                 ORDER BY observed_at DESC LIMIT 1) d ON true
""")

UNIFIED = text("""
INSERT INTO unified (asset_id, symbol, name, rank, price_usd, market_cap_usd, volume_24h_usd,
                     percent_change_24h, observed_at, source_id, source_ids, spread_percent)
SELECT DISTINCT ON (l.asset_id) l.asset_id, l.symbol, l.name, l.rank, l.price_usd,
       l.market_cap_usd, l.volume_24h_usd, l.percent_change_24h, l.observed_at, l.source_id,
       x.source_ids, x.spread
  FROM quotes_latest l
  JOIN LATERAL (SELECT array_agg(o.source_id ORDER BY o.source_id) AS source_ids,
                       CASE WHEN count(*) > 1 THEN
                         round((max(o.price_usd) / min(o.price_usd) - 1) * 100, 6) END AS spread
                  FROM quotes_latest o WHERE o.asset_id = l.asset_id) x ON true
 ORDER BY l.asset_id, l.observed_at DESC, l.source_id
""")


def _id(*parts: object) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.blake2b(repr(parts).encode(), digest_size=16).digest())


def _insert(connection: Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        columns, binds = ", ".join(row), ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({binds})"), dict(row))


def seed(engine: Engine) -> None:
    """Fill an empty, migrated database."""
    with engine.begin() as connection:
        now: datetime = connection.scalar(text("SELECT date_trunc('second', clock_timestamp())"))
        ensure_quote_partitions(
            connection, months_of([now - timedelta(days=back) for back in range(DAYS + 2)])
        )
        for source_id, source in enumerate(SOURCES, start=1):
            _add_source(connection, source_id, source, now)
        _add_coins(connection, now)
        connection.execute(UNIFIED)
        connection.execute(
            text("""
            INSERT INTO dataset_versions (dataset, version, total)
            SELECT 'source:' || source_id, 1, count(*) FROM quotes_latest GROUP BY source_id
            UNION ALL SELECT 'unified', 1, count(*) FROM unified""")
        )


def _add_source(
    connection: Connection, source_id: int, source: SeededSource, now: datetime
) -> None:
    facts = {
        "uid": f"uid-{source.name}",
        "namespace": source.namespace,
        "name": source.name,
        "source_type": source.source_type,
        "schedule": source.schedule,
        "time_zone": source.time_zone,
        "suspended": source.suspended,
        "max_age_seconds": source.max_age_seconds,
        "created_at": now - timedelta(days=DAYS),
    }
    _insert(connection, "sources", [facts])
    runs = source.runs()
    for place, run in enumerate(runs):
        _insert(connection, "etl_runs", [_run(source, source_id, place, run, now)])
    if any(run.status == "success" for run in runs):
        _add_checkpoint(connection, source_id, source, runs, now)
    if runs and source.drifted:
        run_id = str(_id(source.name, len(runs) - 1))
        _insert(
            connection,
            "schema_drifts",
            (
                {
                    "source_id": source_id,
                    "run_id": run_id,
                    "field": field,
                    "change": change,
                    "types_before": json.dumps(before),
                    "types_after": json.dumps(after),
                    "detected_at": now - timedelta(minutes=runs[-1].minutes_ago),
                }
                for field, change, before, after in DRIFTS
            ),
        )
    if runs and runs[-1].rejected:
        _add_rejects(connection, source_id, str(_id(source.name, len(runs) - 1)), now)


def _add_checkpoint(
    connection: Connection,
    source_id: int,
    source: SeededSource,
    runs: list[SeededRun],
    now: datetime,
) -> None:
    moved = min(run.minutes_ago for run in runs if run.status == "success")
    row = {
        "source_id": source_id,
        "epoch": len(runs),
        "cursor": json.dumps({"page": 4} if source.source_type != "csv" else {"line": 6}),
        "records_committed": source.coins * 10,
        "observed_at": now - timedelta(minutes=moved),
        "updated_at": now - timedelta(minutes=moved),
    }
    _insert(connection, "etl_checkpoints", [row])


def _add_rejects(connection: Connection, source_id: int, run_id: str, now: datetime) -> None:
    for external_id, reason, field, detail in REJECTS:
        row = {
            "source_id": source_id,
            "external_id": external_id,
            "digest": str(_id(external_id)),
            "reason": reason,
            "field": field,
            "detail": detail,
            "contract_version": "coinpaprika/2",
            "raw_id": 1,
            "run_id": run_id,
            "occurrences": 3,
            "first_seen_at": now - timedelta(hours=5),
        }
        _insert(connection, "rejected_records", [row])


def _run(
    source: SeededSource, source_id: int, place: int, run: SeededRun, now: datetime
) -> dict[str, Any]:
    started = now - timedelta(minutes=run.minutes_ago)
    ended = run.status != "running"
    return {
        "run_id": str(_id(source.name, place)),
        "source_id": source_id,
        "source_uid": f"uid-{source.name}",
        "job_name": f"{source.name}-{29_000_000 + place}",
        "trigger": "schedule" if place else "create",
        "status": run.status,
        "reason": run.reason,
        "message": run.message,
        "started_at": started,
        "heartbeat_at": started,
        "finished_at": started + timedelta(seconds=run.seconds) if ended else None,
        "processed": run.loaded + run.unchanged + run.rejected,
        "loaded": run.loaded,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
        "pages": 4 if run.loaded else 0,
        "requests": 4 + run.retries,
        "retries": run.retries,
        "records_total": run.records_total,
        "trace_id": _id("trace", source.name, place).hex,
    }


def _add_coins(connection: Connection, now: datetime) -> None:
    for asset_id, coin in enumerate(COINS, start=1):
        slug = coin.name.lower().replace(" ", "-")
        _insert(connection, "assets", [{"slug": slug, "symbol": coin.symbol, "name": coin.name}])
        owner = {"ticker": coin.symbol, "asset_id": asset_id}
        _insert(connection, "tickers", [owner])
        for source_id, source in enumerate(SOURCES, start=1):
            if asset_id > source.coins:
                continue
            newest = source.runs()[-1].minutes_ago if source.runs() else 0
            bound = {
                "asset_id": asset_id,
                "source_id": source_id,
                "run_id": str(_id(source.name, len(source.runs()) - 1)),
                "newest": now - timedelta(minutes=newest),
                "days": DAYS - 1,
                "price": coin.price,
                "factor": source.price_factor,
                "supply": coin.supply,
            }
            connection.execute(QUOTES, bound)
            names = {"symbol": coin.symbol, "name": coin.name, "rank": asset_id}
            external_id = f"{coin.symbol.lower()}-{slug}"
            connection.execute(LATEST, {**bound, **names, "external_id": external_id})
            if source.matched_by is not None:
                _insert(
                    connection, "asset_aliases", [_alias(source, asset_id, external_id, coin.name)]
                )


def _alias(source: SeededSource, asset_id: int, external_id: str, name: str) -> dict[str, Any]:
    matched = source.matched_by == "evidence"
    evidence: dict[str, Any] = (
        {
            "symbol": external_id.partition("-")[0].upper(),
            "name": name,
            "rank": [asset_id, asset_id],
        }
        if matched
        else {"reason": "no coin known before has this symbol", "considered": []}
    )
    return {
        "id_scope": source.source_type if source.source_type != "csv" else f"csv/{source.name}",
        "external_id": external_id,
        "asset_id": asset_id,
        "method": source.matched_by,
        "confidence": "0.98" if matched else "1",
        "evidence": json.dumps(evidence),
    }
