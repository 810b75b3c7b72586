"""The encoding of a file: detecting it, splitting bytes into lines, and decoding them.

Cursors count bytes, so lines are split before they are decoded. That works for every encoding that
contains ASCII, and for UTF-16, which is split by code units.
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
    """An encoding, with the length of the byte order mark."""

    name: str
    """Python's name of the codec."""
    bom: int = 0
    """Length in bytes of the byte order mark at the file's start; 0 without one."""

    @property
    def unit(self) -> int:
        """Size of a code unit in bytes."""
        return 2 if self.name.startswith("utf-16") else 1

    def split(self, data: bytes) -> list[bytes]:
        """Split whole code units into lines that keep their ends; the last may have none."""
        if self.unit == 1:
            return data.splitlines(keepends=True)
        # By a pattern: `str.splitlines` also splits at U+2028, form feeds and more, which a cell
        # may contain.
        text = data.decode(self.name, "surrogatepass")
        return [line.encode(self.name, "surrogatepass") for line in _WIDE_LINES.findall(text)]

    def ends_line(self, line: bytes) -> bool:
        r"""Return whether a line ends in \n. After a bare \r, a \n may follow in the next block."""
        return line.endswith("\n".encode(self.name))

    def has_end(self, line: bytes) -> bool:
        r"""Return whether a line ends in \n or \r; False where the file ends within it."""
        return line.endswith(("\n".encode(self.name), "\r".encode(self.name)))

    def decode_visibly(self, line: bytes) -> str:
        r"""Return the text, with undecodable bytes written as `\xff`."""
        return line.decode(self.name, "backslashreplace")


def _canonical(name: str) -> str:
    name = codecs.lookup(name).name
    return {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "ascii": "utf-8"}.get(name, name)


def _can_split(name: str) -> bool:
    if name in {"utf-16-le", "utf-16-be"}:
        return True
    # `unicode_escape` contains ASCII too, but reads backslashes in cells as escapes.
    if name.endswith("escape"):
        return False
    try:
        return _ASCII.decode(name) == _ASCII.decode("ascii")
    except ValueError:
        return False


def _guess(sample: bytes) -> str:
    """Return UTF-8 unless more non-ASCII lines are invalid in it than valid."""
    # By majority: one line with a bad byte is rejected later, and does not change how all others
    # are read.
    good = bad = 0
    # The sample's last line may end in the middle of a character.
    for line in sample.splitlines()[:-1] or [sample]:
        if not line.isascii():
            try:
                line.decode("utf-8")
                good += 1
            except UnicodeDecodeError:
                bad += 1
    if bad <= good:
        return "utf-8"
    # cp1252 leaves five bytes undefined; latin-1 decodes any byte.
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def find_encoding(sample: bytes, *, given: str = "auto") -> Encoding:
    """Return the encoding of a file.

    Args:
        sample: its first bytes.
        given: the manifest's encoding, or `auto`. A byte order mark takes precedence.

    Raises:
        Permanent: InvalidSpec; the encoding cannot be read line by line.
    """
    for mark, name in _BOMS:
        if sample.startswith(mark):
            return Encoding(name, len(mark))
    if given == "auto":
        return Encoding(_guess(sample))
    name = _canonical(given)
    if not _can_split(name):
        raise Permanent(
            Reason.INVALID_SPEC,
            f"csv.encoding {given} cannot be read: save the file as UTF-8, or give utf-16 or an "
            "encoding that contains ASCII",
        )
    return Encoding(name)
