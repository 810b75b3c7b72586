"""Readers without a network: scripted records, one coin per line of a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cryptosource_etl.records import Cursor, Page, Quote, RawRecord, Rejection, digest_of
from cryptosource_store.quote_fields import FIGURE_NAMES
from cryptosource_store.reasons import RejectReason

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
"""When scripted coins are observed, unless a test says otherwise."""


def record_of_value(value: Mapping[str, Any], text: str | None = None) -> RawRecord:
    """Return the raw record of a scripted value; `text` replaces its JSON."""
    payload = json.dumps(value) if text is None else text
    digest = digest_of(payload.encode("utf-8", errors="surrogatepass"))
    return RawRecord(value.get("id"), digest, (payload, value))


def coin(external_id: str | None, *, text: str | None = None, **fields: Any) -> RawRecord:
    """Return a record.

    Args:
        external_id: its id.
        text: its payload, if it is not simply the fields as JSON.
        fields: figures as text, by name or, of the first four, as `price`, `cap`, `volume` and
            `change`; `symbol`, `name`, `rank`; `at` in minutes after noon (None: it has no time
            of its own); `bad`: a reject reason.
    """
    return record_of_value({"id": external_id, "price": "1", "at": 0, **fields}, text)


SHORT = {
    "price_usd": "price",
    "market_cap_usd": "cap",
    "volume_24h_usd": "volume",
    "percent_change_24h": "change",
}
"""Figures that tests script again and again."""


def _figure(value: Mapping[str, Any], name: str) -> Decimal | None:
    said = value.get(name, value.get(SHORT.get(name, name)))
    return None if said is None else Decimal(said)


class ScriptedReader:
    """Hands out given records in batches; its cursor counts them.

    Args:
        records: of one pass.
        batch_size: records per page.
        received_at: when the pages came in.
        before_page: called with the page's number, from 0, in the extracting thread.
    """

    contract_version = "scripted/1"
    uniform = False

    def __init__(
        self,
        records: Sequence[RawRecord],
        *,
        batch_size: int = 1000,
        received_at: datetime = NOON,
        before_page: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.records = records
        self.closed = 0
        self._batch_size = batch_size
        self._received_at = received_at
        self._before_page = before_page

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        count = len(self.records)
        first = int(cursor.get("n", 0))
        for number, start in enumerate(range(first, count, self._batch_size)):
            self._before_page(number)
            yield Page(
                records=self.records[start : start + self._batch_size],
                cursor_after=lambda done, at=start: {"n": at + done} if at + done < count else {},
                received_at=self._received_at,
                total=count,
                starts_pass=start == 0,
                complete=first == 0,
            )

    def normalize(self, record: RawRecord, *, received_at: datetime) -> Quote | Rejection:
        value = record.value[1]
        if value.get("bad"):
            return Rejection(RejectReason(value["bad"]), "price", "the script says so")
        at = value.get("at")
        return Quote(
            external_id=value["id"],
            symbol=value.get("symbol"),
            name=value.get("name"),
            rank=value.get("rank"),
            observed_at=received_at if at is None else NOON + timedelta(minutes=at),
            inferred_time=at is None,
            **{name: _figure(value, name) for name in FIGURE_NAMES},
        )

    def payload(self, record: RawRecord) -> str:
        return str(record.value[0])

    def restore(self, payload: str) -> RawRecord:
        return record_of_value(json.loads(payload), payload)

    def shape(self, record: RawRecord) -> Mapping[str, str]:
        kinds = {str: "string", int: "number", bool: "boolean", list: "array", dict: "object"}
        value = record.value[1]
        return {field: kinds.get(type(content), "null") for field, content in value.items()}

    def close(self) -> None:
        self.closed += 1
