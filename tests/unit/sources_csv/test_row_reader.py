from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.sources.csv import lines
from cryptosource_etl.sources.csv.rows import BrokenRow, Dialect, RowReader
from cryptosource_etl.sources.csv.text_encoding import Encoding
from cryptosource_store.reasons import RejectReason

UTF8 = Encoding("utf-8")


def read(content, *, encoding=UTF8, delimiter=",", offset=0, line=0, piece=None):
    """Return (row, end, line) of all rows, reading at most `piece` bytes at once."""
    stream = io.BytesIO(content)
    reader = RowReader(Dialect(encoding, delimiter), offset=offset, line=line)
    found = []
    for rows in reader.read(lambda size: stream.read(min(size, piece or size))):
        found += zip(rows.values, rows.ends, rows.lines, strict=True)
    return found


def cells(content, **options):
    return [row for row, _, _ in read(content, **options)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_of_every_kind(end):
    content = end.join([b"a,b", b"c,d", b"e,f"])
    assert read(content) == [
        (["a", "b"], 3 + len(end), 1),
        (["c", "d"], 6 + 2 * len(end), 2),
        (["e", "f"], 9 + 2 * len(end), 3),
    ]


def test_blank_lines_are_passed_over_and_counted():
    assert read(b"\n\na,b\n\r\n\nc,d\n\n") == [(["a", "b"], 6, 3), (["c", "d"], 13, 6)]


def test_cell_of_several_lines_keeps_its_line_ends_and_its_offset():
    content = b'a,"x\r\ny\n\nz"\nc,d\n'
    assert read(content) == [(["a", "x\r\ny\n\nz"], 12, 4), (["c", "d"], 16, 5)]


def test_nul_is_text_like_any_other():
    assert cells(b"a\0b,c\n") == [["a\0b", "c"]]


def test_undecodable_row_is_broken_and_its_neighbours_are_not():
    before, broken, after = cells(b"a,b\nc,\xff\xfe\ne,f\n")
    assert (before, after) == (["a", "b"], ["e", "f"])
    assert broken.reason is RejectReason.UNDECODABLE
    assert broken.cells == ("c", r"\xff\xfe")
    assert "line 2" in broken.detail


@pytest.mark.parametrize("rest", [b"", b"x,y\n" * 40_000, b"x,y\n" * 400_000])
def test_quote_that_is_never_closed_breaks_one_row_and_swallows_none(rest):
    found = cells(b'a,b\nc,"d\n' + rest)
    assert found[0] == ["a", "b"]
    assert found[1].reason is RejectReason.RAGGED_ROW
    assert "line 2 opens a quote" in found[1].detail
    assert found[2:] == [["x", "y"]] * (len(rest) // 4)


def test_cell_that_is_too_large_breaks_its_row_alone():
    large = b"x" * (csv.field_size_limit() + 1)
    before, broken, after = cells(b"a,b\n" + large + b",c\nd,e\n")
    assert (before, after) == (["a", "b"], ["d", "e"])
    assert broken.reason is RejectReason.TOO_LARGE
    assert len(broken.cells[0]) == lines.HEAD_BYTES


@pytest.mark.parametrize("extra", [1, lines.BLOCK_BYTES, 3 * lines.MAX_LINE_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_that_is_too_long_is_passed_over(extra, end):
    long_line = b"x" * (lines.MAX_LINE_BYTES + extra)
    content = end.join([b"a,b", long_line, b"c,d", b""])
    (before, _, _), (broken, stop, line), (after, last, _) = read(content)
    assert (before, after) == (["a", "b"], ["c", "d"])
    assert broken.reason is RejectReason.TOO_LARGE
    assert (stop, line) == (len(content) - 3 - len(end), 2)
    assert last == len(content)


def test_quote_is_not_continued_behind_a_line_that_is_too_long():
    long_line = b"x" * (lines.MAX_LINE_BYTES + 1)
    found = cells(b'a,"b\nc,d\n' + long_line + b"\ne,f\n")
    assert [type(row) for row in found] == [BrokenRow, list, BrokenRow, list]


def test_endless_line_is_read_in_flat_memory():
    source = (b"x" * lines.BLOCK_BYTES for _ in range(200))
    (only,) = lines.read_lines(lambda _: next(source, b""), UTF8)
    assert only.length == 200 * lines.BLOCK_BYTES
    assert len(only.head) == lines.HEAD_BYTES


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_is_counted_in_its_own_bytes(name):
    content = 'a,"ж\r\n😀"\r\nĊ,d\r\n'.encode(name)  # U+010A holds the byte of a line feed
    first, second = read(content, encoding=Encoding(name))
    assert first[0] == ["a", "ж\r\n😀"]
    assert second == (["Ċ", "d"], len(content), 3)


def test_half_a_utf16_unit_at_the_end_breaks_its_row():
    content = "a,b\nc,d".encode("utf-16-le") + b"x"
    assert cells(content, encoding=Encoding("utf-16-le"))[1].reason is RejectReason.UNDECODABLE


table = st.lists(
    st.lists(st.text(st.sampled_from('ab ,"\r\nж😀;'), max_size=6), min_size=2, max_size=4),
    max_size=12,
)
raw = st.binary(max_size=200) | st.text(st.sampled_from('a,"\r\n\0'), max_size=60).map(str.encode)


@given(table, st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]), st.integers(2, 50))
def test_what_the_csv_module_writes_comes_back(rows, name, piece):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    content = text.getvalue().encode(name)
    found = read(content, encoding=Encoding(name), piece=piece)
    assert [row for row, _, _ in found] == rows
    assert not found or found[-1][1] == len(content)


@given(raw, st.integers(1, 40))
def test_bytes_of_any_kind_read_the_same_in_pieces_of_any_size(content, piece):
    assert read(content, piece=piece) == read(content)


@given(raw, st.data())
def test_reading_from_the_end_of_any_row_gives_the_rows_behind_it(content, data):
    found = read(content)
    if found:
        index = data.draw(st.integers(0, len(found) - 1))
        _, end, line = found[index]
        assert read(content[end:], offset=end, line=line) == found[index + 1 :]
