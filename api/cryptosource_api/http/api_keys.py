"""API keys, looked up in Postgres and cached for a few seconds.

A revoked or expired key is refused by every process within `MAX_AGE_SECONDS` and one look-up. While
the database is away no key can be looked up, and requests with one are answered 503.
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
"""Cached at a time, unknown ids among them; the least recently used are dropped first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The owner of a credential."""

    name: str
    """The key's name, as logs and run requests show it."""
    scopes: frozenset[Scope]
    key_id: str | None = None
    """The public part of the key; None for SCHEDULER_TOKEN."""

    def may(self, scope: Scope) -> bool:
        """Return whether the owner has a scope; `admin` includes all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(slots=True)
class _CachedKey:
    read_at: float
    digest: bytes = b""
    identity: Identity | None = None
    expires_at: float = float("inf")


def _find(connection: Connection, key_id: str) -> Mapping[Any, Any] | None:
    return connection.execute(sql.FIND, {"key_id": key_id}).mappings().one_or_none()


def _write_use(connection: Connection, key_id: str) -> None:
    connection.execute(sql.USED, {"key_id": key_id})


class KeyRing:
    """Looks keys up, and caches the results.

    Args:
        reads: runs the queries.
        max_age_seconds: how long a result is used; counted from before it was read.
    """

    def __init__(self, reads: QueryRunner, *, max_age_seconds: float = MAX_AGE_SECONDS) -> None:
        self._reads = reads
        self._max_age_seconds = max_age_seconds
        self._keys: OrderedDict[str, _CachedKey] = OrderedDict()

    def needs_look_up(self, key: str) -> bool:
        """Return whether `identity` would query the database for this key."""
        key_id = key_id_of(key)
        return key_id is not None and not self._is_fresh(self._keys.get(key_id))

    async def identity(self, key: str) -> Identity | None:
        """Return the owner of a key; None for one that is unknown, revoked, expired or wrong.

        Raises:
            ApiProblem: 503; the database cannot be read.
        """
        key_id = key_id_of(key)
        if key_id is None:
            return None
        cached = self._keys.get(key_id)
        if cached is None or not self._is_fresh(cached):
            cached = await self._look_up(key_id, key)
        self._keys.move_to_end(key_id)
        matches = hmac.compare_digest(cached.digest, digest_of(key))
        return cached.identity if matches and time.monotonic() < cached.expires_at else None

    def _is_fresh(self, cached: _CachedKey | None) -> bool:
        return cached is not None and time.monotonic() - cached.read_at < self._max_age_seconds

    async def _look_up(self, key_id: str, key: str) -> _CachedKey:
        read_at = time.monotonic()
        row = await self._reads(partial(_find, key_id=key_id))
        if row is None:
            # Unknown ids are cached too: guessing keys must not cost a query each time.
            cached = _CachedKey(read_at=read_at)
        else:
            # By a duration of the database's own clock: this process's clock may differ.
            left = row["seconds_left"]
            cached = _CachedKey(
                read_at=read_at,
                digest=bytes(row["digest"]),
                identity=Identity(
                    name=row["name"], scopes=frozenset(map(Scope, row["scopes"])), key_id=key_id
                ),
                expires_at=float("inf") if left is None else read_at + left,
            )
            # Only a use with the right secret counts; the statement says when the last one is old
            # enough.
            if row["use_is_news"] and hmac.compare_digest(cached.digest, digest_of(key)):
                await self._record_use(key_id)
        self._keys[key_id] = cached
        while len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)
        return cached

    async def _record_use(self, key_id: str) -> None:
        """Record the key's use; a read-only database, which refuses that, is only logged."""
        try:
            await self._reads(partial(_write_use, key_id=key_id))
        except (ApiProblem, SQLAlchemyError) as error:
            cause = str(getattr(error, "orig", None) or error).partition("\n")[0]
            logger.warning("use of a key not noted", extra={"key_id": key_id, "cause": cause})
