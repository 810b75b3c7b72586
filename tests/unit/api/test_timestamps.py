from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_api.http.timestamps import parse_moment

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21t12:00:00z",
        "2026-11-21 12:00",
        "2026-11-21T14:00:00+02:00",
        "2026-11-21T14:00:00 02:00",
        " 2026-11-21T12:00:00.000000Z ",
    ],
)
def test_the_same_moment_is_read_from_each_form(text):
    assert parse_moment(text) == NOON


def test_a_date_is_its_first_or_its_last_moment():
    assert parse_moment("2026-11-21") == NOON.replace(hour=0)
    end = parse_moment("2026-11-21", end_of_day=True)
    assert end == NOON.replace(hour=23, minute=59, second=59, microsecond=999_999)


@pytest.mark.parametrize(
    "text",
    ["", "now", "21.11.2026", "2026-13-01", "2026-11-21T25:00Z", "20261121", "1763712000", "٢٠٢٦-١١-٢١",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01"],
)  # fmt: skip
def test_anything_else_is_refused_with_advice(text):
    with pytest.raises(ValueError, match="write a date"):
        parse_moment(text)


@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_that_utc_can_say_comes_back(moment):
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    text = expected.isoformat()

    assert parse_moment(text) == parse_moment(text.replace("+", " ")) == expected


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_refused(text):
    with suppress(ValueError):
        assert parse_moment(text).tzinfo is UTC
