"""The text of a COPY, such that Postgres can store whatever an upstream sent, and the COPY itself."""

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
_ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a surrogate pair is fine
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\."
)
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})$")


def _scrub_escape(match: re.Match[str]) -> str:
    escape = match.group()
    return _REPLACEMENT if len(escape) == 6 and _UNSTORABLE_ESCAPE.match(escape) else escape  # noqa: PLR2004


def is_storable(external_id: str | None) -> TypeGuard[str]:
    """Return whether Postgres can be asked about an id; one it cannot hold was never stored."""
    if external_id is None or "\0" in external_id:
        return False
    return external_id.isascii() or external_id.encode("utf-8", "replace").decode() == external_id


def scrub_json(payload: str) -> tuple[str, bool]:
    """Return JSON text that JSONB accepts, and whether it had to be changed.

    JSONB refuses NUL (22P05) and lone surrogates (22P02), escaped or not; each becomes U+FFFD.
    """
    scrubbed = payload.replace("\0", "\ufffd")
    if "\\u" in scrubbed:
        scrubbed = _ESCAPES.sub(_scrub_escape, scrubbed)
    if not scrubbed.isascii():
        scrubbed = scrubbed.encode("utf-8", errors="surrogatepass").decode("utf-8", "replace")
    return scrubbed, scrubbed != payload


def quoted(payload: str) -> str:
    """Return any text as one JSON string, for payloads that JSONB cannot hold as what they are."""
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
    r"""Like `copy_field`, for text columns: NUL, which Postgres has no place for, becomes U+FFFD."""
    if value is None:
        return NULL
    if value.isprintable() and "\\" not in value:  # nearly all are, and need no closer look
        return value
    return copy_field(value.replace("\0", "\ufffd"))


def text_array(values: Iterable[str]) -> str:
    """Return texts as one array literal, for `CAST(… AS text[])`.

    The driver would write a list as an ARRAY[…] of literals, each of which the server parses and
    plans as an expression of its own.
    """
    texts = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(texts) + '"}' if texts else "{}"


def copy_buffer(lines: Iterable[str]) -> bytes:
    """Return the bytes that COPY … FROM STDIN reads; what UTF-8 cannot say becomes '?'."""
    text = "\n".join(lines)
    return (text + "\n").encode("utf-8", errors="replace") if text else b""


def copy_into(connection: Connection, statement: str, buffer: bytes) -> None:
    """COPY by the driver: the one bulk write, because nothing else is as cheap.

    Its errors are in SQLAlchemy's tree, like those of all other statements.

    Args:
        connection: in a transaction.
        statement: `COPY … FROM STDIN`.
        buffer: as `copy_buffer` returns it.
    """
    cursor = connection.connection.cursor()
    try:
        with statement_span(statement):
            # In one piece: for each piece the driver waits for the interpreter's lock, behind the
            # thread that prepares the next page.
            cursor.copy_expert(statement, io.BytesIO(buffer), size=len(buffer) + 1)
    except psycopg2.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error
    finally:
        cursor.close()
