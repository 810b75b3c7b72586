"""The cursor of a local file: the place to resume at, as JSON in the checkpoint.

A file is identified by its content, not by its name: by hashes of its first bytes, of the bytes
right before the place and, once it has grown, of all bytes before the place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptosource_etl.records import Cursor

DIGEST_BYTES = 16
PROBE_BYTES = 4096
"""Bytes that are hashed at the file's start, and before the place to resume at."""

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
    """Digest of the record that starts here, if it was loaded already and only has to be compared:
    the file ended within it, and has grown since."""


@dataclass(frozen=True)
class FileState:
    """The properties by which a file is recognized as the one that was read."""

    size: int
    mtime_ns: int
    head: str
    """Hash of its first bytes, `PROBE_BYTES` or all."""

    def cursor(
        self, place: Place, *, tail: str, prefix: str, reopen: Place | None
    ) -> dict[str, Any]:
        """Return the JSON cursor of a place in this file.

        Args:
            place: where to resume.
            tail: hash of the `PROBE_BYTES` before it.
            prefix: hash of all bytes before it.
            reopen: where to resume instead once the file has grown.
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
    """Return the hash of the `PROBE_BYTES` before an offset."""
    start = max(0, offset - PROBE_BYTES)
    return fingerprint(fetch(start, offset - start))


def place_in_file(
    cursor: Cursor, *, state: FileState, fetch: Fetch, prefix: FetchHash
) -> Place | None:
    """Return the place to resume at, or None if the cursor was made for another file.

    Args:
        cursor: as stored; an invalid one counts as one of another file.
        state: the file as it is now.
        fetch: reads from the file.
        prefix: hashes the file up to an offset.
    """
    try:
        size, offset, line = int(cursor["size"]), int(cursor["offset"]), int(cursor["line"])
        same = size == state.size and int(cursor["mtime_ns"]) == state.mtime_ns
        grown = 0 < size < state.size
        possible = (same or grown) and 0 <= offset <= size
        if not possible or fingerprint(fetch(0, min(size, PROBE_BYTES))) != cursor["head"]:
            return None
        if tail_of(fetch, offset) != cursor["tail"]:
            return None
        # Of a file that has grown, all that was read is hashed, at a second a gigabyte: a row in
        # the middle may have been rewritten, which neither head nor tail shows.
        if grown and prefix(offset) != cursor["prefix"]:
            return None
        if grown and "open" in cursor:
            start, before, again = cursor["open"]
            return Place(int(start), int(before), str(again))
        return Place(offset, line)
    except (KeyError, TypeError, ValueError):
        return None
