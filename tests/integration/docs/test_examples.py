"""The examples in the documentation run as they are, against a served API."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.http.server import ApiServer
from cryptosource_api.settings import ApiSettings
from support.readers import coin
from support.runs import identity, load

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
SHOWS = {
    "with_pandas.py": (
        *("percent_change_24h", "NA     80.0", "102"),
        "market cap of the first hundred: 1000007",
    ),
    "with_polars.py": ("spread_percent", "swing", "2.000000000000"),
}


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_an_example_runs_and_shows_what_it_promises(database: URL, name: str):
    hour = int(timedelta(hours=1).total_seconds() // 60)
    prices = [
        coin(
            "btc",
            symbol="BTC",
            name="Bitcoin",
            rank=1,
            price=str(100 + n),
            at=n * hour,
            cap="1000000",
            change="-5.5",
        )
        for n in range(3)
    ]
    eth = coin("eth", symbol="ETH", rank=2, price="1e-18", cap="7", change="1")
    cap_unknown = coin("nominal", symbol="NA", rank=3, change="80")
    load(database, [*prices, eth, cap_unknown])
    load(
        database,
        [coin("bitcoin", symbol="BTC", name="Bitcoin", price="101", at=2 * hour)],
        source=identity("b"),
        pins={"bitcoin": "scope-a:btc"},
    )
    settings = ApiSettings(port=0, shutdown_seconds=2)
    engine = api_engine(database, settings)
    server = ApiServer(create_app(settings, engine), settings)
    server.start()
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(EXAMPLES / name)],
            env={**os.environ, "CRYPTOSOURCE_URL": server.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        server.stop()
        engine.dispose()

    assert done.returncode == 0, done.stderr
    for shown in SHOWS[name]:
        assert shown in done.stdout, done.stdout
