"""Columns are aligned whatever the cells hold."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_cli.text_tables import Cell, human_age, shortened, table_lines, width_of


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (-5, "0s"),
        (0, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (86_399, "23h"),
        (200_000, "2d"),
    ],
)
def test_age_is_said_in_its_largest_unit(seconds, shown):
    assert human_age(seconds) == shown


def test_numbers_stand_on_the_right_and_so_does_their_heading():
    lines = list(table_lines(["NAME", "N"], [["a", Cell("1,000", right=True)]]))

    assert lines == ["NAME      N", "a     1,000"]


def test_wide_and_combining_characters_keep_the_columns():
    lines = list(table_lines(["A", "B"], [["比特币", "x"], ["e\u0301", "x"]]))

    assert [width_of(line) for line in lines] == [9, 9, 9]


def test_colour_takes_no_room():
    plain = list(table_lines(["A", "B"], [["ok", "x"]]))
    coloured = list(table_lines(["A", "B"], [[Cell("ok", "green"), "x"]]))

    assert coloured != plain
    assert [click.unstyle(line) for line in coloured] == plain


def test_text_is_cut_with_an_ellipsis():
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


def test_no_rows_leave_the_headings():
    assert list(table_lines(["A", "B"], [])) == ["A  B"]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_a_row_is_one_line_and_never_moves_the_terminal(cells):
    lines = list(table_lines(["A", "B"], cells))

    assert len(lines) == len(cells) + 1
    assert all(line.isprintable() for line in lines)
