from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.sources.strptime import compile_strptime
from cryptosource_etl.sources.times import (
    EARLIEST,
    BadTime,
    check_time,
    time_parser,
    zone_named,
)
from cryptosource_store.reasons import RejectReason

auto = time_parser()
FORMATS = (
    "%Y-%m-%d",
    "%d-%b-%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%m/%d/%y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d %I-%p",
    "%Y-%m-%d %I:%M %p",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%a %d %b %Y",
    "%A, %d %B %Y %H:%M:%S",
    "%Y%m%d",
    "%Y%m%d%H%M",
    "%d%%%m%%%Y",
    "%Y %j",
    "%c",
)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime(2068, 12, 31),  # noqa: DTZ001
)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-12-04", "2019-12-04"),
        ("2013-04-01T00:00:00.000Z", "2013-04-01"),
        ("2014-09-17 00:00:00+00:00", "2014-09-17"),
        ("2014-09-17 02:00:00 +02:00", "2014-09-17"),
        ("2014-09-17T02:00+0200", "2014-09-17"),
        ("2014-09-17T00:00:00-05", "2014-09-17T05:00"),
        ("2014-09-17T00:00:00.123456789Z", "2014-09-17T00:00:00.123456"),
        ("2014-09-17t00:00:00,5z", "2014-09-17T00:00:00.5"),
        (" 2014-09-17 ", "2014-09-17"),
        ("2020-02-29", "2020-02-29"),
        ("1515230661", "2018-01-06T09:24:21"),
        ("1515230661123", "2018-01-06T09:24:21.123"),
        ("1515230661.5", "2018-01-06T09:24:21.5"),
        ("2017/01/13", "2017-01-13"),
        ("Nov 25, 2019", "2019-11-25"),
        ("25 November 2019", "2019-11-25"),
        ("25-Nov-2019", "2019-11-25"),
    ],
)
def test_auto_reads_what_means_one_thing(text, expected):
    assert auto(text) == at(expected)


@pytest.mark.parametrize("text", ["1/02/17", "13/02/2017", "01.02.2017", "4-5-2017 10:00"])
def test_auto_does_not_guess_between_day_and_month(text):
    found = auto(text)
    assert found[0] is RejectReason.INVALID_TIME
    assert "dmy, mdy" in found.detail


@pytest.mark.parametrize(
    "text",
    [
        "2019-02-29",
        "2019-13-01",
        "2019-01-01T24:00:00",
        "2019-01-01T23:59:60",
        "2019-01-01T25:00",
        "2019-W01-1",
        "0000-01-01",
        "0001-01-01T00:00:00+23:00",
        "yesterday",
        "99999999999999999",
        "9999999999999999",
        "Foo 25, 2019",
        "2019-01-01\0",
        "\u0662019-01-01",
        "1" * 5000,
    ],
)
def test_what_is_no_time_is_refused(text):
    assert auto(text)[0] is RejectReason.INVALID_TIME


@pytest.mark.parametrize("text", ["", " ", "N/A", "-", "null"])
def test_unknown_time_is_none(text):
    assert auto(text) is None


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("dmy", "1/02/17", "2017-02-01"),
        ("mdy", "1/02/17 23:59", "2017-01-02T23:59"),
        ("mdy", "1/02/2017 12:30 AM", "2017-01-02T00:30"),
        ("dmy", "01.02.2017 12:30:15.25 pm", "2017-02-01T12:30:15.25"),
        ("ymd", "2017-1-2", "2017-01-02"),
        ("unix", "1515230661", "2018-01-06T09:24:21"),
        ("unix_ms", "1515230661123", "2018-01-06T09:24:21.123"),
        ("iso8601", "2019-12-04T01:02:03Z", "2019-12-04T01:02:03"),
        ("%d-%b-%y", "4-Dec-19", "2019-12-04"),
        ("%Y-%m-%d %I-%p", "2019-12-02 12-AM", "2019-12-02"),
        ("%Y-%m-%d %I-%p", "2019-12-02 12-PM", "2019-12-02T12:00"),
    ],
)
def test_named_and_custom_formats(form, text, expected):
    assert time_parser(form)(text) == at(expected)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("dmy", "1/13/17"),
        ("mdy", "13/1/17"),
        ("dmy", "1/2-17"),
        ("dmy", "1/2/117"),
        ("mdy", "1/2/17 13:00 PM"),
        ("mdy", "1/2/17 24:00"),
        ("mdy", "1/2/17 23:59:60"),
        ("unix", "2019-01-01"),
        ("iso8601", "1515230661"),
        ("%d-%b-%y", "31-Feb-19"),
        ("%H:%M:%S %d-%b-%y", "10:00:60 1-Feb-19"),
        ("%d-%b-%y", "4-Dec-2019"),
    ],
)
def test_time_in_another_format_is_refused(form, text):
    assert time_parser(form)(text)[0] is RejectReason.INVALID_TIME


def test_naive_time_is_in_the_zone_of_its_column():
    parse = time_parser("%Y-%m-%d %H:%M", zone=ZoneInfo("America/New_York"))
    assert parse("2021-01-01 00:00") == at("2021-01-01T05:00")
    assert parse("2021-07-01 00:00") == at("2021-07-01T04:00")


def test_hour_that_clocks_repeat_is_the_first_of_the_two():
    parse = time_parser(zone=ZoneInfo("Europe/Berlin"))
    assert parse("2021-10-31T02:30:00") == at("2021-10-31T00:30")
    assert parse("2021-10-31T02:30:00+01:00") == at("2021-10-31T01:30")


def test_usual_names_of_utc_are_utc_itself():
    assert zone_named("Etc/UTC") is UTC
    assert zone_named("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@given(st.sampled_from(FORMATS), moments)
def test_compiled_format_reads_what_strptime_reads(form, moment):
    text = moment.replace(tzinfo=UTC).strftime(form)
    assert compile_strptime(form)(text) == datetime.strptime(text, form)  # noqa: DTZ007


def outcome(parse, text):
    try:
        return parse(text)
    except ValueError:
        return "refused"


@given(
    st.sampled_from(FORMATS),
    moments,
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from("0123456789 -/:.,aApPmMZdD+%")), max_size=3
    ),
)
def test_compiled_format_agrees_with_strptime_on_mangled_texts(form, moment, edits):
    text = moment.replace(tzinfo=UTC).strftime(form)
    for place, letter in edits:
        text = text[:place] + letter + text[place + 1 :]
    expected = outcome(lambda value: datetime.strptime(value, form), text)  # noqa: DTZ007
    assert outcome(compile_strptime(form), text) == expected


@given(
    st.sampled_from(["auto", "iso8601", "unix", "unix_ms", "dmy", "mdy", "ymd", *FORMATS]),
    st.text(),
)
def test_any_text_gives_a_utc_time_or_a_reason(form, text):
    found = time_parser(form)(text)
    assert found is None or isinstance(found, BadTime) or found.utcoffset() == timedelta(0)


@given(moments)
def test_iso_and_unix_agree(moment):
    moment = moment.replace(tzinfo=UTC)
    assert auto(moment.isoformat()) == moment
    whole = moment.replace(microsecond=0)
    assert time_parser("unix")(str(int(whole.timestamp()))) == whole


def test_time_is_believed_between_the_first_block_and_a_few_minutes_ahead():
    latest = at("2021-01-01T00:05")
    assert check_time(latest, latest=latest) is None
    assert check_time(EARLIEST, latest=latest) is None
    after = check_time(latest + timedelta(microseconds=1), latest=latest)
    assert after.reason is RejectReason.OBSERVED_IN_FUTURE
    before = check_time(EARLIEST - timedelta(seconds=1), latest=latest)
    assert before.reason is RejectReason.OBSERVED_TOO_EARLY
