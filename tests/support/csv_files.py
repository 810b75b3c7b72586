"""The recorded CSV files with a manifest each, and readers of small files that tests write."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptosource_etl.records import Quote, RawRecord, Rejection
from cryptosource_etl.sources.csv.csv_settings import ColumnSettings, CsvSettings
from cryptosource_etl.sources.csv.reader import CsvReader

RECORDED = Path(
    os.environ.get("CRYPTOSOURCE_RECORDED_DATA")
    or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
"""Where the recorded data is; it never becomes part of the project."""


@dataclass(frozen=True, kw_only=True)
class RecordedCsv:
    """One file, how to load it, and what must come out."""

    file: str
    csv: dict[str, Any]
    """`spec.csv` without `path`."""
    rows: int
    keys: int
    """Distinct (coin, time) pairs; fewer than rows where the file contradicts itself."""
    spots: tuple[tuple[str, str, str, str], ...]
    """External id, observed_at, field of the quote, its exact digits."""
    name: str

    @property
    def path(self) -> Path:
        return RECORDED / "csv" / self.file

    def manifest(self, *, path: Path | None = None, **spec: Any) -> dict[str, Any]:
        """Return a CryptoSource that loads the file, or a copy of it at `path`."""
        return {
            "apiVersion": "cryptosource.io/v1alpha1",
            "kind": "CryptoSource",
            "metadata": {"name": self.name, "namespace": "crypto"},
            "spec": {
                "type": "CSV",
                "csv": {"path": str(path or self.path), **deepcopy(self.csv)},
                "schedule": "@daily",
                **spec,
            },
        }


_BTC = {"symbol": {"value": "BTC"}, "name": {"value": "Bitcoin"}}
_CONSOLIDATED = {
    "tezos": "XTZ",
    "binance-coin": "BNB",
    "eos": "EOS",
    "bitcoin": "BTC",
    "tether": "USDT",
    "xrp": "XRP",
    "bitcoin-cash": "BCH",
    "stellar": "XLM",
    "litecoin": "LTC",
    "ethereum": "ETH",
    "cardano": "ADA",
    "bitcoin-sv": "BSV",
}

RECORDED_CSVS = (
    RecordedCsv(
        name="snapshot",
        file="coinmarketcap_snapshot_2018-01-06.csv",
        csv={
            "columns": {
                "externalId": "id",
                "rank": "rank",
                "volume24hUsd": "24h_volume_usd",
                "observedAt": {"column": "last_updated", "format": "unix"},
            }
        },
        rows=100,
        keys=100,
        spots=(
            ("bitcoin", "2018-01-06T09:24:21+00:00", "market_cap_usd", "284909000000"),
            ("bitcoin", "2018-01-06T09:24:21+00:00", "price_usd", "16973.8"),
            ("bitcoin", "2018-01-06T09:24:21+00:00", "percent_change_24h", "5.76"),
            ("bancor", "2018-01-06T09:24:11+00:00", "price_usd", "7.34595"),
            ("bancor", "2018-01-06T09:24:11+00:00", "percent_change_24h", "-1.59"),
        ),
    ),
    RecordedCsv(
        name="kaggle-bitcoin",
        file="kaggle_coin_Bitcoin.csv",
        csv={
            "columns": {
                "symbol": "Symbol",
                "name": "Name",
                "priceUsd": "Close",
                "volume24hUsd": "Volume",
                "marketCapUsd": "Marketcap",
                "observedAt": {"column": "Date", "format": "%m/%d/%y %H:%M"},
            }
        },
        rows=1648,
        keys=1648,
        spots=(
            ("BTC", "2017-01-02T23:59:00+00:00", "price_usd", "1021.75"),
            ("BTC", "2021-07-06T23:59:00+00:00", "price_usd", "34235.19345"),
            ("BTC", "2021-07-06T23:59:00+00:00", "market_cap_usd", "641899000000"),
        ),
    ),
    RecordedCsv(
        name="consolidated",
        file="kaggle_consolidated_coin_data.csv",
        csv={
            "columns": {
                "externalId": "Currency",
                "symbol": {"column": "Currency", "values": _CONSOLIDATED},
                "name": "Currency",
                "priceUsd": "Close",
                "volume24hUsd": "Volume",
                "marketCapUsd": "Market Cap",
                "observedAt": {"column": "Date", "format": "%d-%b-%y"},
            }
        },
        rows=28_944,
        # tether and bitcoin-cash hold 25 and 26 February 2015 twice, with different prices.
        keys=28_940,
        spots=(
            ("tezos", "2019-12-04T00:00:00+00:00", "price_usd", "1.25"),
            ("tezos", "2019-12-04T00:00:00+00:00", "volume_24h_usd", "46048752"),
            ("bitcoin-sv", "2013-04-28T00:00:00+00:00", "market_cap_usd", "74636938"),
            ("bitcoin-sv", "2013-04-28T00:00:00+00:00", "volume_24h_usd", "0"),
        ),
    ),
    RecordedCsv(
        name="investing",
        file="investing_BTC_daily_2019.csv",
        csv={
            "columns": {
                **_BTC,
                "priceUsd": "Price",
                "volume24hUsd": "Vol.",
                "percentChange24h": "Change %",
                "observedAt": {"column": "Date", "format": "%b %d, %Y"},
            }
        },
        rows=482,
        keys=482,
        spots=(
            ("BTC", "2019-11-25T00:00:00+00:00", "price_usd", "7199.4"),
            ("BTC", "2019-11-25T00:00:00+00:00", "volume_24h_usd", "1310000"),
            ("BTC", "2019-11-24T00:00:00+00:00", "volume_24h_usd", "904500"),
            ("BTC", "2019-11-24T00:00:00+00:00", "percent_change_24h", "-5.45"),
            ("BTC", "2018-08-01T00:00:00+00:00", "price_usd", "7606.4"),
        ),
    ),
    RecordedCsv(
        name="monthly",
        file="cmc_export_BTC_monthly_semicolon.csv",
        csv={
            "columns": {
                **_BTC,
                "priceUsd": "close",
                "volume24hUsd": "volume",
                "marketCapUsd": "marketCap",
                "observedAt": "timestamp",
            }
        },
        rows=124,
        keys=124,
        spots=(
            ("BTC", "2013-04-01T00:00:00+00:00", "price_usd", "139"),
            ("BTC", "2013-06-01T00:00:00+00:00", "price_usd", "96.6139984131"),
            ("BTC", "2013-06-01T00:00:00+00:00", "market_cap_usd", "1096957771.35"),
            ("BTC", "2023-07-01T00:00:00+00:00", "price_usd", "29230.110878649"),
        ),
    ),
    RecordedCsv(
        name="hourly",
        file="cdd2019_Binance_BTCUSDT_1h.csv",
        csv={
            "columns": {
                **_BTC,
                "priceUsd": "Close",
                "observedAt": {"column": "Date", "format": "%Y-%m-%d %I-%p"},
            }
        },
        rows=20_088,
        keys=20_088,
        spots=(
            ("BTC", "2019-12-02T03:00:00+00:00", "price_usd", "7368.99"),
            ("BTC", "2017-08-17T04:00:00+00:00", "price_usd", "4308.83"),
        ),
    ),
    RecordedCsv(
        name="yahoo",
        file="yfinance_BTC-USD.csv",
        csv={
            "columns": {
                **_BTC,
                "priceUsd": "Close",
                "volume24hUsd": "Volume",
                "observedAt": "Date",
            }
        },
        rows=3759,
        keys=3759,
        spots=(
            ("BTC", "2014-09-17T00:00:00+00:00", "price_usd", "457.3340148925781"),
            ("BTC", "2014-09-18T00:00:00+00:00", "price_usd", "424.44000244140625"),
            ("BTC", "2024-12-31T00:00:00+00:00", "volume_24h_usd", "43625106843"),
        ),
    ),
)
"""All seven."""

NOW = datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC)
"""What the clock of `make_reader` says: later than any file that a test writes."""
COLUMNS = {
    "symbol": ColumnSettings(column="symbol"),
    "name": ColumnSettings(column="name", explicit=False),
    "price_usd": ColumnSettings(column="price"),
    "percent_change_24h": ColumnSettings(column="change", explicit=False),
    "observed_at": ColumnSettings(column="at", explicit=False),
}
"""A mapping of the small files that tests write."""


class StoppedClock:
    """A clock that always says `NOW`."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("reading a file never waits")


def make_reader(path: Path | None, *, http: Any = None, **settings: Any) -> CsvReader:
    """Return a reader of a file whose columns are `COLUMNS`, unless told otherwise."""
    given = {"columns": COLUMNS, "label": str(path), **settings}
    return CsvReader(CsvSettings(path=path, **given), clock=StoppedClock(), http=http)


def records_of(reader: CsvReader, cursor: Any = None) -> list[RawRecord]:
    """Return all records from a cursor on."""
    return [record for page in reader.pages(cursor or {}) for record in page.records]


def judged(reader: CsvReader, cursor: Any = None) -> list[Quote | Rejection]:
    """Return what all records from a cursor on normalize to."""
    return [
        reader.normalize(record, received_at=page.received_at)
        for page in reader.pages(cursor or {})
        for record in page.records
    ]


def cursor_at_end(reader: CsvReader, cursor: Any = None) -> Any:
    """Return the cursor behind the last record, as it comes back from the database."""
    for page in reader.pages(cursor or {}):
        cursor = json.loads(json.dumps(page.cursor_after(len(page.records))))
    return cursor
