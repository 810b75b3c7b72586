"""Twenty thousand coins per vendor: loaded once, and after that only what changed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import URL

from support import postgres as postgres_support
from support.commands import cryptosource, environment
from support.manifests import gecko, paprika, write
from support.market import RunningMarket, market_process
from support.oracle import contradictions, counts, row_versions, rows, value
from support.serving import serving

COINS = 20_000
VENDORS = ("gecko", "paprika")
EXTREMES = (Decimal("1e-18"), Decimal("1e18"))
"""Prices of two coins that the market always lists."""
PER_SOURCE = """
  SELECT s.name, count(*) FROM {} JOIN sources s USING (source_id) GROUP BY 1 ORDER BY 1"""
CHANGED = "btc-bitcoin"
LATEST = "SELECT price_usd, observed_at::date::text FROM quotes_latest WHERE external_id = :id"
PRICES = """
  SELECT s.name, l.price_usd FROM quotes_latest l JOIN sources s USING (source_id)
   WHERE l.price_usd IN ('1e-18'::numeric, '1e18'::numeric) ORDER BY 1, 2"""


@pytest.fixture(scope="module")
def big_market() -> Iterator[RunningMarket]:
    with market_process("--coins", str(COINS)) as market:
        yield market


@pytest.fixture(scope="module")
def folder(tmp_path_factory, big_market: RunningMarket) -> Path:
    folder = tmp_path_factory.mktemp("large")
    write(folder, paprika(big_market.paprika_url), gecko(big_market.gecko_url))
    return folder


def run_vendor(vendor: str, url: URL, folder: Path) -> subprocess.CompletedProcess[str]:
    manifest = folder / "sources.yaml"
    return cryptosource("run", "-f", manifest, "--source", vendor, env=environment(url, folder))


@pytest.fixture(scope="module")
def loaded_template(postgres: URL, migrated_template: str, folder: Path) -> Iterator[str]:
    """A database that holds the first snapshot of both vendors."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        for vendor in VENDORS:
            ran = run_vendor(vendor, url, folder)
            assert ran.returncode == 0, ran.stdout + ran.stderr
        yield str(url.database)


@pytest.fixture
def loaded(postgres: URL, loaded_template: str, big_market: RunningMarket) -> Iterator[URL]:
    """A copy of that database; the market serves the same snapshot, whole and without ETags."""
    big_market.control.reset()
    big_market.control.etag(enabled=False)
    with postgres_support.database(postgres, template=loaded_template) as url:
        yield url


def test_every_coin_of_both_vendors_is_stored_once(loaded: URL) -> None:
    for table in ("raw_records r", "quotes q", "quotes_latest l"):
        assert rows(loaded, PER_SOURCE.format(table)) == [("gecko", COINS), ("paprika", COINS)]
    assert value(loaded, "SELECT count(*) FROM rejected_records") == 0
    assert contradictions(loaded) == {}


@pytest.mark.parametrize("vendor", VENDORS)
def test_same_snapshot_read_again_writes_no_quote_and_no_raw_row(
    loaded: URL, folder: Path, big_market: RunningMarket, vendor: str
) -> None:
    tables = ("quotes", "raw_records", "quotes_latest", "unified", "assets", "asset_aliases")
    before = row_versions(loaded, *tables)

    ran = run_vendor(vendor, loaded, folder)

    assert f"0 loaded, {COINS} unchanged, 0 rejected" in ran.stdout, ran.stdout + ran.stderr
    assert sum(entry["records"] for entry in big_market.log) == COINS
    assert row_versions(loaded, *tables) == before


def test_one_changed_coin_gives_one_quote(
    loaded: URL, folder: Path, big_market: RunningMarket
) -> None:
    big_market.control.edit("paprika", CHANGED, price=42, last_updated="2026-01-15T12:00:01Z")
    before = counts(loaded, "quotes", "raw_records")

    ran = run_vendor("paprika", loaded, folder)

    assert f"1 loaded, {COINS - 1} unchanged, 0 rejected" in ran.stdout, ran.stdout + ran.stderr
    after = counts(loaded, "quotes", "raw_records")
    assert after == {table: count + 1 for table, count in before.items()}
    assert rows(loaded, LATEST, id=CHANGED) == [(42, "2026-01-15")]


def test_coin_observed_before_all_others_is_not_lost(
    loaded: URL, folder: Path, big_market: RunningMarket
) -> None:
    big_market.control.add("gecko", "late-comer")
    big_market.control.edit("gecko", "late-comer", price=7, last_updated="2025-06-01T00:00:00Z")

    ran = run_vendor("gecko", loaded, folder)

    assert f"1 loaded, {COINS} unchanged, 0 rejected" in ran.stdout, ran.stdout + ran.stderr
    assert rows(loaded, LATEST, id="late-comer") == [(7, "2025-06-01")]


def test_smallest_and_largest_price_keep_every_digit(loaded: URL, folder: Path) -> None:
    with serving("api", env=environment(loaded, folder), folder=folder, name="digits") as api:
        served = {
            (vendor, order): api.text(
                "/data", source=vendor, sort="price_usd", order=order, limit=1
            )[1].replace(": ", ":")
            for vendor in VENDORS
            for order in ("asc", "desc")
        }

    assert rows(loaded, PRICES) == [(vendor, price) for vendor in VENDORS for price in EXTREMES]
    for vendor in VENDORS:
        assert f'"price_usd":{EXTREMES[0]:f},' in served[vendor, "asc"]
        assert f'"price_usd":{EXTREMES[1]:f},' in served[vendor, "desc"]


def test_coins_that_share_a_ticker_stay_apart(loaded: URL, folder: Path) -> None:
    assets = {
        asset_id
        for (asset_id,) in rows(loaded, "SELECT asset_id FROM unified WHERE symbol = 'ETH'")
    }
    with serving("api", env=environment(loaded, folder), folder=folder, name="tickers") as api:
        sharing = api.get("/data", symbol="ETH", limit=200)["data"]
        owner = api.get("/data", ticker="ETH")["data"]

    assert len(assets) > 1
    assert {coin["asset_id"] for coin in sharing} == assets
    assert [(coin["id"], coin["name"]) for coin in owner] == [("ETH", "Ethereum")]
    assert owner[0]["asset_id"] in assets
