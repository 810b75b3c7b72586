"""Sending an answer byte by byte, with everything the network may do to it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator

from hack.market.answers import Answer, Delivery, Served
from hack.market.http1 import chunk, head
from hack.market.log import Entry

_NO_BODY = (204, 304)
_PIECES_PER_SECOND = 10


class Ended(Exception):
    """The connection was ended on purpose."""


async def deliver(
    writer: asyncio.StreamWriter, answer: Answer, entry: Entry, *, method: str, served: Served
) -> bool:
    """Send an answer and note in its log entry how far that went.

    Returns:
        Whether the connection can carry another request.

    Raises:
        Ended: when the answer's delivery ended the connection.
        ConnectionError: when the client did.
    """
    delivery = answer.delivery
    await asyncio.sleep(delivery.delay_seconds)
    if delivery.hang:
        await asyncio.Event().wait()
    if delivery.drop_after is not None and delivery.drop_after < 0:
        _end(writer, reset=delivery.reset)
    bodiless = method == "HEAD" or answer.status in _NO_BODY
    chunks: Iterator[bytes] = iter(()) if bodiless else answer.chunks(served)
    if delivery.length_error is not None:
        answer.body, answer.records, answer.filters = b"".join(chunks), None, []
        chunks = iter((answer.body,))
    chunked = answer.streamed and not bodiless
    writer.write(head(answer.status, _headers(answer, chunked=chunked, bodiless=bodiless)))
    await writer.drain()
    for piece in _paced(chunks, delivery):
        await _send(writer, piece, entry, delivery=delivery, chunked=chunked)
    if chunked:
        writer.write(chunk(b""))
        await writer.drain()
    entry.complete = True
    return delivery.length_error is None


def _headers(answer: Answer, *, chunked: bool, bodiless: bool) -> dict[str, str]:
    headers = {"Server": "cloudflare", **answer.headers}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif not (bodiless and answer.streamed) and answer.status not in _NO_BODY:
        wrong = answer.delivery.length_error or 0
        headers["Content-Length"] = str(max(0, len(answer.body) + wrong))
    return headers


def _paced(chunks: Iterator[bytes], delivery: Delivery) -> Iterator[bytes]:
    """Cut chunks into what goes out at once."""
    rate = delivery.bytes_per_second
    for data in chunks:
        size = len(data) if rate is None else max(1, int(rate / _PIECES_PER_SECOND))
        for start in range(0, len(data), size or 1):
            yield data[start : start + size]


async def _send(
    writer: asyncio.StreamWriter, piece: bytes, entry: Entry, *, delivery: Delivery, chunked: bool
) -> None:
    left = None if delivery.drop_after is None else delivery.drop_after - entry.bytes
    ends = left is not None and left < len(piece)
    piece = piece[:left] if ends else piece
    if piece:
        writer.write(chunk(piece) if chunked else piece)
        entry.bytes += len(piece)
        await writer.drain()
    if ends:
        _end(writer, reset=delivery.reset)
    # drain() does not pause while the client keeps up, and others want their turn too.
    await asyncio.sleep(0)
    if delivery.bytes_per_second is not None:
        await asyncio.sleep(len(piece) / delivery.bytes_per_second)


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        link: socket.socket = writer.get_extra_info("socket")
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    raise Ended
