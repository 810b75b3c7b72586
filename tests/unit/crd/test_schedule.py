from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_crd.cron import parse_cron
from cryptosource_crd.schedule import (
    check_time_zone,
    next_run,
    runs_per_month,
    shortest_interval_minutes,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("*/5 * * * *", "Etc/UTC", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("*/5 * * * *", "Etc/UTC", "2026-01-01T00:04:59.999", "2026-01-01T00:05:00"),
        ("0 9 * * *", "Europe/Berlin", "2026-01-01T00:00:00", "2026-01-01T08:00:00"),
        ("0 9 * * *", "Europe/Berlin", "2026-07-01T00:00:00", "2026-07-01T07:00:00"),
        ("0 0 * * 0", "Etc/UTC", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("0 0 29 2 *", "Etc/UTC", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("@hourly", "Asia/Kolkata", "2026-01-01T00:00:00", "2026-01-01T00:30:00"),
        # Either day matches when neither is a star: the 15th is a Thursday, the 5th a Monday.
        ("0 0 15 * 1", "Etc/UTC", "2026-01-01T00:00:00", "2026-01-05T00:00:00"),
        ("0 0 15 * 1", "Etc/UTC", "2026-01-12T00:00:00", "2026-01-15T00:00:00"),
        # A stepped star is no star in Kubernetes: the 1st, 3rd, … or a Friday.
        ("0 0 */2 * 5", "Etc/UTC", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
    ],
)
def test_the_next_run_is_when_kubernetes_would_start_it(schedule, zone, after, expected):
    assert next_run(schedule, zone, at(after)) == at(expected)


def test_an_hour_that_the_zone_skips_has_no_run():
    # Berlin goes from 02:00 to 03:00 on 29 March 2026.
    assert next_run("30 2 * * *", "Europe/Berlin", at("2026-03-28T12:00")) == at("2026-03-30T00:30")


def test_an_hour_that_the_zone_repeats_has_two_runs():
    # Berlin goes from 03:00 back to 02:00 on 25 October 2026.
    first = next_run("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00"))

    assert first == at("2026-10-25T00:30")
    assert next_run("30 2 * * *", "Europe/Berlin", first) == at("2026-10-25T01:30")


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="aware"):
        next_run("* * * * *", "Etc/UTC", datetime(2026, 1, 1))  # noqa: DTZ001


FIELDS = st.tuples(
    st.sampled_from(["*", "*/7", "3,59", "10-20/3"]),
    st.sampled_from(["*", "*/5", "0", "2-4"]),
    st.sampled_from(["*", "*/3", "1,31", "29"]),
    st.sampled_from(["*", "2", "*/4"]),
    st.sampled_from(["*", "0", "mon-fri", "*/2"]),
)
ZONES = st.sampled_from(["Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(FIELDS, ZONES, TIMES)
def test_the_next_run_is_later_and_matches_every_field(fields, zone, after):
    schedule = " ".join(fields)
    try:
        cron = parse_cron(schedule)
    except ValueError:
        return
    due = next_run(schedule, zone, after)
    local = due.astimezone(ZoneInfo(zone))

    assert due > after
    assert (due.second, due.microsecond) == (0, 0)
    assert local.minute in cron.minutes
    assert local.hour in cron.hours
    assert local.month in cron.months
    by_date, by_weekday = local.day in cron.days, local.isoweekday() % 7 in cron.weekdays
    both = cron.any_day or cron.any_weekday
    assert (by_date and by_weekday) if both else (by_date or by_weekday)


@given(st.sampled_from([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30]), TIMES)
def test_even_minutes_are_due_that_far_apart(minutes, after):
    first = next_run(f"*/{minutes} * * * *", "Etc/UTC", after)

    second = next_run(f"*/{minutes} * * * *", "Etc/UTC", first)
    assert second - first == timedelta(minutes=minutes)
    assert shortest_interval_minutes(f"*/{minutes} * * * *") == minutes


@pytest.mark.parametrize(
    ("schedule", "runs"),
    [
        ("* * * * *", 43_200),
        ("*/5 * * * *", 8_640),
        ("*/17 * * * *", 2_880),
        ("@hourly", 720),
        ("@daily", 30),
        ("@weekly", 5),
        ("@monthly", 1),
        ("@yearly", 1),
        ("0 0 31 * *", 1),
        ("0 9-17 * * mon-fri", 193),
        ("0 0 1,15 * 1", 6),
    ],
)
def test_runs_of_a_month_of_30_days_rounded_up(schedule, runs):
    assert runs_per_month(schedule) == runs


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [("@daily", 1440), ("*/17 * * * *", 9), ("0 0,23 * * *", 60), ("0 */5 * * *", 240)],
)
def test_the_shortest_interval_counts_the_end_of_the_hour_and_of_the_day(schedule, minutes):
    assert shortest_interval_minutes(schedule) == minutes


@pytest.mark.parametrize("zone", ["Etc/UTC", "UTC", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_a_zone_of_the_database_is_accepted(zone):
    assert check_time_zone(zone) == zone


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "local",
        "LOCAL",
        "localtime",
        "Europe",
        "europe/berlin",
        "/etc/localtime",
        "UTC ",
        "a\0b",
    ],
)
def test_what_is_no_zone_is_refused(zone):
    with pytest.raises(ValueError, match="zone"):
        check_time_zone(zone)
