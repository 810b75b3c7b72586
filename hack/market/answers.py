"""An answer before it is sent: streamed records or plain bytes, and how the wire will treat them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from hack.market.book import Record
from hack.market.jsontext import Fragment, Raw, encode, render

BATCH_BYTES = 64 * 1024
"""About how much is sent at once."""

Served = Callable[[str, str], None]
"""Told the id and the content hash of every record that goes out."""


def digest_of(payload: bytes) -> str:
    """Return the content hash of a record: 32 hex digits of BLAKE2b."""
    return hashlib.blake2b(payload, digest_size=16).hexdigest()


def encode_json(fragment: Fragment | Raw) -> bytes:
    """Return a record as JSON bytes."""
    return encode(render(fragment))


@dataclass(kw_only=True)
class Delivery:
    """What the network does to an answer on its way."""

    delay_seconds: float = 0.0
    bytes_per_second: float | None = None
    hang: bool = False
    """The connection stays open and nothing comes."""
    drop_after: int | None = None
    """Body bytes after which the connection ends; -1 is before the status line."""
    reset: bool = True
    """It ends with a TCP reset, else with a plain close."""
    length_error: int | None = None
    """How many bytes more (or less) the Content-Length declares than the body has."""


@dataclass(kw_only=True)
class Answer:
    """What is sent back."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    records: Iterator[Record] | None = None
    """In place of `body`: an array that is made while it is sent."""
    opening: bytes = b"["
    separator: bytes = b","
    closing: bytes = b"]"
    encode: Callable[[Fragment | Raw], bytes] = encode_json
    filters: list[Callable[[Iterator[bytes]], Iterator[bytes]]] = field(default_factory=list)
    """What the bytes go through, first to last."""
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def streamed(self) -> bool:
        """Whether its length is known only when it has been sent."""
        return self.records is not None or bool(self.filters)

    def chunks(self, served: Served) -> Iterator[bytes]:
        """Yield the body."""
        source = iter((self.body,)) if self.records is None else self._array(served)
        for through in self.filters:
            source = through(source)
        return source

    def _array(self, served: Served) -> Iterator[bytes]:
        batch = bytearray(self.opening)
        for number, record in enumerate(self.records or ()):
            payload = self.encode(record.fragment)
            served(record.id, digest_of(payload))
            batch += (self.separator if number else b"") + payload
            if len(batch) >= BATCH_BYTES:
                yield bytes(batch)
                batch.clear()
        yield bytes(batch + self.closing)


def json_answer(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Return a short JSON answer."""
    typed = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Answer(status=status, headers=typed, body=encode(text))


def array_answer(records: Iterable[Record]) -> Answer:
    """Return a JSON array of records, streamed."""
    typed = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(headers=typed, records=iter(records))
