"""Create the monthly partitions that a run writes to, before the first page that needs them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import timedelta

from sqlalchemy import Connection

from cryptosource_etl.clock import Clock
from cryptosource_store.partitions import (
    ensure_quote_partitions,
    ensure_raw_partitions,
    months_of,
)

RAW_MONTHS_AHEAD = timedelta(days=1)
"""Raw records get partitions up to that long ahead, for a page that commits in the next month."""


class MonthlyPartitions:
    """Creates the monthly partitions of one source's quotes and raw records, each once.

    Args:
        connection: the claiming session.
        source_type: the type whose raw records they hold.
        clock: gives the month in which raw records arrive.
    """

    def __init__(self, connection: Connection, source_type: str, clock: Clock) -> None:
        self._connection = connection
        self._source_type = source_type
        self._clock = clock
        self._quote_months: set[tuple[int, int]] = set()
        self._raw_months: set[tuple[int, int]] = set()

    def ensure(self, observed: AbstractSet[tuple[int, int]]) -> None:
        """Create the partitions of months that this run has not written to yet.

        Args:
            observed: (year, month) pairs of the page's quotes.
        """
        quote_months = observed - self._quote_months
        now = self._clock.now()
        # The page is stamped when it is written, which may be in the next month.
        raw_months = months_of([now, now + RAW_MONTHS_AHEAD]) - self._raw_months
        if not (quote_months or raw_months):
            return
        # In a transaction of its own: partitions are made under an advisory lock that all sources
        # share, and a page's transaction would hold it until its commit.
        with self._connection.begin():
            if quote_months:
                ensure_quote_partitions(self._connection, quote_months)
            if raw_months:
                ensure_raw_partitions(self._connection, self._source_type, raw_months)
        self._quote_months |= quote_months
        self._raw_months |= raw_months
