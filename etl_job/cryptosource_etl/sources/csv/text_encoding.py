"""Bytes to text: which encoding a file has, and how its lines are told apart in bytes.

Offsets are counted in bytes, so lines are cut before they are decoded. That works for every
encoding in which ASCII means itself, and for UTF-16, which is cut by code units.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from cryptosource_etl.errors import Permanent
from cryptosource_store.reasons import Reason

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ASCII = bytes(range(128))
_WIDE_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True)
class Encoding:
    """How bytes become lines of text."""

    name: str
    """Python's name of the codec."""
    bom: int = 0
    """Bytes of the byte order mark that the file starts with."""

    @property
    def unit(self) -> int:
        """Bytes of a code unit."""
        return 2 if self.name.startswith("utf-16") else 1

    def split(self, data: bytes) -> list[bytes]:
        """Cut whole code units into lines that keep their ends; the last may have none."""
        if self.unit == 1:
            return data.splitlines(keepends=True)
        text = data.decode(self.name, "surrogatepass")
        return [line.encode(self.name, "surrogatepass") for line in _WIDE_LINES.findall(text)]

    def ends_line(self, line: bytes) -> bool:
        r"""Return whether a line is over: after a bare \r, a \n may still follow."""
        return line.endswith("\n".encode(self.name))

    def has_end(self, line: bytes) -> bool:
        """Return whether a line has any end, rather than being cut off by the end of the file."""
        return line.endswith(("\n".encode(self.name), "\r".encode(self.name)))

    def decode_visibly(self, line: bytes) -> str:
        r"""Return the text with undecodable bytes spelled out as `\xff`."""
        return line.decode(self.name, "backslashreplace")


def _canonical(name: str) -> str:
    name = codecs.lookup(name).name
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "ascii": "utf-8"}.get(name, name)


def _supported(name: str) -> bool:
    if name in {"utf-16-le", "utf-16-be"}:
        return True
    if name.endswith("escape"):
        return False
    try:
        return _ASCII.decode(name) == _ASCII.decode("ascii")
    except ValueError:
        return False


def _guess(sample: bytes) -> str:
    """UTF-8 unless more lines speak against it than for it: one bad byte condemns no file."""
    good = bad = 0
    # The last line may be cut in the middle of a character.
    for line in sample.splitlines()[:-1] or [sample]:
        if not line.isascii():
            try:
                line.decode("utf-8")
                good += 1
            except UnicodeDecodeError:
                bad += 1
    if bad <= good:
        return "utf-8"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def find_encoding(sample: bytes, *, given: str = "auto") -> Encoding:
    """Return the encoding of a file.

    Args:
        sample: its first bytes.
        given: what the manifest says. A byte order mark knows better.

    Raises:
        Permanent: InvalidSpec; this encoding cannot be read line by line.
    """
    for mark, name in _BOMS:
        if sample.startswith(mark):
            return Encoding(name, len(mark))
    if given == "auto":
        return Encoding(_guess(sample))
    name = _canonical(given)
    if not _supported(name):
        raise Permanent(
            Reason.INVALID_SPEC,
            f"csv.encoding {given} cannot be read: save the file as UTF-8, or give utf-16 or an "
            "encoding that contains ASCII",
        )
    return Encoding(name)
