"""Faults of the body's bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, ClassVar

from hack.market.answers import Answer
from hack.market.faults.fault import Fault
from hack.market.http1 import Request

if TYPE_CHECKING:
    from hack.market.state import Market

_MIB = 1024 * 1024
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_FINAL_BLOCK = b"\x03\x00"


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """The body stops early in a correct HTTP message: only the JSON can tell."""

    changes_content: ClassVar[bool] = True
    after: int
    """Bytes that still come."""

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Cut the body."""
        del market, request
        answer.filters.append(self._cut)

    def _cut(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        left = self.after
        for data in chunks:
            yield data[:left]
            left -= len(data)
            if left <= 0:
                return


@dataclass(frozen=True, kw_only=True)
class Endless(Fault):
    """The body never ends: after the answer's own bytes comes `filler` again and again."""

    changes_content: ClassVar[bool] = True
    filler: str = " "

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Go on for ever."""
        del market, request
        answer.filters.append(self._go_on)

    def _go_on(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from chunks
        unit = self.filler.encode()
        yield from repeat(unit * max(1, 16384 // len(unit)))


@dataclass(frozen=True, kw_only=True)
class Gzip(Fault):
    """A valid gzip body, whether or not it was asked for; `layers` times over."""

    layers: int = 1
    encoding: str | None = None
    """What Content-Encoding says; None is the truth."""

    def spoil(self, market: Market, request: Request, answer: Answer) -> None:
        """Compress the body."""
        del market, request
        answer.filters.extend([_gzipped] * self.layers)
        truth = ", ".join(["gzip"] * self.layers)
        answer.headers["Content-Encoding"] = self.encoding or truth
        answer.headers["Vary"] = "Accept-Encoding"


@dataclass(frozen=True, kw_only=True)
class Bomb(Fault):
    """A small gzip body that grows a thousandfold: `mebibytes` of spaces in one valid member."""

    mebibytes: int = 512

    def instead(self, market: Market, request: Request) -> Answer:
        """Return the bomb; its memory is that of one block."""
        del market, request
        typed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        return Answer(headers=typed, filters=[self._blocks])

    def _blocks(self, _chunks: Iterator[bytes]) -> Iterator[bytes]:
        spaces = b" " * _MIB
        squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
        block = squeeze.compress(spaces) + squeeze.flush(zlib.Z_FULL_FLUSH)
        check = 0
        yield _GZIP_HEAD
        for _ in range(self.mebibytes):
            check = zlib.crc32(spaces, check)
            yield block
        size = (self.mebibytes * _MIB) & 0xFFFFFFFF
        yield _FINAL_BLOCK + check.to_bytes(4, "little") + size.to_bytes(4, "little")


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    for data in chunks:
        if packed := squeeze.compress(data):
            yield packed
    yield squeeze.flush()
