"""Payloads that JSONB can hold, whatever the upstream sent: scrubbed first, quoted as a last resort."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.pipeline.copy_text import quoted, scrub_json
from cryptosource_etl.records import RawRecord

_PAYLOAD_ERRORS = ("22", "54001")
"""SQLSTATE: data exceptions (invalid JSON, NUL, numeric overflow) and nesting too deep."""

PayloadOf = Callable[[RawRecord], tuple[str, bool]]
"""Gives a record's payload as JSON text that JSONB accepts, and whether it was changed for that."""

_TRY = text("SELECT CAST(:payload AS jsonb) IS NULL")


def safe_payload(payload: Callable[[RawRecord], str]) -> PayloadOf:
    """Return a function that gives a record's payload without what JSONB is known to refuse."""

    def of(record: RawRecord) -> tuple[str, bool]:
        return scrub_json(payload(record))

    return of


def blames_payload(error: DBAPIError) -> bool:
    """Return whether Postgres refused the data itself, not the connection or the statement."""
    state = getattr(error.orig, "pgcode", None) or ""
    return any(state.startswith(prefix) for prefix in _PAYLOAD_ERRORS)


def _is_storable(connection: Connection, payload: str) -> bool:
    try:
        with connection.begin():
            connection.execute(_TRY, {"payload": payload})
    except DBAPIError as error:
        if not blames_payload(error):
            raise
        return False
    return True


def storable_payload(
    connection: Connection, payload: Callable[[RawRecord], str], records: Iterable[RawRecord]
) -> PayloadOf:
    """Return a payload function under which each of the records can be stored.

    Asks Postgres about each record alone, so it is only for a batch that was refused as a whole;
    what cannot be JSONB at all is kept as one JSON string.
    """
    safe = safe_payload(payload)
    refused = {record.digest for record in records if not _is_storable(connection, safe(record)[0])}

    def of(record: RawRecord) -> tuple[str, bool]:
        return (quoted(payload(record)), True) if record.digest in refused else safe(record)

    return of
