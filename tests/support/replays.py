"""A source whose rules a test can change."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import URL

from cryptosource_etl.clock import SystemClock
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.load.load_run import LOAD
from cryptosource_etl.pipeline.replay.replay_run import REPLAY
from cryptosource_etl.pipeline.run.claim import SourceIdentity
from cryptosource_etl.pipeline.run.lifecycle import Run
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.pipeline.run.plan import RunKind, RunPlan
from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection, digest_of
from cryptosource_etl.settings import RunSettings
from cryptosource_store.engine import loading_engine
from cryptosource_store.reasons import RejectReason
from support.oracle import no_run_holds_a_lock

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
        no_run_holds_a_lock(self.url)
        return Run(plan, engine=loading_engine(self.url), clock=clock, stop=self.stop).execute()
