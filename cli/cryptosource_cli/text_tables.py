"""Tables of plain text with aligned columns, and the texts of their cells."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import click

GAP = "  "

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    colour: str | None = None
    """A colour of click; shown only on a terminal."""
    right: bool = False
    """Align to the right, as numbers are."""


def width_of(text: str) -> int:
    """Return the number of terminal columns that a text occupies."""
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1
        for mark in text
    )


def one_line(text: str) -> str:
    """Return a text with each unprintable character replaced by a space."""
    # Names come from upstreams and may hold escape sequences that control the terminal.
    return "".join(mark if mark.isprintable() else " " for mark in text)


def shortened(text: str, max_length: int) -> str:
    """Return a text cut to `max_length` characters, the last one an ellipsis if it was cut."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def human_age(seconds: float | None) -> str:
    """Return a duration in its largest unit, such as `3m` or `2h`; `-` for None."""
    if seconds is None:
        return "-"
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "0s"


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> Iterator[str]:
    """Yield the lines of a table, without trailing blanks."""
    cells = [[_cell(each) for each in row] for row in rows]
    head = [
        Cell(heading, right=bool(cells) and all(row[column].right for row in cells))
        for column, heading in enumerate(headings)
    ]
    widths = [
        max(width_of(cell.text) for cell in column) for column in zip(head, *cells, strict=True)
    ]
    for row in (head, *cells):
        yield GAP.join(map(_pad, row, widths)).rstrip()


def _cell(value: Cell | str) -> Cell:
    cell = value if isinstance(value, Cell) else Cell(value)
    return cell._replace(text=one_line(cell.text))


def _pad(cell: Cell, width: int) -> str:
    # Padded by the plain text: the escape codes of a colour have no width.
    blanks = " " * (width - width_of(cell.text))
    text = click.style(cell.text, fg=cell.colour) if cell.colour else cell.text
    return blanks + text if cell.right else text + blanks


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> None:
    """Print a table; click removes the colours if standard output is no terminal."""
    for line in table_lines(headings, rows):
        click.echo(line)
