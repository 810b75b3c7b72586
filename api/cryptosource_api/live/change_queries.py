"""Reading what changed. Everything here blocks; each takes a connection in autocommit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause

from cryptosource_api.live.events import Change, Told
from cryptosource_store.statements import changes as sql

MAX_CATCH_UP = 20_000
"""Coins that are sent to somebody who comes back; who missed more reads everything anew."""

ID_PATTERN = r"^[0-9]{1,18}\.[0-9]{1,18}$"
"""Of an event's id; as the description says it."""


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """A version of the data."""

    version: int
    micros: int
    """When it was made, in microseconds since 1970."""

    def __str__(self) -> str:
        """Return the id that clients send back."""
        return f"{self.version}.{self.micros}"


BEGINNING = Place(version=0, micros=0)


class Broken(Exception):
    """Nobody can say what changed since a place. The message is one word for it."""


def place_of(text: str) -> Place:
    """Return the place that an id means.

    Raises:
        ValueError: it is no id of ours.
    """
    if not re.fullmatch(ID_PATTERN, text):
        raise ValueError("send the id of an event, as it was received")
    version, micros = map(int, text.split("."))
    return Place(version=version, micros=micros)


def read_head(connection: Connection) -> Place:
    """Return the version that there is."""
    row = connection.execute(sql.HEAD).one_or_none()
    return BEGINNING if row is None else Place(version=row.version, micros=row.micros)


def read_changes(
    connection: Connection, since: Place, until: Place
) -> list[tuple[Place, list[int]]]:
    """Return each version behind one up to another, with the coins it changed.

    Raises:
        Broken: not every one of them is recorded, or this is not the database of `since`.
    """
    if since == until:
        return []
    if since.version >= until.version:
        raise Broken("another-database")
    if since != BEGINNING:
        made_at = connection.scalar(sql.VERSION_MADE_AT, {"version": since.version})
        if made_at != since.micros:
            raise Broken("too-long-ago" if made_at is None else "another-database")
    bound = {"after": since.version, "until": until.version}
    rows = connection.execute(sql.CHANGES_BETWEEN, bound).all()
    if len(rows) != until.version - since.version:
        raise Broken("too-long-ago")
    return [(Place(version=row.version, micros=row.micros), row.asset_ids) for row in rows]


def read_change(
    connection: Connection, asset_ids: Sequence[int], *, since: Place, until: Place, own: bool
) -> Change:
    """Return what the coins are now.

    Args:
        connection: any.
        asset_ids: the coins that changed.
        since: the version before.
        until: the version that they changed with.
        own: read the sources' own records too.
    """
    records = _told(connection, sql.CHANGED_RECORDS, asset_ids)
    there = {each.asset_id for each in records}
    return Change(
        id=str(until),
        since=str(since),
        records=records,
        own=_told(connection, sql.CHANGED_OWN_RECORDS, asset_ids) if own else None,
        removed=sorted(set(asset_ids) - there),
    )


def _told(connection: Connection, statement: TextClause, asset_ids: Sequence[int]) -> list[Told]:
    rows: Any = connection.execute(statement, {"asset_ids": list(asset_ids)})
    return [
        Told(
            asset_id=row.asset_id,
            symbol=row.symbol,
            tickers=frozenset(row.tickers),
            source=row.source,
            source_type=row.source_type,
            namespace=row.namespace,
            record=row.record,
        )
        for row in rows
    ]


def missed_coins(connection: Connection, since: Place) -> tuple[Place, list[int]]:
    """Return the version that there is, and which coins changed since a place.

    Raises:
        Broken: nobody can say, or they are too many.
    """
    head = read_head(connection)
    changes = read_changes(connection, since, head)
    coins = sorted({asset for _, changed in changes for asset in changed})
    if len(coins) > MAX_CATCH_UP:
        raise Broken("too-much-changed")
    return head, coins


def portions(asset_ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Return the coins in portions."""
    return (asset_ids[start : start + size] for start in range(0, len(asset_ids), size))
