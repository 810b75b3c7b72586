"""The ports of a run: a source of pages, a sink for them, and an observer.

A run itself only moves pages from a source to a sink. `load.load_run` and `replay.replay_run`
implement these protocols for the two kinds of run.
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
"""Work that a source has done for a page in advance; only the sink of the same flow reads it."""

PreparedT_co = TypeVar("PreparedT_co", covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Generic[PreparedT]):
    """Records to commit together, and the checkpoint after them."""

    records: Sequence[RawRecord]
    received_at: datetime
    cursor: Cursor | None
    """Where the next run goes on after these records; None keeps the checkpoint."""
    records_committed: int = 0
    """Records of the pass, including these."""
    records_total: int | None = None
    requests: int = 0
    retries: int = 0
    prepared: PreparedT | None = None
    """The preparation of the page; None for a part of a page."""


class PageSource(Protocol[PreparedT_co]):
    """The source of a run's pages."""

    def open(self) -> AbstractContextManager[Iterable[tuple[Page, PreparedT_co | None]]]:
        """Return the pages, each with its preparation; leaving the context closes the source.

        Raises:
            RunError: during iteration; there is no next page.
            Stopped: during iteration; the process is shutting down.
        """
        ...


class PageSink(Protocol[PreparedT]):
    """The sink of a run's pages. A `Flow` holds one that is ready for the first page."""

    @property
    def totals(self) -> Counts:
        """Records committed so far."""
        ...

    def load(self, batch: Batch[PreparedT]) -> Counts:
        """Commit a batch in one transaction, entirely or not at all; return its counts.

        Raises:
            RunError: nothing else of this run can be loaded.
            DBAPIError: the batch was rolled back; after a deadlock it may be loaded again.
        """
        ...


class PassObserver(Protocol):
    """Observes the pages of one run, to record facts about the pass as a whole."""

    def observe(self, page: Page) -> None:
        """Add a page, before it is loaded."""
        ...

    def record(self) -> Sequence[Drift]:
        """Store the observations, after all pages are committed; return the changes of shape."""
        ...


@dataclass(frozen=True, kw_only=True)
class Flow(Generic[PreparedT]):
    """The parts of one run, composed for its claim."""

    source: PageSource[PreparedT]
    sink: PageSink[PreparedT]
    records_committed: int
    """Records of the pass that earlier runs committed."""
    observer: PassObserver | None = None
