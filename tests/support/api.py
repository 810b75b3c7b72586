"""The API in a test: a client without sockets, and tables filled by plain SQL."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import httpx
from sqlalchemy import URL, Engine, text

from cryptosource_api.app import create_app
from cryptosource_api.database.query_runner import api_engine
from cryptosource_api.settings import ApiSettings
from cryptosource_store.partitions import ensure_quote_partitions, months_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN = uuid.UUID(int=1)
MAX_PAGES = 500
"""More than any test's list has."""


class ApiClient:
    """Asks an application in this thread; its loop lives as long as the client."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://api.test")

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def at_once(self, *urls: str) -> list[httpx.Response]:
        """Ask several at the same time."""

        async def ask() -> list[httpx.Response]:
            return await asyncio.gather(*(self._client.get(url) for url in urls))

        return self._runner.run(ask())

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        if self.app.state.services.shared_rates is not None:
            self._runner.run(self.app.state.services.shared_rates.close())
        self._runner.close()


@contextmanager
def api_client(url: URL, **settings: Any) -> Iterator[ApiClient]:
    """Yield a client of an application that reads that database."""
    chosen = ApiSettings(**{"version_check_seconds": 0.0, "pool_size": 4, **settings})
    engine = api_engine(url, chosen)
    client = ApiClient(create_app(chosen, engine))
    try:
        yield client
    finally:
        client.close()
        engine.dispose()


def pages(api: ApiClient, url: str) -> Iterator[httpx.Response]:
    """Yield the pages of a list, followed by their cursors to the end."""
    cursor = ""
    for _ in range(MAX_PAGES):
        joint = "&" if "?" in url else "?"
        response = api.get(f"{url}{cursor and f'{joint}cursor={cursor}'}")
        assert response.status_code == 200, response.text
        yield response
        cursor = response.json()["pagination"]["next_cursor"]
        if cursor is None:
            return
    raise AssertionError(f"{url} does not end within {MAX_PAGES} pages; the last cursor: {cursor}")


def exact(response: httpx.Response) -> Any:
    """Return a JSON body with its numbers as decimals."""
    return json.loads(response.content, parse_float=Decimal)


class Market:
    """Fills a database as loads would, row by row."""

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def run_sql(self, statement: str, **parameters: Any) -> Any:
        result = self._connection.execute(text(statement), parameters)
        return result.scalar() if result.returns_rows else None

    def source(self, name: str, source_type: str = "coingecko", **columns: Any) -> int:
        row = {
            "uid": f"uid-{name}-{columns.get('namespace', 'crypto')}",
            "namespace": "crypto",
            "name": name,
            "source_type": source_type,
            **columns,
        }
        return int(self._insert("sources", row, returning="source_id"))

    def coin(
        self, symbol: str | None, source_id: int, slug: str | None = None, **columns: Any
    ) -> int:
        """Add a coin with one source's newest record of it, and count it."""
        slug = slug or (symbol or "coin").lower()
        asset_id = int(
            self._insert("assets", {"slug": slug, "symbol": symbol}, returning="asset_id")
        )
        self.record(asset_id, source_id, symbol=symbol, external_id=slug, **columns)
        shown = {"name": None, "rank": None, "observed_at": NOON, **columns}
        shown.pop("inferred_time", None)
        row = {"asset_id": asset_id, "symbol": symbol, "source_id": source_id, **shown}
        self._insert("unified", {**row, "source_ids": [source_id]})
        if symbol is not None:
            self.run_sql(
                "INSERT INTO tickers (ticker, asset_id) VALUES (:symbol, :asset) "
                "ON CONFLICT DO NOTHING",
                symbol=symbol,
                asset=asset_id,
            )
        self.changed("unified", 1)
        self.changed(f"source:{source_id}", 1)
        return asset_id

    def record(self, asset_id: int, source_id: int, *, external_id: str, **columns: Any) -> None:
        """Add a source's newest record of a coin, and its quote, without counting it."""
        row = {
            "source_id": source_id,
            "external_id": external_id,
            "asset_id": asset_id,
            "observed_at": NOON,
            "inferred_time": False,
            "run_id": RUN,
            "raw_id": 1,
            "digest": uuid.uuid4(),
            **columns,
        }
        self._insert("quotes_latest", row)
        self.run_sql(
            "INSERT INTO asset_aliases (id_scope, external_id, asset_id, method, confidence, "
            "evidence) SELECT source_type, :external_id, :asset_id, 'minted', 1, "
            '\'{"because": "new"}\' FROM sources WHERE source_id = :source_id '
            "ON CONFLICT DO NOTHING",
            external_id=external_id,
            asset_id=asset_id,
            source_id=source_id,
        )

    def quote(self, asset_id: int, source_id: int, observed_at: datetime, **columns: Any) -> None:
        ensure_quote_partitions(self._connection, months_of([observed_at]))
        row = {
            "asset_id": asset_id,
            "source_id": source_id,
            "observed_at": observed_at,
            "run_id": RUN,
            "raw_id": 1,
            "digest": uuid.uuid4(),
            **columns,
        }
        self._insert("quotes", row)

    def run(self, source_id: int, status: str = "success", **columns: Any) -> uuid.UUID:
        run_id = columns.pop("run_id", uuid.uuid4())
        started = columns.pop("started_at", NOON)
        row = {
            "run_id": run_id,
            "source_id": source_id,
            "source_uid": f"uid-{source_id}",
            "job_name": f"job-{run_id}",
            "trigger": "schedule",
            "status": status,
            "started_at": started,
            "finished_at": None if status == "running" else started + timedelta(seconds=2),
            **columns,
        }
        self._insert("etl_runs", row)
        return uuid.UUID(str(run_id))

    def changed(self, dataset: str, added: int = 0) -> None:
        self.run_sql(
            "INSERT INTO dataset_versions AS d (dataset, version, total) VALUES (:d, 1, :n) "
            "ON CONFLICT (dataset) DO UPDATE SET version = d.version + 1, "
            "total = d.total + excluded.total, changed_at = clock_timestamp()",
            d=dataset,
            n=added,
        )

    def _insert(self, table: str, row: dict[str, Any], *, returning: str | None = None) -> Any:
        columns, binds = ", ".join(row), ", ".join(f":{name}" for name in row)
        row = {
            key: str(value) if isinstance(value, uuid.UUID) else value for key, value in row.items()
        }
        tail = f" RETURNING {returning}" if returning else ""
        return self.run_sql(f"INSERT INTO {table} ({columns}) VALUES ({binds}){tail}", **row)
