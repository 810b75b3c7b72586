"""A source whose rules a test can change, and what the store holds of it, in a form to compare."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import URL, Connection, text

from cryptosource_etl.clock import SystemClock
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.load.upstream import LOAD
from cryptosource_etl.pipeline.replay.replay_run import REPLAY
from cryptosource_etl.pipeline.run.claim import SourceIdentity
from cryptosource_etl.pipeline.run.lifecycle import Run
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.pipeline.run.plan import RunKind, RunPlan
from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection, digest_of
from cryptosource_etl.settings import RunSettings
from cryptosource_store.engine import loading_engine, session_engine
from cryptosource_store.reasons import RejectReason

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Rules = Callable[[Mapping[str, Any]], Quote | Rejection]


def record(identifier: str, minute: int = 0, **fields: Any) -> dict[str, Any]:
    """Return an upstream's record; `minute` counts from noon."""
    at = (NOON + timedelta(minutes=minute)).isoformat()
    return {"id": identifier, "at": at, "symbol": identifier.upper(), "price": "1", **fields}


def plain_rules(value: Mapping[str, Any], **over: Any) -> Quote | Rejection:
    """Return what a record says, with some fields replaced; `bad` marks a poisoned one."""
    if not isinstance(value, Mapping) or value.get("bad"):
        return Rejection(RejectReason.INVALID_NUMBER, "price", "the price is bad")
    at = value.get("at")
    quote = Quote(
        external_id=value["id"],
        symbol=value["symbol"],
        name=value.get("name", value["id"].title()),
        rank=value.get("rank"),
        observed_at=NOON if at is None else datetime.fromisoformat(at),
        inferred_time=at is None,
        price_usd=Decimal(value["price"]),
        market_cap_usd=None,
        volume_24h_usd=None,
        percent_change_24h=None,
    )
    return quote._replace(**over)


def rejecting(*identifiers: str) -> Rules:
    """Return rules that refuse these ids."""

    def rules(value: Mapping[str, Any]) -> Quote | Rejection:
        if value["id"] in identifiers:
            return Rejection(RejectReason.OUT_OF_RANGE, "price", "too strict for this one")
        return plain_rules(value)

    return rules


class RuledReader:
    """A `SourceReader` over given records, judged by given rules."""

    uniform = False

    def __init__(
        self, rules: Rules, records: Sequence[Mapping[str, Any] | str], *, version: str = "test/1"
    ) -> None:
        self.contract_version = version
        self._rules = rules
        self._records = records

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield a page for each record, so that their order is that of their arrival."""
        for each in self._records:
            payload = each if isinstance(each, str) else json.dumps(each)
            yield Page(
                records=[self.restore(payload)],
                cursor_after=lambda count: {**cursor, "seen": count},
                received_at=NOON,
            )

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        """Judge one record by the rules."""
        verdict = self._rules(record.value[1])
        if isinstance(verdict, Quote) and verdict.inferred_time:
            return verdict._replace(observed_at=received_at)
        return verdict

    def payload(self, record: RawRecord) -> str:
        """Return its text."""
        return str(record.value[0])

    def restore(self, payload: str) -> RawRecord:
        """Return the record of a text."""
        value = json.loads(payload)
        identifier = value.get("id") if isinstance(value, dict) else None
        return RawRecord(identifier, digest_of(payload.encode()), (payload, value))

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        """Return its fields."""
        return dict.fromkeys(record.value[1], "string") if isinstance(record.value[1], dict) else {}

    def close(self) -> None:
        """Do nothing."""


@dataclass(kw_only=True)
class RuledSource:
    """One source on one database."""

    url: URL
    name: str = "ruled"
    source_type: str = "ruled"
    reject_limit_percent: float = 100
    stop: threading.Event = field(default_factory=threading.Event)

    def load(self, *records: Mapping[str, Any] | str, rules: Rules = plain_rules) -> RunOutcome:
        """Run the source once over these records."""
        return self._execute(LOAD, RuledReader(rules, records))

    def replay(
        self, rules: Rules = plain_rules, *, version: str = "test/2", **settings: Any
    ) -> RunOutcome:
        """Judge what is stored by other rules."""
        reader = RuledReader(rules, (), version=version)
        return self._execute(REPLAY, reader, **settings)

    @property
    def identity(self) -> SourceIdentity:
        """The source as the store knows it; its ids are its own."""
        return SourceIdentity(
            uid=f"uid-{self.name}",
            namespace="default",
            name=self.name,
            source_type=self.source_type,
            id_scope=f"ruled/{self.name}",
        )

    def _execute(self, kind: RunKind, reader: RuledReader, **settings: Any) -> RunOutcome:
        plan = RunPlan(
            kind=kind,
            source=self.identity,
            open_reader=lambda: reader,
            usage=Usage,
            reject_limit_percent=self.reject_limit_percent,
            pins={},
            settings=RunSettings(job_name=str(uuid.uuid4()), **settings),
        )
        clock = SystemClock(self.stop)
        _wait_for_free_locks(self.url)
        return Run(plan, engine=loading_engine(self.url), clock=clock, stop=self.stop).execute()


def _wait_for_free_locks(url: URL) -> None:
    """Wait until the server has noticed that the session of the run before is closed."""
    held = """SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
               WHERE d.datname = current_database() AND l.locktype = 'advisory'"""
    while rows(url, held):
        pass


STATE = {
    "quotes": """
        SELECT s.name, a.external_id, q.observed_at, q.price_usd, q.rank FROM quotes q
          JOIN sources s USING (source_id)
          JOIN asset_aliases a ON a.asset_id = q.asset_id AND a.id_scope = 'ruled/' || s.name""",
    "latest": """
        SELECT s.name, l.external_id, observed_at, inferred_time, symbol, l.name, rank, price_usd
          FROM quotes_latest l JOIN sources s USING (source_id)""",
    "unified": """
        SELECT (SELECT array_agg(a.external_id ORDER BY 1) FROM asset_aliases a
                 WHERE a.asset_id = u.asset_id), symbol, name, rank, price_usd, observed_at,
               spread_percent FROM unified u""",
    "totals": """
        SELECT CASE dataset WHEN 'unified' THEN dataset ELSE 'source' END, total
          FROM dataset_versions""",
}


def rows(url: URL, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, in their order."""
    with session_engine(url, application="test").connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), parameters)]


def state_of(url: URL) -> dict[str, list[str]]:
    """Return what is loaded, without what differs from one database to another."""
    return {
        subject: sorted(str(row) for row in rows(url, statement))
        for subject, statement in STATE.items()
    }


DATA_TABLES = (
    *("raw_records", "quotes", "quotes_latest", "unified", "tickers", "dataset_versions"),
    *("rejected_records", "assets", "asset_aliases", "ticker_moves", "schema_drifts"),
)


def versions_of(url: URL) -> dict[str, list[str]]:
    """Return the physical version of each row of data: equal means that nothing was written."""
    return {
        table: [
            str(row)
            for row in rows(url, f"SELECT tableoid, ctid, xmin, xmax FROM {table} ORDER BY 1, 2")
        ]
        for table in DATA_TABLES
    }


def check_invariants(connection: Connection) -> None:
    """Fail when the tables that are derived from others disagree with them."""
    broken = {
        "a total": """SELECT dataset FROM dataset_versions d WHERE total <> CASE dataset
            WHEN 'unified' THEN (SELECT count(*) FROM unified)
            ELSE (SELECT count(*) FROM quotes_latest
                   WHERE 'source:' || source_id = d.dataset) END""",
        "a ticker without a coin": """SELECT ticker FROM tickers t WHERE NOT EXISTS (
            SELECT 1 FROM unified u WHERE u.asset_id = t.asset_id)""",
        "a ticker of another than the best": """SELECT t.ticker FROM tickers t
            WHERE EXISTS (SELECT 1 FROM unified u WHERE u.symbol = t.ticker)
              AND t.asset_id <> (SELECT u.asset_id FROM unified u WHERE u.symbol = t.ticker
            ORDER BY u.rank NULLS LAST, u.market_cap_usd DESC NULLS LAST, u.asset_id LIMIT 1)""",
        "a symbol without a ticker": """SELECT symbol FROM unified u WHERE NOT EXISTS (
            SELECT 1 FROM tickers t WHERE t.ticker = u.symbol)""",
        "a latest that is not the newest": """SELECT external_id FROM quotes_latest l
            WHERE (observed_at, raw_id, price_usd) IS DISTINCT FROM (
                  SELECT (observed_at, raw_id, price_usd) FROM quotes q
                   WHERE q.asset_id = l.asset_id AND q.source_id = l.source_id
                   ORDER BY observed_at DESC LIMIT 1)""",
        "a coin without an observation": """SELECT asset_id FROM unified u WHERE NOT EXISTS (
            SELECT 1 FROM quotes_latest l WHERE l.asset_id = u.asset_id)""",
        "a quote whose raw record tells another time": """SELECT q.raw_id FROM quotes q
            JOIN raw_records r ON r.raw_id = q.raw_id WHERE r.observed_at <> q.observed_at""",
    }
    for what, statement in broken.items():
        assert not connection.execute(text(statement)).all(), what
