"""One file behind a URL: streamed, never stored, and not fetched again while it is unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cryptosource_etl.http.validators import Validators
from cryptosource_etl.records import Cursor
from cryptosource_etl.sources.csv.cursor import Place, fingerprint


class ByteStream:
    """Chunks of any size, read like a file, with a first part that can be read twice."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._kept = b""
        self._ended = False

    def peek(self, length: int) -> tuple[bytes, bool]:
        """Return the next bytes without taking them, and whether nothing follows them."""
        parts, size = [self._kept], len(self._kept)
        while size <= length and (chunk := self._next()):
            parts.append(chunk)
            size += len(chunk)
        self._kept = b"".join(parts)
        return self._kept[:length], len(self._kept) <= length

    def read(self, length: int) -> bytes:
        """Take the next bytes, at most that many, none at the end."""
        data = self._kept or self._next()
        self._kept = data[length:]
        return data[:length]

    def skip(self, length: int) -> None:
        """Pass over bytes; stops at the end."""
        while length > 0 and (data := self.read(length)):
            length -= len(data)

    def _next(self) -> bytes:
        # Some chunks are empty without being the last.
        while not self._ended:
            chunk = next(self._chunks, None)
            if chunk:
                return chunk
            self._ended = chunk is None
        return b""


@dataclass(frozen=True)
class RemoteCursor:
    """How far a URL was read, and which version of it."""

    url: str
    validators: Validators | None
    place: Place | None = None
    complete: bool = False
    """All of it was read, so that an answer of 304 means that there is nothing to do."""

    @classmethod
    def parse(cls, cursor: Cursor, *, url: str) -> RemoteCursor:
        """Return what a stored cursor says about this URL: nothing if it is of another."""
        try:
            if cursor["url"] != fingerprint(url.encode()):
                return cls(url, None)
            place = Place(int(cursor["offset"]), int(cursor["line"]))
            validators = Validators.from_json(cursor["validators"])
            return cls(url, validators, place, complete=cursor["complete"] is True)
        except (KeyError, TypeError, ValueError):
            return cls(url, None)

    @property
    def condition(self) -> Validators | None:
        """What makes the next request conditional: nothing while a part is missing."""
        return self.validators if self.complete else None

    def resume(self, now: Validators | None) -> Place | None:
        """Return where to go on in the version that was just sent; None: at its start.

        Only a strong ETag promises that the bytes before that place are the same.
        """
        before = self.validators.etag if self.validators else None
        same = now is not None and before is not None and before == now.etag
        return self.place if same and before and not before.startswith("W/") else None


def remote_cursor(
    url: str, *, validators: Validators | None, place: Place, complete: bool
) -> dict[str, Any]:
    """Return the JSON of a place in a version of a URL."""
    return {
        "url": fingerprint(url.encode()),
        "validators": validators.as_json() if validators else {},
        "offset": place.offset,
        "line": place.line,
        "complete": complete,
    }


def written_at(validators: Validators | None) -> datetime | None:
    """Return when an upstream says that a file was last written, UTC."""
    try:
        written = parsedate_to_datetime((validators and validators.last_modified) or "")
    except (ValueError, OverflowError):
        return None
    return (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)
