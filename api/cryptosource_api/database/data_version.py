"""The version of the data, read from the database at most once in an interval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptosource_api.database.query_runner import OneRow, QueryRunner
from cryptosource_store.statements.coins import DATA_VERSION

EMPTY = "0"
"""Version of a database without data."""


class Versions(NamedTuple):
    """The versions of the data; an answer that was built from one of them is current."""

    data: str
    """Of the coins."""
    of_sources: str
    """Of the coins and of the set of sources."""


UNREAD = Versions(data=EMPTY, of_sources=EMPTY)


def _parse_versions(row: Mapping[str, Any] | None) -> Versions:
    assert row is not None  # noqa: S101 - a SELECT without FROM
    return Versions(data=str(row["version"] or EMPTY), of_sources=str(row["of_sources"]))


READ_VERSIONS = OneRow(statement=DATA_VERSION, parameters={}, finish=_parse_versions)
"""Reads the versions that a connection sees."""


# Polling instead of LISTEN: one row and the few sources each half second (and nothing without
# requests) cannot be measured, needs no connection of its own, works behind a transaction pooler,
# and cannot miss a change after a connection was lost.
class VersionWatch:
    """Caches the data's versions for `max_age_seconds`.

    Args:
        reads: runs the query.
        max_age_seconds: how long versions are used; counted from before they were read.
    """

    def __init__(self, reads: QueryRunner, *, max_age_seconds: float) -> None:
        self._reads = reads
        self._max_age_seconds = max_age_seconds
        self._versions = UNREAD
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def current(self) -> Versions:
        """Return the versions, read anew if they are too old.

        Raises:
            ApiProblem: 503; the database cannot be read. Stale versions are not returned.
        """
        if self._is_fresh():
            return self._versions
        # Requests that arrive together wait for one query, and check again when they get the lock.
        async with self._reading:
            if not self._is_fresh():
                read_at = time.monotonic()
                self._versions = await self._reads(READ_VERSIONS)
                self._read_at = read_at
            return self._versions

    def known(self) -> Versions | None:
        """Return the versions if they are fresh without a query, else None."""
        return self._versions if self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < self._max_age_seconds
