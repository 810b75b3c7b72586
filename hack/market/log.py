"""What was asked and what was served: the oracle's side of a test."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

MAX_SERVED = 2_000_000
"""So many records are remembered, the newest."""


@dataclass(kw_only=True)
class Entry:
    """One request and its answer."""

    number: int
    time: str
    """The market's wall time when it arrived."""
    at: float
    """Monotonic seconds when it arrived: for rates."""
    client: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """As received, keys included: the market's keys are made up by tests."""
    key_in_url: bool
    vendor: str | None
    page: int | None
    status: int | None = None
    bytes: int = 0
    """Body bytes sent, without chunk marks."""
    records: int = 0
    faults: list[str] = field(default_factory=list)
    """Kinds of the faults played on it."""
    limited: bool = False
    """Refused by a rate limit or a quota."""
    complete: bool = False
    """The whole answer was sent."""

    def as_json(self) -> dict[str, Any]:
        """Return the entry for the control API; its time is text, so that no digit is at stake."""
        return {**asdict(self), "at": f"{self.at:.6f}"}


class ServedRecord(NamedTuple):
    """One record that went out."""

    request: int
    """Number of the request in the log."""
    vendor: str | None
    id: str
    digest: str
    """32 hex digits of BLAKE2b over the record's bytes as served."""


class Log:
    """Every request, and every record served."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._served: deque[ServedRecord] = deque(maxlen=MAX_SERVED)

    def begin(self, entry: Entry) -> None:
        """Note a request that has just arrived."""
        self.entries.append(entry)

    def serve(self, entry: Entry, coin_id: str, digest: str) -> None:
        """Note a record that is being sent."""
        entry.records += 1
        self._served.append(ServedRecord(entry.number, entry.vendor, coin_id, digest))

    def served(self, *, complete: bool = True) -> Iterator[ServedRecord]:
        """Yield the records served; with `complete` only those of answers sent to their end."""
        whole = {entry.number for entry in self.entries if entry.complete}
        return (s for s in self._served if not complete or s.request in whole)

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self._served.clear()
