"""One line of JSON per event, whatever a stranger put into it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cryptosource_telemetry.json_logs import MAX_FIELD_LENGTH, configure_logging, log_fields


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Write log lines into memory alone.

    Set up by the test itself: a handler of pytest's would keep the raw message for its report,
    and no report that holds half a surrogate pair can be sent from one process to another.
    """
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    written = io.StringIO()
    configure_logging("info", stream=written)
    try:
        yield written
    finally:
        root.handlers[:], level = before
        root.setLevel(level)


@pytest.mark.parametrize(
    "hostile", ["a\nb\r\n{}", "\x1b[31mred", "\u2028\u2029\x85", "\ud800", "x" * 1_000_000, "\0"]
)
def test_a_hostile_name_makes_one_bounded_line(hostile: str):
    with logged() as stream, log_fields(source=hostile):
        logging.getLogger("t").warning("loaded %s", hostile, extra={"coin": hostile})
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert len(line) < 8 * 3 * MAX_FIELD_LENGTH
    assert json.loads(line)["coin"] == hostile[:MAX_FIELD_LENGTH]


def test_an_exception_stays_on_the_line_of_its_event():
    with logged() as stream:
        try:
            int("a\nb")
        except ValueError:
            logging.getLogger("t").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError" in json.loads(line)["exception"]
