"""Prepare pages in the extracting thread, while Postgres merges the pages before.

A page is prepared before earlier pages are committed, so their effects are laid over what its
look-up finds (docs/adr/0009). That is complete, because no other run writes a source that is
claimed. Changes by other sources are checked for again under the identity lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from cryptosource_etl.pipeline.identity.matcher import Candidate
from cryptosource_etl.pipeline.identity.proposal import CoinsInFlight
from cryptosource_etl.pipeline.prepare.change_detection import StoredState
from cryptosource_etl.pipeline.prepare.page_preparation import InFlight, PagePreparer, PreparedPage
from cryptosource_etl.records import Page

# Servers and networks end idle sessions, and one that was ended fails the run at its next use.
IDLE_SECONDS = 20
"""A session that was not used for that long is replaced."""


class LookUpSession:
    """A session for look-ups beside the claiming one; for one thread.

    Args:
        engine: as for the claiming session.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._used = 0.0

    @contextmanager
    def acquire(self) -> Iterator[Connection]:
        """Return the session for a `with` block; opens it if need be."""
        if self._connection is not None and time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        if self._connection is None:
            # Autocommit: each look-up sees what is committed when it is made, and no snapshot is
            # held open while the thread waits for the upstream.
            connection = self._engine.connect()
            self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        yield self._connection
        self._used = time.monotonic()

    def close(self) -> None:
        """End the session; the next `acquire` opens another one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


class _PageInFlight(NamedTuple):
    """A page that was prepared and may not be committed yet."""

    number: int
    """Position in the run, from 1."""
    states: dict[str, StoredState]
    """External id -> its state after this page."""
    prepared: PreparedPage


class PipelinedPreparation:
    """Prepares the pages of a run one after the other, each on top of those in flight.

    Args:
        preparer: prepares one page.
        committed: returns how many of the pages have been committed; called in this thread.
    """

    def __init__(self, preparer: PagePreparer, *, committed: Callable[[], int]) -> None:
        self._preparer = preparer
        self._committed = committed
        self._pages: deque[_PageInFlight] = deque()

    def prepare(self, pages: Iterable[Page]) -> Iterator[tuple[Page, PreparedPage]]:
        """Yield each page with its preparation."""
        for number, page in enumerate(pages, start=1):
            in_flight = self._collect_in_flight()
            prepared = self._preparer.prepare(page.records, page.received_at, in_flight)
            self._pages.append(_PageInFlight(number, _states_after(prepared), prepared))
            yield page, prepared

    def _collect_in_flight(self) -> InFlight:
        # Read before the look-up: a page that commits in between is then found by the look-up and
        # laid over it too, which is harmless. The other way round both could miss it.
        committed = self._committed()
        while self._pages and self._pages[0].number <= committed:
            self._pages.popleft()
        states: dict[str, StoredState] = {}
        slugs: set[str] = set()
        for page in self._pages:
            states |= page.states
            slugs |= page.prepared.proposal.slugs
        return InFlight(states, CoinsInFlight(slugs, self._find_candidates))

    def _find_candidates(self, symbols: Collection[str]) -> Iterator[Candidate]:
        for page in self._pages:
            yield from page.prepared.candidates(symbols)


def _states_after(prepared: PreparedPage) -> dict[str, StoredState]:
    """Return the states of the page's ids once it is committed; pinned newcomers have no asset."""
    proposed = prepared.proposal.assets
    return {
        external_id: state._replace(asset_id=proposed[external_id])
        if external_id in proposed
        else state
        for external_id, state in prepared.changes.new_states.items()
    }
