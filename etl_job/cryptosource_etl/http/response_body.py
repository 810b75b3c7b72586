"""Bodies within bounds: every byte counted before and after decompression, memory flat.

A piece of 64 KiB of gzip can become 64 MiB, so decompression is asked for 64 KiB at a time
(measured: 512 MiB from 522 KB costs 2 MiB this way, and 1068 MiB when the whole is inflated).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptosource_etl.errors import Retryable
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_store.reasons import Reason

_PIECE_BYTES = 64 * 1024
_EXPANSION_GRACE_BYTES = 4 * 1024 * 1024
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True, kw_only=True)
class BodyCaps:
    """How much one body may be. None: as much as it likes."""

    sent_bytes: int | None
    decoded_bytes: int | None
    expansion: int


class TooLarge(Exception):
    """A body went beyond a cap; asking again would not make it smaller."""


def refuse_too_large(host: str, problem: TooLarge) -> Retryable:
    """Return the error that ends the call."""
    return Retryable(
        Reason.BODY_TOO_LARGE,
        f"the answer of {host} is too large: {problem}. Nothing of it was used; ask for less per "
        "request, or check that the URL is the right one.",
    )


def decode(
    chunks: Iterable[bytes], *, content_encoding: str, content_length: str, caps: BodyCaps
) -> Iterator[bytes]:
    """Yield the decompressed body in pieces of at most 64 KiB or one chunk.

    Args:
        chunks: the body as received.
        content_encoding: the header's value, all its lines joined; empty when absent.
        content_length: the header's value; empty when absent.
        caps: what is too much.

    Raises:
        AttemptFailed: it is not what its headers say.
        TooLarge: it goes beyond a cap.
    """
    expected = _announced(content_length, caps)
    encoding = content_encoding.strip().lower()
    counted = _Meter(chunks, caps)
    if encoding in {"", "identity"}:
        pieces: Iterator[bytes] = iter(counted)
    elif encoding in {"gzip", "x-gzip"}:
        pieces = _gunzip(counted)
    else:
        raise _malformed(f"Content-Encoding {encoding[:40]!r}, though only gzip was asked for")
    for piece in pieces:
        counted.decoded(len(piece))
        yield piece
    if expected is not None and counted.sent != expected:
        raise _malformed(f"{counted.sent} bytes came of {expected} announced")


def _announced(content_length: str, caps: BodyCaps) -> int | None:
    if not (content_length.isascii() and content_length.isdecimal()):
        return None
    expected = int(content_length[:19])
    if caps.sent_bytes is not None and expected > caps.sent_bytes:
        raise TooLarge(f"{expected} bytes announced, {caps.sent_bytes} allowed")
    return expected


class _Meter:
    """Counts a body on its way in and out, and stops it at a cap."""

    def __init__(self, chunks: Iterable[bytes], caps: BodyCaps) -> None:
        self._chunks = chunks
        self._caps = caps
        self.sent = 0
        self._decoded = 0

    def __iter__(self) -> Iterator[bytes]:
        limit = self._caps.sent_bytes
        for chunk in self._chunks:
            self.sent += len(chunk)
            if limit is not None and self.sent > limit:
                raise TooLarge(f"more than {limit} bytes")
            yield chunk

    def decoded(self, size: int) -> None:
        self._decoded += size
        limit = self._caps.decoded_bytes
        if limit is not None and self._decoded > limit:
            raise TooLarge(f"more than {limit} bytes once decompressed")
        bomb = self._decoded > self.sent * self._caps.expansion
        if bomb and self._decoded > _EXPANSION_GRACE_BYTES:
            raise TooLarge(f"it expands more than {self._caps.expansion} times (a gzip bomb)")


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate one or several gzip members (RFC 1952 allows them); nothing else may follow."""
    inflater = zlib.decompressobj(_GZIP)
    try:
        for chunk in chunks:
            pending = chunk
            while pending:
                if inflater.eof:
                    inflater = zlib.decompressobj(_GZIP)
                yield from _inflate(inflater, pending)
                pending = inflater.unused_data
    except zlib.error as error:
        raise _malformed(f"broken gzip: {error}") from error
    if not inflater.eof:
        raise _malformed("gzip that ends early")


def _inflate(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        piece = inflater.decompress(data, _PIECE_BYTES)
        data = inflater.unconsumed_tail
        if piece:
            yield piece
        # What zlib still holds back comes out with the next chunk: gzip's trailer always follows.
        if inflater.eof or not data:
            return


def _malformed(detail: str) -> AttemptFailed:
    return AttemptFailed(Reason.MALFORMED_RESPONSE, detail)
