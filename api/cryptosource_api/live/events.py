"""Events for clients, and the filters that select them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from cryptosource_api.coins.coin_list import fold_symbol

RECORDS_PER_EVENT = 100
"""A larger change is sent as several events; only the last has an id, and `complete: true`."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One message. `data` is a JSON object."""

    name: str
    data: str
    id: str | None = None
    """Position from which a client can resume after this event; None if it cannot."""

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the event."""
        return 200 + len(self.data)

    @cached_property
    def as_sse(self) -> bytes:
        """The event as server-sent events frame it; made once for all clients."""
        head = "" if self.id is None else f"id: {self.id}\n"
        return f"{head}event: {self.name}\ndata: {self.data}\n\n".encode()

    @cached_property
    def as_message(self) -> str:
        """The event as a WebSocket's message; made once for all clients."""
        members: dict[str, Any] = {"type": self.name}
        if self.id is not None:
            members["id"] = self.id
        # Joined as text: the records in `data` are JSON of Postgres, and stay as they are.
        head = json.dumps(members)
        return head if self.data == "{}" else f"{head[:-1]}, {self.data[1:]}"


def notice(name: str, *, id: str | None = None, **members: Any) -> Event:  # noqa: A002
    """Return an event about the stream itself."""
    return Event(name=name, data=json.dumps(members), id=id)


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamItem:
    """An item of a source, with the values that filters compare."""

    source: str | None
    source_type: str | None
    namespace: str | None
    record: str
    """JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedRecord(StreamItem):
    """A changed record of the data."""

    asset_id: int
    symbol: str | None
    tickers: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The items that a client subscribes to: the filters of `/data` that a record alone decides."""

    about: Literal["data", "runs"] = "data"
    ticker: str | None = None
    symbol: str | None = None
    partial: bool = False
    source: str | None = None
    namespace: str | None = None

    @classmethod
    def of(cls, given: Any) -> Filters:
        """Return the filters of validated parameters."""
        return cls(
            about=given.about or "data",
            ticker=None if given.ticker is None else fold_symbol(given.ticker),
            symbol=None if given.symbol is None else fold_symbol(given.symbol),
            partial=given.match == "partial",
            source=given.source,
            namespace=given.namespace,
        )

    @property
    def of_sources(self) -> bool:
        """Whether the client subscribes to the sources' own records."""
        named = self.source is not None or self.namespace is not None
        return named and self.about == "data"

    @property
    def needs(self) -> frozenset[str]:
        """The kinds of changes to read: `runs`, or `data` and, with a source, `own` records."""
        return frozenset({self.about, *(("own",) if self.of_sources else ())})

    def admits(self, record: ChangedRecord) -> bool:
        """Return whether a record passes the filters."""
        if self.ticker is not None and self.ticker not in record.tickers:
            return False
        if self.symbol is not None and not self._matches_symbol(record.symbol):
            return False
        return self.admits_source(record)

    def admits_source(self, item: StreamItem) -> bool:
        """Return whether an item's source passes the filters."""
        if self.namespace is not None and item.namespace != self.namespace:
            return False
        return self.source is None or (
            item.source == self.source or item.source_type == self.source.lower()
        )

    def _matches_symbol(self, symbol: str | None) -> bool:
        assert self.symbol is not None  # noqa: S101 - called if there is one
        if symbol is None:
            return False
        return self.symbol in symbol if self.partial else symbol == self.symbol


EVERYTHING = Filters()

T = TypeVar("T")


def event_batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Return items in batches of at most one event each."""
    return (items[at : at + RECORDS_PER_EVENT] for at in range(0, len(items), RECORDS_PER_EVENT))


@dataclass(frozen=True, kw_only=True)
class Change:
    """The changes of one version of the data, or of several that were read together."""

    id: str
    """Of the last of these versions."""
    since: str = ""
    """The id of the version before."""
    records: Sequence[ChangedRecord] | None = ()
    """Unified records; None if they were not read, because no client needed them then."""
    own: Sequence[ChangedRecord] | None = ()
    """The sources' own records; None likewise."""
    removed: Sequence[int] = ()
    """Coins that are gone."""

    @cached_property
    def size_bytes(self) -> int:
        """Approximate memory of the change."""
        items = (*(self.records or ()), *(self.own or ()))
        return 200 + sum(len(item.record) + 300 for item in items)

    def lacks(self, filters: Filters) -> bool:
        """Return whether the records for these filters were not read."""
        return (self.own if filters.of_sources else self.records) is None

    def events(self, filters: Filters) -> list[Event]:
        """Return the events for a client with these filters."""
        changed = (self.own if filters.of_sources else self.records) or ()
        if filters != EVERYTHING:
            changed = [each for each in changed if filters.admits(each)]
        if not changed and not self.removed:
            return []
        parts = list(event_batches(changed)) or [()]
        return [self._event(part, last=part is parts[-1]) for part in parts]

    def _event(self, changed: Sequence[ChangedRecord], *, last: bool) -> Event:
        records = ",".join(each.record for each in changed)
        removed = json.dumps(list(self.removed) if last else [])
        complete = "true" if last else "false"
        data = f'{{"data":[{records}],"removed":{removed},"complete":{complete}}}'
        return Event(name="change", data=data, id=self.id if last else None)
