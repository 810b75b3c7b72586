"""Registration of sources: a row of `sources` for each resource, by the operator or a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from cryptosource_store.statements import source_registration as sql


def register_source(connection: Connection, row: Mapping[str, Any]) -> int:
    """Insert or adopt the row of a resource; return the source's id in the store.

    A re-created resource of the same namespace, name and type continues its predecessor's data. One
    of another type is another source, and the old one is retired, not deleted.

    Args:
        connection: in a transaction.
        row: uid, namespace, name, source_type, schedule, time_zone, suspended, max_age_seconds,
            and cluster where it is known.
    """
    values = {"cluster": None, **row}
    identity = {name: values[name] for name in ("uid", "namespace", "name", "source_type")}
    connection.execute(sql.RETIRE_OTHER_TYPE, identity)
    # Adopted again after a failed insert: another session may have inserted the row meanwhile.
    for statement in (sql.ADOPT_SOURCE, sql.INSERT_SOURCE, sql.ADOPT_SOURCE):
        source_id = connection.scalar(statement, values)
        if source_id is not None:
            return int(source_id)
    raise AssertionError("a source that can be neither inserted nor adopted")


def register_unseen(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Insert rows for those sources of which neither the uid nor the name is in the store.

    Args:
        connection: in a transaction.
        rows: as for `register_source`, each with a cluster or None.

    Returns:
        The uids of the inserted rows; the other sources need `register_source`.
    """
    values = {"rows": json.dumps([dict(row) for row in rows])}
    return set(connection.scalars(sql.INSERT_UNSEEN_SOURCES, values))
