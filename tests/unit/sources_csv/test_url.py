from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.http.validators import Validators
from cryptosource_etl.sources.csv.remote_file import ByteStream
from support.csv_files import NOW, cursor_at_end, make_reader, records_of

URL = "https://example.org/coins.csv?day=1"
CONTENT = b"symbol,price\n" + b"".join(b"c%d,%d\n" % (n, n) for n in range(25))


class FakeHttp:
    """Serves one body and keeps what it was asked with."""

    def __init__(self, content=CONTENT, *, etag='"1"', last_modified=None, chunk=7):
        self.content, self.chunk = content, chunk
        self.validators = Validators(etag=etag, last_modified=last_modified)
        self.asked = []

    @contextmanager
    def stream(self, url, *, validators=None):
        self.asked.append(validators)
        chunks = (self.content[i : i + self.chunk] for i in range(0, len(self.content), self.chunk))
        unchanged = validators == self.validators
        yield SimpleNamespace(
            status=304 if unchanged else 200,
            validators=self.validators,
            chunks=iter(()) if unchanged else chunks,
        )


def read(http, cursor=None):
    return [record.external_id for record in records_of(reader(http), cursor)]


def reader(http):
    return make_reader(None, http=http, url=URL, batch_size=10)


def test_body_is_read_in_pages():
    pages = list(reader(FakeHttp()).pages({}))
    assert [len(page.records) for page in pages] == [10, 10, 5]


def test_whole_body_read_makes_the_next_request_conditional_and_it_has_nothing_to_do():
    http = FakeHttp()
    cursor = cursor_at_end(reader(http))
    assert list(reader(http).pages(cursor)) == []
    assert http.asked == [None, http.validators]


def test_half_read_body_goes_on_under_the_same_strong_etag():
    http = FakeHttp()
    pages = list(reader(http).pages({}))
    cursor = json.loads(json.dumps(pages[1].cursor_after(3)))
    assert read(http, cursor) == [f"C{n}" for n in range(13, 25)]
    assert http.asked == [None, None]


@pytest.mark.parametrize("etag", ['"2"', 'W/"1"', None])
def test_half_read_body_starts_over_where_nothing_promises_the_same_bytes(etag):
    before = FakeHttp(etag='"1"' if etag == '"2"' else etag)
    page = next(reader(before).pages({}))
    assert len(read(FakeHttp(etag=etag), page.cursor_after(3))) == 25


def test_cursor_of_another_url_is_worth_nothing():
    cursor = {**cursor_at_end(reader(FakeHttp())), "url": "other"}
    assert len(read(FakeHttp(), cursor)) == 25


@pytest.mark.parametrize("change", [{"offset": "x"}, {"line": None}, {"validators": 5}])
def test_cursor_that_makes_no_sense_reads_everything(change):
    cursor = {**cursor_at_end(reader(FakeHttp())), **change}
    assert len(read(FakeHttp(), cursor)) == 25


def test_cursor_holds_no_url():
    assert "example" not in json.dumps(cursor_at_end(reader(FakeHttp())))


@pytest.mark.parametrize(
    ("last_modified", "expected"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC)),
        ("yesterday", NOW),
        (None, NOW),
    ],
)
def test_file_is_as_old_as_the_upstream_says(last_modified, expected):
    page = next(reader(FakeHttp(last_modified=last_modified)).pages({}))
    assert page.received_at == expected


@given(st.binary(max_size=60), st.lists(st.integers(0, 9), max_size=20), st.integers(1, 20))
def test_stream_gives_every_byte_once_whatever_the_chunks(content, sizes, length):
    chunks, rest = [], content
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    stream = ByteStream([*chunks, rest])
    head, whole = stream.peek(length)
    assert (head, whole) == (content[:length], len(content) <= length)
    assert b"".join(iter(lambda: stream.read(length), b"")) == content


@given(st.binary(max_size=60), st.integers(0, 70))
def test_skipping_passes_over_just_so_many_bytes(content, length):
    stream = ByteStream(content[i : i + 4] for i in range(0, len(content), 4))
    stream.peek(10)
    stream.skip(length)
    assert b"".join(iter(lambda: stream.read(5), b"")) == content[length:]
