"""Aligned columns of plain text, and durations as people say them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import click

GAP = "  "

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


class Cell(NamedTuple):
    """One cell."""

    text: str
    colour: str | None = None
    """A colour of click; shown only where standard output is a terminal."""
    right: bool = False
    """Aligned to the right, as numbers are."""


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1
        for mark in text
    )


def one_line(text: str) -> str:
    """Return a text with everything that is no printable character as a space."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def shortened(text: str, most: int) -> str:
    """Return a text cut to so many characters, with an ellipsis where something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def human_age(seconds: float | None) -> str:
    """Return a duration in its largest unit, such as `3m` or `2h`; `-` for none."""
    if seconds is None:
        return "-"
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "0s"


def table_lines(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> Iterator[str]:
    """Yield the lines of a table, without blanks at their ends."""
    cells = [[_cell(each) for each in row] for row in rows]
    head = [
        Cell(heading, right=bool(cells) and all(row[column].right for row in cells))
        for column, heading in enumerate(headings)
    ]
    widths = [
        max(width_of(cell.text) for cell in column) for column in zip(head, *cells, strict=True)
    ]
    for row in (head, *cells):
        yield GAP.join(map(_padded, row, widths)).rstrip()


def _cell(given: Cell | str) -> Cell:
    cell = given if isinstance(given, Cell) else Cell(given)
    return cell._replace(text=one_line(cell.text))


def _padded(cell: Cell, width: int) -> str:
    blanks = " " * (width - width_of(cell.text))
    shown = click.style(cell.text, fg=cell.colour) if cell.colour else cell.text
    return blanks + shown if cell.right else shown + blanks


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Cell | str]]) -> None:
    """Print a table; click takes the colours out where standard output is no terminal."""
    for line in table_lines(headings, rows):
        click.echo(line)
