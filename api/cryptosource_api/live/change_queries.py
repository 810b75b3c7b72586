"""Queries of changes of the data. All block, on a connection in autocommit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause

from cryptosource_api.live.events import Change, ChangedRecord
from cryptosource_store.statements import changes as sql

MAX_CATCH_UP = 20_000
"""Most coins that are sent to a client that reconnects; one that missed more reads all data again."""

ID_PATTERN = r"^[0-9]{1,18}\.[0-9]{1,18}$"
"""Of an event's id, for the description."""


@dataclass(frozen=True, kw_only=True, order=True)
class StreamPosition:
    """A version of the data, as the id of an event."""

    version: int
    # Versions of a database that was restored or created anew repeat: the time tells them apart.
    micros: int
    """When the version was made, in microseconds since 1970."""

    def __str__(self) -> str:
        """Return the id of an event, which clients send back as Last-Event-ID."""
        return f"{self.version}.{self.micros}"


BEGINNING = StreamPosition(version=0, micros=0)


class ChangesUnknown(Exception):
    """It is not recorded what changed since a position. The message is a word that says why."""


def parse_position(text: str) -> StreamPosition:
    """Return the position that an id denotes.

    Raises:
        ValueError: it is not an id of an event.
    """
    if not re.fullmatch(ID_PATTERN, text):
        raise ValueError("send the id of an event, as it was received")
    version, micros = map(int, text.split("."))
    return StreamPosition(version=version, micros=micros)


def read_head(connection: Connection) -> StreamPosition:
    """Return the newest version of the data."""
    row = connection.execute(sql.HEAD).one_or_none()
    return BEGINNING if row is None else StreamPosition(version=row.version, micros=row.micros)


def read_changes(
    connection: Connection, since: StreamPosition, until: StreamPosition
) -> list[tuple[StreamPosition, list[int]]]:
    """Return each version after `since` up to `until`, with the coins that it changed.

    Raises:
        ChangesUnknown: not all of them are recorded, or `since` is of another database.
    """
    if since == until:
        return []
    if since.version >= until.version:
        raise ChangesUnknown("another-database")
    if since != BEGINNING:
        made_at = connection.scalar(sql.VERSION_MADE_AT, {"version": since.version})
        if made_at != since.micros:
            raise ChangesUnknown("too-long-ago" if made_at is None else "another-database")
    bound = {"after": since.version, "until": until.version}
    rows = connection.execute(sql.CHANGES_BETWEEN, bound).all()
    # Retention has removed some of them.
    if len(rows) != until.version - since.version:
        raise ChangesUnknown("too-long-ago")
    return [(StreamPosition(version=row.version, micros=row.micros), row.asset_ids) for row in rows]


def read_change(
    connection: Connection,
    asset_ids: Sequence[int],
    *,
    since: StreamPosition,
    until: StreamPosition,
    own: bool,
) -> Change:
    """Return the current records of coins that changed.

    Args:
        connection: to read with.
        asset_ids: the coins that changed.
        since: the version before.
        until: the version that changed them.
        own: read the sources' own records too.
    """
    records = _read_records(connection, sql.CHANGED_RECORDS, asset_ids)
    there = {each.asset_id for each in records}
    return Change(
        id=str(until),
        since=str(since),
        records=records,
        own=_read_records(connection, sql.CHANGED_OWN_RECORDS, asset_ids) if own else None,
        removed=sorted(set(asset_ids) - there),
    )


def _read_records(
    connection: Connection, statement: TextClause, asset_ids: Sequence[int]
) -> list[ChangedRecord]:
    rows: Any = connection.execute(statement, {"asset_ids": list(asset_ids)})
    return [
        ChangedRecord(
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


def missed_coins(connection: Connection, since: StreamPosition) -> tuple[StreamPosition, list[int]]:
    """Return the newest version, and the coins that changed since a position.

    Raises:
        ChangesUnknown: that is not recorded, or there are too many.
    """
    head = read_head(connection)
    changes = read_changes(connection, since, head)
    coins = sorted({asset for _, changed in changes for asset in changed})
    if len(coins) > MAX_CATCH_UP:
        raise ChangesUnknown("too-much-changed")
    return head, coins


def portions(asset_ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Return the coins in portions of a size."""
    return (asset_ids[start : start + size] for start in range(0, len(asset_ids), size))
