"""Encode values as COPY text that Postgres can store, whatever an upstream sent; run the COPY."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from typing import TypeGuard

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cryptosource_telemetry.sql_spans import statement_span

NULL = r"\N"
_REPLACEMENT = r"\ufffd"
# A surrogate pair is tried before a single escape, so that its halves are not taken for lone ones.
# Other escapes match too, so that the `u` behind an escaped backslash is not taken for one.
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\."
)
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})$")


def _scrub_escape(match: re.Match[str]) -> str:
    escape = match.group()
    return _REPLACEMENT if len(escape) == 6 and _UNSTORABLE_ESCAPE.match(escape) else escape  # noqa: PLR2004


def is_storable(external_id: str | None) -> TypeGuard[str]:
    """Return whether Postgres can hold an id as text; one it cannot hold was never stored."""
    if external_id is None or "\0" in external_id:
        return False
    # A lone surrogate is no UTF-8: it comes back from the encoder as '?'.
    return external_id.isascii() or external_id.encode("utf-8", "replace").decode() == external_id


def scrub_json(payload: str) -> tuple[str, bool]:
    """Return JSON text that JSONB accepts, and whether it had to be changed.

    JSONB refuses NUL (22P05) and lone surrogates (22P02), escaped or not; each becomes U+FFFD.
    """
    scrubbed = payload.replace("\0", "\ufffd")
    # Two cheap tests first: this runs once for each record, and nearly none needs the regex.
    if "\\u" in scrubbed:
        scrubbed = _ESCAPES.sub(_scrub_escape, scrubbed)
    if not scrubbed.isascii():
        scrubbed = scrubbed.encode("utf-8", errors="surrogatepass").decode("utf-8", "replace")
    return scrubbed, scrubbed != payload


def as_json_string(payload: str) -> str:
    """Return any text as one JSON string, for a payload that JSONB refuses as it is."""
    return scrub_json(json.dumps(payload))[0]


def copy_field(value: str | None) -> str:
    r"""Return a value as COPY text: \N for None, backslash and line breaks escaped."""
    if value is None:
        return NULL
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if "\n" in value:
        value = value.replace("\n", "\\n")
    if "\t" in value:
        value = value.replace("\t", "\\t")
    if "\r" in value:
        value = value.replace("\r", "\\r")
    return value


def copy_text(value: str | None) -> str:
    r"""Like `copy_field`, for text columns: NUL, which Postgres cannot store, becomes U+FFFD."""
    if value is None:
        return NULL
    # The common case, in one call: printable text holds neither NUL nor a tab nor a line break.
    if value.isprintable() and "\\" not in value:
        return value
    return copy_field(value.replace("\0", "\ufffd"))


def text_array(values: Iterable[str]) -> str:
    """Return texts as one array literal, for `CAST(… AS text[])`."""
    # The driver would write a list as an ARRAY[…] of literals, each of which the server parses and
    # plans as an expression of its own.
    texts = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(texts) + '"}' if texts else "{}"


def copy_buffer(lines: Iterable[str]) -> bytes:
    """Return the bytes that COPY … FROM STDIN reads; what UTF-8 cannot encode becomes '?'."""
    text = "\n".join(lines)
    return (text + "\n").encode("utf-8", errors="replace") if text else b""


def copy_into(connection: Connection, statement: str, buffer: bytes) -> None:
    """Send a buffer by COPY.

    Args:
        connection: in a transaction.
        statement: `COPY … FROM STDIN`.
        buffer: as `copy_buffer` returns it.

    Raises:
        DBAPIError: as SQLAlchemy raises it for any other statement.
    """
    # SQLAlchemy has no COPY, so this goes to the driver's cursor; its errors are translated below,
    # because callers tell a lost connection from a refused value by SQLAlchemy's classes.
    cursor = connection.connection.cursor()
    try:
        with statement_span(statement):
            # In one piece: for each piece the driver has to get the interpreter's lock back from
            # the thread that prepares the next page.
            cursor.copy_expert(statement, io.BytesIO(buffer), size=len(buffer) + 1)
    except psycopg2.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error
    finally:
        cursor.close()
