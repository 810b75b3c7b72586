"""Opaque cursors: the position at which a page of a list ended.

A cursor holds the sort values of the page's last row, and a digest of the list (filters, sort,
order), so that it cannot be used on another list by mistake. It is not signed: it gives no access
that the same filters would not give, and every member is checked and passed as a bind parameter. So
it works on every replica and after a restart without a shared secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from cryptosource_api.http.problems import InvalidCursor

FORMAT = 1
MAX_LENGTH = 2_000
"""Characters of a cursor; a symbol or a name of 256 characters fits."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?\+00(:00)?", re.ASCII)
"""As Postgres writes it in UTC. `fromisoformat` reads more: weeks, any separator, offsets in seconds."""
_NUMBER = re.compile(r"-?\d{1,1000}(\.\d{1,1000})?", re.ASCII)


def _is_integer(value: str, bits: int) -> bool:
    written = re.fullmatch(r"-?\d{1,19}", value, re.ASCII) is not None
    return written and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)


def _is_time(value: str) -> bool:
    try:
        return _TIME.fullmatch(value) is not None and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _is_uuid(value: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


def _is_text(value: str) -> bool:
    return re.search("[\x00\ud800-\udfff]", value) is None


CHECKS: dict[str, Callable[[str], bool]] = {
    "integer": lambda value: _is_integer(value, 32),
    "bigint": lambda value: _is_integer(value, 64),
    "numeric": lambda value: _NUMBER.fullmatch(value) is not None,
    "text": _is_text,
    "timestamptz": _is_time,
    "uuid": _is_uuid,
}
"""Postgres type -> whether it can be cast from a text."""


def list_digest(*parts: Any) -> str:
    """Return a digest that identifies a list by its filters, sort and order."""
    text = json.dumps(parts, default=str, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def encode(values: Sequence[str | None], *, digest: str) -> str:
    """Return the cursor of a position (the values) in the list with this digest."""
    text = to_json([FORMAT, digest, *values])
    # Without padding, so that a cursor needs no escaping in a URL.
    return base64.urlsafe_b64encode(text).decode("ascii").rstrip("=")


def decode(
    cursor: str, *, digest: str, types: Sequence[str], first_nullable: bool = False
) -> list[str | None]:
    """Return a cursor's values.

    Args:
        cursor: from the client.
        digest: of the requested list.
        types: keys of `CHECKS`, one for each value.
        first_nullable: the first value may be null.

    Raises:
        InvalidCursor: it is not a cursor of this API, or belongs to another list.
    """
    members = _members(cursor)
    if members is None or members[:1] != [FORMAT]:
        raise InvalidCursor("this is no cursor that an answer gave as next_cursor")
    if members[1:2] != [digest]:
        raise InvalidCursor(
            "it belongs to a list with other filters or another sort; repeat those, or start "
            "without a cursor"
        )
    values = members[2:]
    # Checked here: Postgres would fail to cast a value of the wrong type, which is a 500.
    allowed = [first_nullable and position == 0 for position in range(len(types))]
    if len(values) != len(types) or not all(map(_is_valid, values, types, allowed)):
        raise InvalidCursor("this is no cursor that an answer gave as next_cursor")
    return values


def _members(cursor: str) -> list[Any] | None:
    if len(cursor) > MAX_LENGTH or not cursor.isascii():
        return None
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        members = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):  # the last: deeply nested JSON
        return None
    return members if isinstance(members, list) else None


def _is_valid(value: Any, kind: str, null_allowed: bool) -> bool:  # noqa: FBT001 - mapped
    if value is None:
        return null_allowed
    return isinstance(value, str) and CHECKS[kind](value)
