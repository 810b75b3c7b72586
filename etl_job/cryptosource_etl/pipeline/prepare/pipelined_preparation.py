"""Prepare pages in the extracting thread, while Postgres merges the pages before.

A page is prepared before the ones ahead of it are committed, so what they are about to store is
laid over what the look-up finds. Only this run writes its source, so nothing else can be missing;
what other sources may change meanwhile is looked at again under the identity lock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from cryptosource_etl.pipeline.identity.matcher import Candidate
from cryptosource_etl.pipeline.identity.resolution import OthersInFlight
from cryptosource_etl.pipeline.prepare.change_detection import Known
from cryptosource_etl.pipeline.prepare.page_preparation import InFlight, PagePreparer, PreparedPage
from cryptosource_etl.records import Page

IDLE_SECONDS = 20
"""A session that was not used for that long is replaced: servers and networks end idle ones."""


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
    def lend(self) -> Iterator[Connection]:
        """Lend the session, opening it if need be."""
        if self._connection is not None and time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        if self._connection is None:
            # No transaction: each look-up sees what is committed when it is made.
            connection = self._engine.connect()
            self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        yield self._connection
        self._used = time.monotonic()

    def close(self) -> None:
        """End the session; it may be lent again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


class _Page(NamedTuple):
    """A page that was prepared and may not be committed yet."""

    number: int
    known: dict[str, Known]
    prepared: PreparedPage


class PipelinedPreparation:
    """Prepares page after page.

    Args:
        preparer: prepares one.
        committed: how many of the pages have been committed; asked from this thread.
    """

    def __init__(self, preparer: PagePreparer, *, committed: Callable[[], int]) -> None:
        self._preparer = preparer
        self._committed = committed
        self._pages: deque[_Page] = deque()

    def prepare(self, pages: Iterable[Page]) -> Iterator[tuple[Page, PreparedPage]]:
        """Yield each page with what was prepared for it."""
        for number, page in enumerate(pages, start=1):
            in_flight = self._in_flight()
            prepared = self._preparer.prepare(page.records, page.received_at, in_flight)
            self._pages.append(_Page(number, _known_after(prepared), prepared))
            yield page, prepared

    def _in_flight(self) -> InFlight:
        committed = self._committed()
        while self._pages and self._pages[0].number <= committed:
            self._pages.popleft()
        known: dict[str, Known] = {}
        slugs: set[str] = set()
        for page in self._pages:
            known |= page.known
            slugs |= page.prepared.proposal.slugs
        return InFlight(known, OthersInFlight(slugs, self._bearing))

    def _bearing(self, symbols: Collection[str]) -> Iterator[Candidate]:
        for page in self._pages:
            yield from page.prepared.bearing(symbols)


def _known_after(prepared: PreparedPage) -> dict[str, Known]:
    """Return what will be known of the page's ids; a pinned newcomer's coin is still open."""
    proposed = prepared.proposal.assets
    return {
        external_id: known._replace(asset_id=proposed[external_id])
        if external_id in proposed
        else known
        for external_id, known in prepared.sifted.moved.items()
    }
