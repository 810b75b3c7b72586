"""Which version the data has, asked at most once in a while.

Polling instead of LISTEN: one row and the few sources each half second (and none when nobody asks)
cannot be measured, needs no connection of its own, works behind a transaction pooler, and cannot
miss a change after a connection was lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptosource_api.database.query_runner import OneRow, QueryRunner
from cryptosource_store.statements.coins import DATA_VERSION

EMPTY = "0"
"""Version of a database that nothing was loaded into."""


class Versions(NamedTuple):
    """What an answer may have been built from, to be current."""

    data: str
    """Of the coins."""
    of_sources: str
    """Of the coins, and of which sources there are."""


NEVER = Versions(data=EMPTY, of_sources=EMPTY)


def _versions(row: Mapping[str, Any] | None) -> Versions:
    assert row is not None  # noqa: S101 - a SELECT without FROM
    return Versions(data=str(row["version"] or EMPTY), of_sources=str(row["of_sources"]))


READ_VERSIONS = OneRow(statement=DATA_VERSION, parameters={}, finish=_versions)
"""Reads the versions as the connection sees them."""


class VersionWatch:
    """Knows the data's version as it was at most `max_age_seconds` ago.

    Args:
        reads: how to ask.
        max_age_seconds: how long an answer is believed; counted from before the question.
    """

    def __init__(self, reads: QueryRunner, *, max_age_seconds: float) -> None:
        self._reads = reads
        self._max_age_seconds = max_age_seconds
        self._versions = NEVER
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def current(self) -> Versions:
        """Return the versions.

        Raises:
            ApiProblem: 503; the database cannot be asked. Nothing stale is answered then.
        """
        if self._is_fresh():
            return self._versions
        async with self._asking:
            if not self._is_fresh():
                asked_at = time.monotonic()
                self._versions = await self._reads(READ_VERSIONS)
                self._asked_at = asked_at
            return self._versions

    def known(self) -> Versions | None:
        """Return the versions when they need not be asked for, else None."""
        return self._versions if self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._asked_at < self._max_age_seconds
