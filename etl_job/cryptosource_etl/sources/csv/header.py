"""The header of a file: its encoding, its delimiter and the names of its columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cryptosource_etl.errors import Permanent
from cryptosource_etl.sources.csv.csv_settings import CsvSettings
from cryptosource_etl.sources.csv.rows import BrokenRow, Dialect, RowReader
from cryptosource_etl.sources.csv.text_encoding import Encoding, find_encoding
from cryptosource_store.reasons import Reason

SAMPLE_BYTES = 64 * 1024
"""Bytes of a file that are examined before it is read; the header must be within."""
DELIMITERS = ",;\t|"
_LINES_COMPARED = 30
_ARCHIVES = {b"PK\x03\x04": "a zip archive or an Excel workbook", b"\x1f\x8b": "gzip"}


@dataclass(frozen=True)
class Head:
    """What is known of a file from its first lines."""

    dialect: Dialect
    names: tuple[str, ...]
    """A name for each column, all different, none empty."""
    end: int
    """Offset of the first record, in bytes."""
    lines: int
    """Number of lines before the first record."""


def unique_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each column: `column_2` for an empty one, `Price__2` for a repeated one."""
    trimmed = [cell.strip() or f"column_{number}" for number, cell in enumerate(cells, 1)]
    used = set(trimmed)
    seen: Counter[str] = Counter()
    names = []
    for name in trimmed:
        seen[name] += 1
        unique = name
        while seen[name] > 1 and unique in used:
            unique = f"{name}__{seen[name]}"
            seen[name] += unique in used
        used.add(unique)
        names.append(unique)
    return tuple(names)


def _score_delimiter(lines: list[str], delimiter: str) -> tuple[int, int]:
    """Return the number of rows with the most frequent width above one, and that width."""
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return 0, 0
    # An unpaired quote in a cell means that this delimiter has split a quoted cell in two.
    whole = (row for row in rows if not any(cell.count('"') % 2 for cell in row))
    widths = Counter(len(row) for row in whole if len(row) > 1)
    if not widths:
        return 0, 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return count, width


def find_delimiter(lines: list[str]) -> str:
    """Return the delimiter by which most lines have the same number of columns."""
    scores = {delimiter: _score_delimiter(lines, delimiter) for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda delimiter: scores[delimiter])


def _sample_lines(sample: bytes, encoding: Encoding, *, whole: bool) -> list[str]:
    data = sample[encoding.bom :]
    lines = encoding.split(data[: len(data) - len(data) % encoding.unit])
    # The sample may end within its last line.
    if not whole and len(lines) > 1:
        lines.pop()
    return [encoding.decode_visibly(line) for line in lines[:_LINES_COMPARED]]


def _unreadable(what: str, why: str) -> Permanent:
    return Permanent(Reason.FILE_UNREADABLE, f"{what} {why}")


def _check_text(sample: bytes, encoding: Encoding, what: str) -> None:
    for magic, kind in _ARCHIVES.items():
        if sample.startswith(magic):
            raise _unreadable(what, f"is {kind}, not CSV: unpack it, or export it as CSV")
    if encoding.unit == 1 and b"\0" in sample.partition(b"\n")[0]:
        raise _unreadable(what, "is not a text file: its first line holds NUL bytes")


def read_head(sample: bytes, settings: CsvSettings, *, what: str, whole: bool) -> Head:
    """Return the header of a file, with its encoding and delimiter.

    Args:
        sample: the file's first bytes.
        settings: the manifest's settings.
        what: names the file in errors.
        whole: the sample is the whole file.

    Raises:
        Permanent: FileUnreadable, it is empty or no CSV; InvalidSpec, see `find_encoding`.
    """
    encoding = find_encoding(sample, given=settings.encoding)
    _check_text(sample, encoding, what)
    delimiter = settings.delimiter
    if delimiter == "auto":
        delimiter = find_delimiter(_sample_lines(sample, encoding, whole=whole))
    dialect = Dialect(encoding, delimiter)
    stream = io.BytesIO(sample[encoding.bom :])
    for rows in RowReader(dialect, offset=encoding.bom, line=0).read(stream.read):
        if rows.values:
            first, end = rows.values[0], rows.ends[0]
            if isinstance(first, BrokenRow):
                raise _unreadable(what, f"has no readable header: {first.detail}")
            if end < len(sample) or whole:
                return Head(dialect, unique_names(first), end, rows.lines[0])
            break
    # A header without records is a valid file. Without even a header it is a failed export, which
    # must not count as a success with no records.
    if whole:
        raise _unreadable(what, "is empty: it has not even a header line")
    raise _unreadable(what, f"has no header line within its first {SAMPLE_BYTES} bytes: is it CSV?")
