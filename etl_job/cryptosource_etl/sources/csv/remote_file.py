"""One file behind a URL: streamed without being stored, and fetched again only when it changed."""

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
    """Reads chunks of any size like a file, and can peek at their beginning."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._buffer = b""
        self._ended = False

    def peek(self, length: int) -> tuple[bytes, bool]:
        """Return the next bytes without consuming them, and whether they are the last."""
        parts, size = [self._buffer], len(self._buffer)
        while size <= length and (chunk := self._next()):
            parts.append(chunk)
            size += len(chunk)
        self._buffer = b"".join(parts)
        return self._buffer[:length], len(self._buffer) <= length

    def read(self, length: int) -> bytes:
        """Return the next bytes, at most `length`; none at the end."""
        data = self._buffer or self._next()
        self._buffer = data[length:]
        return data[:length]

    def skip(self, length: int) -> None:
        """Discard the next bytes; stops at the end."""
        while length > 0 and (data := self.read(length)):
            length -= len(data)

    def _next(self) -> bytes:
        # A chunk may be empty without being the last: a decompressor may need more input.
        while not self._ended:
            chunk = next(self._chunks, None)
            if chunk:
                return chunk
            self._ended = chunk is None
        return b""


@dataclass(frozen=True)
class RemoteCursor:
    """A position in one version of the file behind a URL."""

    url: str
    validators: Validators | None
    place: Place | None = None
    complete: bool = False
    """The whole file was read."""

    @classmethod
    def parse(cls, cursor: Cursor, *, url: str) -> RemoteCursor:
        """Return the stored cursor, or an empty one if it is invalid or belongs to another URL."""
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
        """The validators for the next request; None while a part of the file is missing."""
        # A 304 for a file that was read in part would leave the rest unread for ever.
        return self.validators if self.complete else None

    def resume(self, now: Validators | None) -> Place | None:
        """Return the place to resume at in the version `now`; None to read it from its start."""
        # Only a strong ETag promises identical bytes (RFC 9110, section 8.8.1), and so that an
        # offset means the same in both.
        before = self.validators.etag if self.validators else None
        same = now is not None and before is not None and before == now.etag
        return self.place if same and before and not before.startswith("W/") else None


def remote_cursor(
    url: str, *, validators: Validators | None, place: Place, complete: bool
) -> dict[str, Any]:
    """Return the JSON cursor of a place in one version of the file behind a URL."""
    # The URL's digest and not the URL, which would be shown wherever a checkpoint is.
    return {
        "url": fingerprint(url.encode()),
        "validators": validators.as_json() if validators else {},
        "offset": place.offset,
        "line": place.line,
        "complete": complete,
    }


def written_at(validators: Validators | None) -> datetime | None:
    """Return the time of Last-Modified in UTC; None without a valid one."""
    try:
        written = parsedate_to_datetime((validators and validators.last_modified) or "")
    except (ValueError, OverflowError):
        return None
    return (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)
