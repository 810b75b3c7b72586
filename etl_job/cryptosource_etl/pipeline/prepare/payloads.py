"""Render payloads so that JSONB can hold them: scrubbed, or as one JSON string if all else fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.pipeline.copy_text import as_json_string, scrub_json
from cryptosource_etl.records import RawRecord

_PAYLOAD_ERRORS = ("22", "54001")
"""SQLSTATE: data exceptions (invalid JSON, NUL, numeric overflow) and nesting too deep."""

PayloadRenderer = Callable[[RawRecord], tuple[str, bool]]
"""Returns a record's payload as JSON text that JSONB accepts, and whether it was changed for that."""

_PARSE_PAYLOAD = text("SELECT CAST(:payload AS jsonb) IS NULL")


def safe_payload(payload: Callable[[RawRecord], str]) -> PayloadRenderer:
    """Return a function that renders a record's payload without what JSONB is known to refuse."""

    def render(record: RawRecord) -> tuple[str, bool]:
        return scrub_json(payload(record))

    return render


def blames_payload(error: DBAPIError) -> bool:
    """Return whether Postgres refused the data itself, not the connection or the statement."""
    state = getattr(error.orig, "pgcode", None) or ""
    return any(state.startswith(prefix) for prefix in _PAYLOAD_ERRORS)


def _is_storable(connection: Connection, payload: str) -> bool:
    # Only Postgres knows all that its JSONB refuses: besides NUL and surrogates the depth of
    # nesting, the size of a string, the digits of a number.
    try:
        with connection.begin():
            connection.execute(_PARSE_PAYLOAD, {"payload": payload})
    except DBAPIError as error:
        if not blames_payload(error):
            raise
        return False
    return True


def storable_payload(
    connection: Connection, payload: Callable[[RawRecord], str], records: Iterable[RawRecord]
) -> PayloadRenderer:
    """Return a function that renders each of the records as Postgres can store it.

    A payload that JSONB refuses is rendered as one JSON string.

    Args:
        connection: outside of a transaction.
        payload: renders a record as JSON text.
        records: those of a batch that was refused as a whole; each costs a statement.
    """
    safe = safe_payload(payload)
    refused = {record.digest for record in records if not _is_storable(connection, safe(record)[0])}

    def render(record: RawRecord) -> tuple[str, bool]:
        return (as_json_string(payload(record)), True) if record.digest in refused else safe(record)

    return render
