"""The ports of a run: where its pages come from, where they go, and who looks at them on the way.

A run itself only moves pages from a source to a sink. What it loads and how is said by the parts
that implement these protocols; see `upstream` and `replay`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from cryptosource_etl.pipeline.run.outcome import Counts, Drift
from cryptosource_etl.records import Cursor, Page, RawRecord

PreparedT = TypeVar("PreparedT")
"""What a source has done for a page in advance, for its sink alone."""

PreparedT_co = TypeVar("PreparedT_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Generic[PreparedT]):
    """Records to commit together, and the checkpoint that says they are in."""

    records: Sequence[RawRecord]
    received_at: datetime
    cursor: Cursor | None
    """Where the next run goes on once these are in; None leaves the checkpoint where it is."""
    records_committed: int = 0
    """Of the pass, these included."""
    records_total: int | None = None
    requests: int = 0
    retries: int = 0
    prepared: PreparedT | None = None
    """What was prepared for the page; None for a part of a page."""


class PageSource(Protocol[PreparedT_co]):
    """Where the pages of one run come from."""

    def open(self) -> AbstractContextManager[Iterable[tuple[Page, PreparedT_co | None]]]:
        """Return the pages, each with what was prepared for it; leaving ends the source.

        Raises:
            RunError: while it is iterated over; there is no next page.
            Stopped: while it is iterated over; the process is to end.
        """
        ...


class PageSink(Protocol[PreparedT]):
    """Where the pages of one run go. It is ready for the first one when the run gets it."""

    @property
    def totals(self) -> Counts:
        """What has been committed so far."""
        ...

    def load(self, batch: Batch[PreparedT]) -> Counts:
        """Commit a batch in one transaction, entirely or not at all; return what became of it.

        Raises:
            RunError: nothing else of this run can be loaded.
            DBAPIError: nothing of the batch is in; after a deadlock it may be loaded again.
        """
        ...


class PassObserver(Protocol):
    """Looks at the pages of one run, to note what they show together."""

    def observe(self, page: Page) -> None:
        """Take a page in, before it is loaded."""
        ...

    def record(self) -> Sequence[Drift]:
        """Store what the pages showed, once all of them are in; return what changed of their shape."""
        ...


@dataclass(frozen=True, kw_only=True)
class Flow(Generic[PreparedT]):
    """The parts of one run, made for its claim."""

    source: PageSource[PreparedT]
    sink: PageSink[PreparedT]
    records_committed: int
    """Records of the pass that earlier runs committed."""
    observer: PassObserver | None = None
