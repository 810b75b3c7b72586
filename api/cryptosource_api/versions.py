"""Which version the data has, asked at most once in a while.

Polling instead of LISTEN: one look-up by primary key each half second (and none when nobody asks)
cannot be measured, needs no connection of its own, works behind a transaction pooler, and cannot
miss a change after a connection was lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from cryptosource_api.reads import OneRow, Reads
from cryptosource_store.statements.reading import DATA_VERSION

EMPTY = "0"
"""Version of a database that nothing was loaded into."""


def _version(row: Mapping[str, Any] | None) -> str:
    return str((row or {}).get("version") or EMPTY)


READ_VERSION = OneRow(statement=DATA_VERSION, parameters={}, finish=_version)
"""Reads the version of the data as the connection sees it."""


class VersionWatch:
    """Knows the data's version as it was at most `max_age_seconds` ago.

    Args:
        reads: how to ask.
        max_age_seconds: how long an answer is believed; counted from before the question.
    """

    def __init__(self, reads: Reads, *, max_age_seconds: float) -> None:
        self._reads = reads
        self._max_age_seconds = max_age_seconds
        self._version = EMPTY
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def current(self) -> str:
        """Return the version.

        Raises:
            ApiProblem: 503; the database cannot be asked. Nothing stale is answered then.
        """
        if self._is_fresh():
            return self._version
        async with self._asking:
            if not self._is_fresh():
                asked_at = time.monotonic()
                self._version = await self._reads(READ_VERSION)
                self._asked_at = asked_at
            return self._version

    def known(self) -> str | None:
        """Return the version when it need not be asked for, else None."""
        return self._version if self._is_fresh() else None

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._asked_at < self._max_age_seconds
