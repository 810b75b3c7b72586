"""What clients are told: what changed, and what happened to the stream. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from cryptosource_api.coins.coin_list import fold_symbol

RECORDS_PER_EVENT = 100
"""A larger change comes in several events; only the last has an id, and says it is complete."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One message. `data` is a JSON object."""

    name: str
    data: str
    id: str | None = None
    """Where to go on behind it; None where that is not a place to go on."""

    @property
    def size_bytes(self) -> int:
        """What it takes to keep it, about."""
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
        head = json.dumps(members)
        return head if self.data == "{}" else f"{head[:-1]}, {self.data[1:]}"


def notice(name: str, *, id: str | None = None, **members: Any) -> Event:  # noqa: A002
    """Return an event about the stream itself."""
    return Event(name=name, data=json.dumps(members), id=id)


@dataclass(frozen=True, kw_only=True, slots=True)
class OfSource:
    """Something that came of a source, and what filters ask of it."""

    source: str | None
    source_type: str | None
    namespace: str | None
    record: str
    """JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told(OfSource):
    """A changed record of the data."""

    asset_id: int
    symbol: str | None
    tickers: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a client wants: filters are those of `/data`, as far as a record alone can tell."""

    about: Literal["data", "runs"] = "data"
    ticker: str | None = None
    symbol: str | None = None
    partial: bool = False
    source: str | None = None
    namespace: str | None = None

    @classmethod
    def of(cls, given: Any) -> Filters:
        """Return the filters of parameters that were checked."""
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
        """Whether the sources' own records are wanted."""
        named = self.source is not None or self.namespace is not None
        return named and self.about == "data"

    @property
    def needs(self) -> frozenset[str]:
        """What must be read for it: `runs`, or `data` and perhaps the sources' `own` records."""
        return frozenset({self.about, *(("own",) if self.of_sources else ())})

    def admits(self, told: Told) -> bool:
        """Return whether a record is wanted."""
        if self.ticker is not None and self.ticker not in told.tickers:
            return False
        if self.symbol is not None and not self._bears(told.symbol):
            return False
        return self.admits_source(told)

    def admits_source(self, told: OfSource) -> bool:
        """Return whether something is of a source that is wanted."""
        if self.namespace is not None and told.namespace != self.namespace:
            return False
        return self.source is None or (
            told.source == self.source or told.source_type == self.source.lower()
        )

    def _bears(self, symbol: str | None) -> bool:
        assert self.symbol is not None  # noqa: S101 - asked where there is one
        if symbol is None:
            return False
        return self.symbol in symbol if self.partial else symbol == self.symbol


EVERYTHING = Filters()

T = TypeVar("T")


def in_parts(told: Sequence[T]) -> Iterator[Sequence[T]]:
    """Return what is told in portions of one event each."""
    return (told[at : at + RECORDS_PER_EVENT] for at in range(0, len(told), RECORDS_PER_EVENT))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one version of the data changed, or several that came together."""

    id: str
    """Of the last of them."""
    since: str = ""
    """The id of the version before."""
    records: Sequence[Told] | None = ()
    """Across sources; None where they were not read, because nobody wanted them then."""
    own: Sequence[Told] | None = ()
    """The sources' own; None as above."""
    removed: Sequence[int] = ()
    """Coins that are gone."""

    @cached_property
    def size_bytes(self) -> int:
        """What it takes to keep it, about."""
        kept = (*(self.records or ()), *(self.own or ()))
        return 200 + sum(len(told.record) + 300 for told in kept)

    def lacks(self, filters: Filters) -> bool:
        """Return whether what a client wants was not read."""
        return (self.own if filters.of_sources else self.records) is None

    def events(self, filters: Filters) -> list[Event]:
        """Return what a client with these filters is told."""
        told = (self.own if filters.of_sources else self.records) or ()
        if filters != EVERYTHING:
            told = [each for each in told if filters.admits(each)]
        if not told and not self.removed:
            return []
        parts = list(in_parts(told)) or [()]
        return [self._event(part, last=part is parts[-1]) for part in parts]

    def _event(self, told: Sequence[Told], *, last: bool) -> Event:
        records = ",".join(each.record for each in told)
        removed = json.dumps(list(self.removed) if last else [])
        complete = "true" if last else "false"
        data = f'{{"data":[{records}],"removed":{removed},"complete":{complete}}}'
        return Event(name="change", data=data, id=self.id if last else None)
