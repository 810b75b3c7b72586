"""Bounded decoding of bodies: bytes are counted before and after decompression, in flat memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptosource_etl.errors import Retryable
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_store.reasons import Reason

# 64 KiB of gzip can become 64 MiB, so the decompressor returns 64 KiB at a time. Measured: 512 MiB
# from 522 KB take 2 MiB of memory this way, and 1068 MiB when a whole chunk is inflated at once.
_PIECE_BYTES = 64 * 1024
# A small body may well expand more than the cap allows: repetitive, and harmless.
_EXPANSION_GRACE_BYTES = 4 * 1024 * 1024
# zlib's code for a gzip header and trailer around the deflate stream.
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True, kw_only=True)
class BodyCaps:
    """Limits on the size of one body; None for no limit."""

    sent_bytes: int | None
    decoded_bytes: int | None
    expansion: int


class TooLarge(Exception):
    """A body exceeds a cap. It is not retried: another attempt would not make it smaller."""


def too_large_error(host: str, problem: TooLarge) -> Retryable:
    """Return the error that ends a call whose body is too large."""
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
        caps: limits on the body.

    Raises:
        AttemptFailed: the body contradicts its headers.
        TooLarge: the body exceeds a cap.
    """
    expected = _parse_length(content_length, caps)
    encoding = content_encoding.strip().lower()
    meter = _Meter(chunks, caps)
    if encoding in {"", "identity"}:
        pieces: Iterator[bytes] = iter(meter)
    elif encoding in {"gzip", "x-gzip"}:
        pieces = _gunzip(meter)
    else:
        raise _malformed_body(f"Content-Encoding {encoding[:40]!r}, though only gzip was asked for")
    for piece in pieces:
        meter.count_decoded(len(piece))
        yield piece
    # A body that was cut must never pass for a whole one.
    if expected is not None and meter.sent != expected:
        raise _malformed_body(f"{meter.sent} bytes came of {expected} announced")


def _parse_length(content_length: str, caps: BodyCaps) -> int | None:
    if not (content_length.isascii() and content_length.isdecimal()):
        return None
    # 19 digits hold any 64-bit length; thousands of them would make `int` raise or take long.
    expected = int(content_length[:19])
    if caps.sent_bytes is not None and expected > caps.sent_bytes:
        raise TooLarge(f"{expected} bytes announced, {caps.sent_bytes} allowed")
    return expected


class _Meter:
    """Counts the bytes of a body before and after decompression, and enforces the caps."""

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

    def count_decoded(self, size: int) -> None:
        self._decoded += size
        limit = self._caps.decoded_bytes
        if limit is not None and self._decoded > limit:
            raise TooLarge(f"more than {limit} bytes once decompressed")
        bomb = self._decoded > self.sent * self._caps.expansion
        if bomb and self._decoded > _EXPANSION_GRACE_BYTES:
            raise TooLarge(f"it expands more than {self._caps.expansion} times (a gzip bomb)")


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate one or several gzip members (RFC 1952 allows several); nothing else may follow."""
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
        raise _malformed_body(f"broken gzip: {error}") from error
    if not inflater.eof:
        raise _malformed_body("gzip that ends early")


def _inflate(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        piece = inflater.decompress(data, _PIECE_BYTES)
        data = inflater.unconsumed_tail
        if piece:
            yield piece
        # What zlib still buffers comes out with the next chunk: gzip's trailer always follows.
        if inflater.eof or not data:
            return


def _malformed_body(detail: str) -> AttemptFailed:
    return AttemptFailed(Reason.MALFORMED_RESPONSE, detail)
