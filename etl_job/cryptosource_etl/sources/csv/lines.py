"""Splitting a stream of bytes into lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from cryptosource_etl.sources.csv.text_encoding import Encoding

# Some 3000 rows, and small beside the memory of an idle interpreter.
BLOCK_BYTES = 256 * 1024
"""Bytes read at once."""
MAX_LINE_BYTES = 1024 * 1024
"""Longest line, and longest record of several lines, that is read."""
HEAD_BYTES = 1000
"""Bytes of an overlong line that are kept, to show which one it is."""

Read = Callable[[int], bytes]
"""Returns at most that many bytes; none at the end."""


class LongLine(NamedTuple):
    """A line that is too long to be a record."""

    head: bytes
    """Its first `HEAD_BYTES`."""
    length: int
    """Length of the whole line in bytes, line end included."""


def _split_overlong(lines: list[bytes]) -> Iterator[list[bytes] | LongLine]:
    """Yield runs of lines within the limit, and each overlong line."""
    start = 0
    for index, line in enumerate(lines):
        if len(line) > MAX_LINE_BYTES:
            if index > start:
                yield lines[start:index]
            yield LongLine(line[:HEAD_BYTES], len(line))
            start = index + 1
    if start < len(lines):
        yield lines[start:]


def read_lines(read: Read, encoding: Encoding) -> Iterator[list[bytes] | LongLine]:
    """Yield blocks of whole lines, and each overlong line. Only the last line may have no end.

    Args:
        read: reads the bytes, from the start of a line on.
        encoding: tells lines apart.
    """
    pending, dropped = b"", 0
    for data in iter(lambda: read(BLOCK_BYTES), b""):
        data = pending + data  # noqa: PLW2901 - the rest of the block before comes first
        whole = len(data) - len(data) % encoding.unit
        lines = encoding.split(data[:whole])
        pending = data[whole:]
        if lines and not encoding.ends_line(lines[-1]):
            pending = lines.pop() + pending
        if dropped and lines:
            yield LongLine(lines[0][:HEAD_BYTES], dropped + len(lines[0]))
            lines, dropped = lines[1:], 0
        if lines:
            yield from _split_overlong(lines) if len(data) > MAX_LINE_BYTES else (lines,)
        if len(pending) > MAX_LINE_BYTES:
            # The last bytes are kept, because they may be the first half of a line end.
            kept = pending[:HEAD_BYTES] + pending[-2 - len(pending) % encoding.unit :]
            pending, dropped = kept, dropped + len(pending) - len(kept)
    if dropped:
        yield LongLine(pending[:HEAD_BYTES], dropped + len(pending))
    elif pending:
        yield from _split_overlong([pending])
