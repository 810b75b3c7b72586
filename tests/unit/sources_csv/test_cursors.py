from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptosource_etl.errors import Permanent, Retryable
from cryptosource_etl.sources.csv import page_builder
from cryptosource_etl.sources.csv.csv_settings import ColumnSettings
from cryptosource_store.reasons import Reason
from support.csv_files import COLUMNS, cursor_at_end, make_reader, records_of

HEADER = b"symbol,price\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "coins.csv"
    path.write_bytes(HEADER + b"".join(b"c%d,%d\n" % (n, n) for n in range(25)))
    return path


def write(path, content, *, mtime_ns=None):
    path.write_bytes(content)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def ids(reader, cursor=None):
    return [record.external_id for record in records_of(reader, cursor)]


def test_pages_are_never_larger_than_asked_for(file):
    sizes = [len(page.records) for page in make_reader(file, batch_size=10).pages({})]
    assert sizes == [10, 10, 5]


def test_pages_are_cut_by_bytes_as_well(file, monkeypatch):
    monkeypatch.setattr(page_builder, "PAGE_BYTES", 20)
    pages = list(make_reader(file).pages({}))
    assert max(len(page.records) for page in pages) <= 4
    assert sum(len(page.records) for page in pages) == 25


def test_total_is_exact_at_the_end_and_close_before(file):
    totals = [page.total for page in make_reader(file, batch_size=10).pages({})]
    assert totals[-1] == 25
    assert all(20 <= total <= 32 for total in totals)


def test_each_record_of_each_page_has_a_cursor_to_go_on_at(file):
    everything = ids(make_reader(file))
    done = 0
    for page in make_reader(file, batch_size=10).pages({}):
        for count in range(len(page.records) + 1):
            cursor = json.loads(json.dumps(page.cursor_after(count)))
            assert ids(make_reader(file, batch_size=7), cursor) == everything[done + count :]
        done += len(page.records)


def test_cursor_is_exact_after_the_file_was_closed_and_replaced(file):
    pages = list(make_reader(file, batch_size=10).pages({}))
    before = pages[1].cursor_after(5)
    content, stamp = file.read_bytes(), file.stat().st_mtime_ns
    file.unlink()
    assert pages[1].cursor_after(5) == before
    write(file, content, mtime_ns=stamp)
    assert ids(make_reader(file), before)[0] == "C15"


def test_finished_file_gives_no_pages(file):
    assert list(make_reader(file).pages(cursor_at_end(make_reader(file)))) == []


def test_only_the_first_page_of_a_file_starts_a_pass(file):
    first, second, third = make_reader(file, batch_size=10).pages({})
    assert [page.starts_pass for page in (first, second, third)] == [True, False, False]
    (resumed,) = make_reader(file).pages(second.cursor_after(10))
    assert not resumed.starts_pass


def test_an_append_goes_on_with_the_pass_and_a_replaced_file_starts_one(file):
    cursor = cursor_at_end(make_reader(file))
    with file.open("ab") as handle:
        handle.write(b"new,1\n")
    assert [page.starts_pass for page in make_reader(file).pages(cursor)] == [False]
    write(file, HEADER + b"x,1\n", mtime_ns=1_700_000_000_000_000_000)
    assert [page.starts_pass for page in make_reader(file).pages(cursor)] == [True]


def test_append_is_read_from_where_the_file_ended(file):
    cursor = cursor_at_end(make_reader(file))
    with file.open("ab") as handle:
        handle.write(b"new,1\n")
    assert ids(make_reader(file), cursor) == ["NEW"]


def test_append_to_a_file_that_was_not_finished_is_read_with_the_rest(file):
    page = next(make_reader(file, batch_size=10).pages({}))
    with file.open("ab") as handle:
        handle.write(b"new,1\n")
    assert ids(make_reader(file), page.cursor_after(3)) == [*(f"C{n}" for n in range(3, 25)), "NEW"]


def test_a_row_that_was_changed_far_from_either_end_is_read_again_though_the_file_grew(tmp_path):
    path = tmp_path / "long.csv"
    path.write_bytes(HEADER + b"".join(b"c%04d,1\n" % n for n in range(3000)))
    cursor = cursor_at_end(make_reader(path))
    path.write_bytes(path.read_bytes().replace(b"c1500,1", b"c1500,2") + b"new,1\n")

    found = records_of(make_reader(path), cursor)

    assert ["c1500", "2"] in [record.value for record in found]
    assert len(found) == 3001


def test_a_cursor_without_the_hash_of_what_was_read_is_not_trusted_once_the_file_grew(file):
    cursor = {**cursor_at_end(make_reader(file))}
    del cursor["prefix"]
    with file.open("ab") as handle:
        handle.write(b"new,1\n")
    assert ids(make_reader(file), cursor) == [*(f"C{n}" for n in range(25)), "NEW"]


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"x,1\n",
        HEADER + b"".join(b"d%d,%d\n" % (n, n) for n in range(25)),
        HEADER + b"".join(b"d%d,%d\n" % (n, n) for n in range(50)),
        b"price,symbol\n" + b"".join(b"%d,d%d\n" % (n, n) for n in range(50)),
    ],
)
def test_file_that_was_replaced_is_read_from_its_start(file, content):
    cursor = cursor_at_end(make_reader(file))
    write(file, content, mtime_ns=1_700_000_000_000_000_000)
    assert records_of(make_reader(file), cursor) == records_of(make_reader(file))


def test_same_size_at_another_time_is_read_again(file):
    cursor = cursor_at_end(make_reader(file))
    write(file, file.read_bytes().replace(b"c9,9", b"c9,8"), mtime_ns=1_700_000_000_000_000_000)
    assert len(ids(make_reader(file), cursor)) == 25


def test_other_mapping_reads_the_file_again(file):
    cursor = cursor_at_end(make_reader(file))
    columns = {**COLUMNS, "name": ColumnSettings(column="symbol")}
    assert len(ids(make_reader(file, columns=columns), cursor)) == 25


@pytest.mark.parametrize("change", [{"offset": "x"}, {"offset": -1}, {"size": None}, {"tail": 5}])
def test_cursor_that_makes_no_sense_reads_the_file_from_its_start(file, change):
    cursor = {**cursor_at_end(make_reader(file)), **change}
    assert len(ids(make_reader(file), cursor)) == 25


def test_last_line_without_an_end_is_loaded_once(file):
    write(file, HEADER + b"a,1\nb,2")
    cursor = cursor_at_end(make_reader(file))
    assert list(make_reader(file).pages(cursor)) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_row_behind_a_last_line_without_an_end_is_new_alone(file, end):
    write(file, HEADER + b"a,1\nb,2")
    cursor = cursor_at_end(make_reader(file))
    with file.open("ab") as handle:
        handle.write(end + b"c,3")
    assert ids(make_reader(file), cursor) == ["C"]
    again = cursor_at_end(make_reader(file), cursor)
    assert list(make_reader(file).pages(again)) == []


def test_last_line_that_goes_on_in_an_append_is_read_again(file):
    write(file, HEADER + b"a,1\nb,2")
    cursor = cursor_at_end(make_reader(file))
    with file.open("ab") as handle:
        handle.write(b"5\nc,3\n")
    found = records_of(make_reader(file), cursor)
    assert [record.value for record in found] == [["b", "25"], ["c", "3"]]


def test_quoted_cell_cut_off_by_the_end_is_read_again_when_the_rest_comes(file):
    write(file, HEADER + b'a,1\nb,"2\nx,')
    cursor = cursor_at_end(make_reader(file))
    with file.open("ab") as handle:
        handle.write(b'5"\nc,3\n')
    found = records_of(make_reader(file), cursor)
    assert [record.value for record in found] == [["b", "2\nx,5"], ["c", "3"]]


cell = st.text(st.sampled_from('ab,"\n\r1ж'), max_size=5)
body = st.lists(st.tuples(cell, cell), max_size=12).map(
    lambda rows: "".join(
        f'"{a.replace(chr(34), chr(34) * 2)}","{b.replace(chr(34), chr(34) * 2)}"\n'
        for a, b in rows
    )
) | st.text(st.sampled_from('ab,"\n\r1ж'), max_size=60)


@settings(max_examples=60)
@given(body, st.integers(1, 5), st.integers(1, 5))
def test_every_split_and_every_place_to_resume_gives_the_same_records(
    tmp_path_factory, content, first, second
):
    path = tmp_path_factory.mktemp("split") / "coins.csv"
    path.write_bytes(HEADER + content.encode())
    everything = records_of(make_reader(path))
    found = []
    for page in make_reader(path, batch_size=first).pages({}):
        for count in range(len(page.records) + 1):
            rest = records_of(make_reader(path, batch_size=second), page.cursor_after(count))
            assert found + list(page.records[:count]) + rest == everything
        found += page.records
    assert found == everything


@settings(max_examples=60)
@given(body, body)
def test_append_at_any_byte_ends_with_every_record_of_the_whole_file(
    tmp_path_factory, before, after
):
    path = tmp_path_factory.mktemp("append") / "coins.csv"
    path.write_bytes(HEADER + before.encode())
    seen = {record.digest for record in records_of(make_reader(path))}
    cursor = cursor_at_end(make_reader(path))
    path.write_bytes(HEADER + (before + after).encode())
    seen |= {record.digest for record in records_of(make_reader(path), cursor)}
    assert {record.digest for record in records_of(make_reader(path))} <= seen


@settings(max_examples=60)
@given(body, body, body)
def test_whatever_a_file_was_before_it_grew_every_record_of_it_was_read(
    tmp_path_factory, before, now, after
):
    path = tmp_path_factory.mktemp("edit") / "coins.csv"
    path.write_bytes(HEADER + before.encode())
    seen = {record.digest for record in records_of(make_reader(path))}
    cursor = cursor_at_end(make_reader(path))
    write(path, HEADER + (now + after).encode(), mtime_ns=1_700_000_000_000_000_000)
    seen |= {record.digest for record in records_of(make_reader(path), cursor)}
    assert {record.digest for record in records_of(make_reader(path))} <= seen


def reading(file):
    """Return an iterator that has given its first page."""
    pages = make_reader(file, batch_size=5).pages({})
    next(pages)
    return pages


def replaced(file):
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    other.replace(file)


def cut(file):
    os.truncate(file, 30)


def rewritten(file):
    write(file, file.read_bytes().replace(b"c", b"d"), mtime_ns=1_700_000_000_000_000_000)


def rewritten_longer(file):
    write(file, file.read_bytes().replace(b"c", b"dd"), mtime_ns=1_700_000_000_000_000_000)


def gone(file):
    file.unlink()


@pytest.mark.parametrize("change", [replaced, cut, rewritten, rewritten_longer, gone])
def test_file_that_changes_while_it_is_read_gives_no_more_pages(file, change):
    pages = reading(file)
    change(file)
    with pytest.raises(Retryable) as caught:
        next(pages)
    assert caught.value.reason is Reason.FILE_CHANGED
    assert "coins.csv" in caught.value.message


def test_file_that_grows_while_it_is_read_is_read_to_where_it_ended(file):
    pages = reading(file)
    with file.open("ab") as handle:
        handle.write(b"new,1\n")
    os.utime(file, ns=(0, 1_700_000_000_000_000_000))
    *_, last = pages
    cursor = last.cursor_after(len(last.records))
    assert last.records[-1].external_id == "C24"
    assert ids(make_reader(file), cursor) == ["NEW"]


def test_missing_file_is_named_as_the_manifest_names_it(tmp_path):
    reader = make_reader(tmp_path / "x.csv", label="data/x.csv")
    with pytest.raises(Permanent, match=r"^there is no file data/x\.csv$") as caught:
        list(reader.pages({}))
    assert caught.value.reason is Reason.FILE_NOT_FOUND


def test_directory_is_no_file(tmp_path):
    with pytest.raises(Permanent) as caught:
        list(make_reader(tmp_path).pages({}))
    assert caught.value.reason is Reason.FILE_UNREADABLE


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Permanent) as caught:
        list(make_reader(tmp_path / "pipe").pages({}))
    assert caught.value.reason is Reason.FILE_UNREADABLE


def test_file_without_permission_is_unreadable(file):
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(Permanent) as caught:
        list(make_reader(file).pages({}))
    assert caught.value.reason is Reason.FILE_UNREADABLE


def test_a_volume_that_fails_while_the_file_is_read_is_worth_another_try(file, monkeypatch):
    pages = make_reader(file, batch_size=5).pages({})
    next(pages)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(Retryable, match="cannot be read: Input/output error") as caught:
        list(pages)
    assert caught.value.reason is Reason.FILE_READ_FAILED


def test_file_is_closed_when_reading_stops_early(file):
    before = len(list(Path("/proc/self/fd").iterdir()))
    pages = make_reader(file, batch_size=5).pages({})
    next(pages)
    pages.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
