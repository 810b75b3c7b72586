"""Who is loaded: a row of `sources` for every resource, written by whoever sees it first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from cryptosource_store.statements import source_registration as sql


def register_source(connection: Connection, row: Mapping[str, Any]) -> int:
    """Return the source's id in the store, making or adopting its row.

    A re-created resource of the same namespace, name and type goes on with its predecessor's
    data; one of another type is another source, and the old one is retired, not deleted.

    Args:
        connection: in a transaction.
        row: uid, namespace, name, source_type, schedule, time_zone, suspended, max_age_seconds,
            and cluster where the resource is known to be in one.
    """
    values = {"cluster": None, **row}
    identity = {name: values[name] for name in ("uid", "namespace", "name", "source_type")}
    connection.execute(sql.RETIRE_OTHER_TYPE, identity)
    for statement in (sql.ADOPT_SOURCE, sql.INSERT_SOURCE, sql.ADOPT_SOURCE):
        source_id = connection.scalar(statement, values)
        if source_id is not None:
            return int(source_id)
    raise AssertionError("a source that can be neither inserted nor adopted")


def register_unseen(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Make rows for sources that the store has never seen under their uid or their name.

    Args:
        connection: in a transaction.
        rows: as for `register_source`, with a cluster or None in each.

    Returns:
        The uids of those that were made; the others are for `register_source`.
    """
    values = {"rows": json.dumps([dict(row) for row in rows])}
    return set(connection.scalars(sql.INSERT_UNSEEN_SOURCES, values))
