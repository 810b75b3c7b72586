"""A served API with a few coins, sources and runs, to be asked anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from support.api import NOON, Market
from support.commands import environment
from support.serving import ServedApi, serving


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    with Market(engine) as market:
        gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
        btc = market.coin("BTC", gecko, rank=1, price_usd="61234.5", name="Bitcoin")
        market.record(btc, paprika, external_id="btc-bitcoin", price_usd="61230")
        market.coin("ETH", gecko, rank=2, price_usd="2500.000000000000000001")
        market.coin(None, paprika, slug="nameless")
        for hours in range(5):
            market.quote(btc, gecko, NOON - timedelta(hours=hours), price_usd=61000 + hours)
            market.run(gecko, started_at=NOON - timedelta(hours=hours))
        market.run(paprika, status="failure", reason="UpstreamError", message="503")
        yield market


@pytest.fixture
def served(database: URL, market: Market, tmp_path: Path) -> Iterator[ServedApi]:
    env = environment(database, tmp_path, CRYPTOSOURCE_API_RATE_PER_ADDRESS="0")
    with serving("api", env=env, folder=tmp_path) as api:
        yield api
