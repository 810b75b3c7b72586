"""Who a key belongs to, looked up in Postgres and believed for a few seconds.

A change of a key (revoked, expired) is in force in every process within `MAX_AGE_SECONDS` and one
look-up. While the database is away no key can be looked up, and those asked for end as 503: a
service that cannot tell who asks answers nobody.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_api.database.query_runner import QueryRunner
from cryptosource_api.http.problems import ApiProblem
from cryptosource_store.api_keys import Scope, digest_of, key_id_of
from cryptosource_store.statements import api_keys as sql

logger = logging.getLogger("cryptosource.api")

MAX_AGE_SECONDS = 3.0
MAX_KEYS = 1_000
"""Remembered at a time, unknown ids among them; the least recently used go first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who asks."""

    name: str
    """As the key was named; shown in logs and run requests."""
    scopes: frozenset[Scope]
    key_id: str | None = None
    """The public part of the key; None for SCHEDULER_TOKEN."""

    def may(self, scope: Scope) -> bool:
        """Return whether that is allowed."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(slots=True)
class _Known:
    asked_at: float
    digest: bytes = b""
    identity: Identity | None = None
    expires_at: float = float("inf")


def _find(connection: Connection, key_id: str) -> Mapping[Any, Any] | None:
    return connection.execute(sql.FIND, {"key_id": key_id}).mappings().one_or_none()


def _note_use(connection: Connection, key_id: str) -> None:
    connection.execute(sql.USED, {"key_id": key_id})


class KeyRing:
    """Knows the keys in force.

    Args:
        reads: how to ask the database.
        max_age_seconds: how long an answer is believed; counted from before the question.
    """

    def __init__(self, reads: QueryRunner, *, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._reads = reads
        self._max_age_seconds = max_age_seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def needs_look_up(self, key: str) -> bool:
        """Return whether `identity` of this text would ask the database."""
        key_id = key_id_of(key)
        return key_id is not None and not self._is_fresh(self._known.get(key_id))

    async def identity(self, key: str) -> Identity | None:
        """Return whose key it is; None for one that is unknown, revoked, expired or wrong.

        Raises:
            ApiProblem: 503; the database cannot be asked.
        """
        key_id = key_id_of(key)
        if key_id is None:
            return None
        known = self._known.get(key_id)
        if known is None or not self._is_fresh(known):
            known = await self._look_up(key_id, key)
        self._known.move_to_end(key_id)
        matches = hmac.compare_digest(known.digest, digest_of(key))
        return known.identity if matches and time.monotonic() < known.expires_at else None

    def _is_fresh(self, known: _Known | None) -> bool:
        return known is not None and time.monotonic() - known.asked_at < self._max_age_seconds

    async def _look_up(self, key_id: str, key: str) -> _Known:
        asked_at = time.monotonic()
        row = await self._reads(partial(_find, key_id=key_id))
        if row is None:
            known = _Known(asked_at=asked_at)
        else:
            left = row["seconds_left"]
            known = _Known(
                asked_at=asked_at,
                digest=bytes(row["digest"]),
                identity=Identity(
                    name=row["name"], scopes=frozenset(map(Scope, row["scopes"])), key_id=key_id
                ),
                expires_at=float("inf") if left is None else asked_at + left,
            )
            if row["use_is_news"] and hmac.compare_digest(known.digest, digest_of(key)):
                await self._note(key_id)
        self._known[key_id] = known
        while len(self._known) > MAX_KEYS:
            self._known.popitem(last=False)
        return known

    async def _note(self, key_id: str) -> None:
        """Write the use down; a database that may only be read keeps no such note."""
        try:
            await self._reads(partial(_note_use, key_id=key_id))
        except (ApiProblem, SQLAlchemyError) as error:
            cause = str(getattr(error, "orig", None) or error).partition("\n")[0]
            logger.warning("use of a key not noted", extra={"key_id": key_id, "cause": cause})
