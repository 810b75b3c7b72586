"""Where in which file to go on, as JSON that lives in the checkpoint.

A file is known by its content, not its name: by hashes of its first bytes, of those right before
the place to go on at, and, once it has grown, of all that was read of it: a row that was changed in
the middle must be read again, however the file ends. That costs a second a gigabyte. A cursor made
under another mapping is worthless, because the rows before it would be read differently now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptosource_etl.records import Cursor

DIGEST_BYTES = 16
PROBE_BYTES = 4096
"""Bytes that are hashed at the start, and before the place to go on at."""

Fetch = Callable[[int, int], bytes]
"""Returns at most n bytes from an offset on."""


FetchHash = Callable[[int], str]
"""Returns the hash of all bytes before an offset."""


def fingerprint(data: bytes) -> str:
    """Return a short hash of a few bytes of a file."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class Place:
    """A place between two records."""

    offset: int
    """Bytes before it."""
    line: int
    """Lines before it."""
    again: str | None = None
    """Digest of the record that starts here, if that is loaded already and only has to be looked
    at again: the file ended within it, and has grown since."""


@dataclass(frozen=True)
class FileState:
    """What is compared to tell whether a file is the one that was read."""

    size: int
    mtime_ns: int
    head: str
    """Hash of its first bytes, `PROBE_BYTES` or all."""

    def cursor(
        self, place: Place, *, tail: str, prefix: str, reopen: Place | None
    ) -> dict[str, Any]:
        """Return the JSON of a place in this file.

        Args:
            place: where to go on.
            tail: hash of the `PROBE_BYTES` before it.
            prefix: hash of all bytes before it.
            reopen: where to go on instead once the file has grown.
        """
        cursor: dict[str, Any] = {
            "size": self.size,
            "mtime_ns": self.mtime_ns,
            "head": self.head,
            "tail": tail,
            "prefix": prefix,
            "offset": place.offset,
            "line": place.line,
        }
        if reopen is not None:
            cursor["open"] = [reopen.offset, reopen.line, reopen.again]
        return cursor


def tail_of(fetch: Fetch, offset: int) -> str:
    """Return the hash of the bytes before an offset."""
    start = max(0, offset - PROBE_BYTES)
    return fingerprint(fetch(start, offset - start))


def place_in_file(
    cursor: Cursor, *, state: FileState, fetch: Fetch, prefix: FetchHash
) -> Place | None:
    """Return where to go on in a file, or None if it is not the one the cursor was made for.

    Args:
        cursor: as stored; whatever is wrong with it, the file is read from its start.
        state: the file as it is now.
        fetch: reads from it.
        prefix: hashes it.
    """
    try:
        size, offset, line = int(cursor["size"]), int(cursor["offset"]), int(cursor["line"])
        same = size == state.size and int(cursor["mtime_ns"]) == state.mtime_ns
        grown = 0 < size < state.size
        known = (same or grown) and 0 <= offset <= size
        if not known or fingerprint(fetch(0, min(size, PROBE_BYTES))) != cursor["head"]:
            return None
        if tail_of(fetch, offset) != cursor["tail"]:
            return None
        # A cursor of an earlier version has none.
        if grown and "prefix" in cursor and prefix(offset) != cursor["prefix"]:
            return None
        if grown and "open" in cursor:
            start, before, again = cursor["open"]
            return Place(int(start), int(before), str(again))
        return Place(offset, line)
    except (KeyError, TypeError, ValueError):
        return None
