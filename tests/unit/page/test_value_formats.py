"""How values are written for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_api.page import value_formats

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("97213.4812345", "$97,213.48"),
        ("100", "$100.00"),
        ("99.99999", "$100.000"),
        ("1.4123", "$1.4123"),
        ("0.99991234", "$0.99991"),
        ("0.000024913", "$0.00002491"),
        ("0", "$0"),
        ("1e-18", "$1 × 10⁻¹⁸"),
        ("1.23456e18", "$1.235 × 10¹⁸"),
    ],
)
def test_a_price_keeps_the_digits_that_count(amount, shown):
    assert value_formats.price(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("1923847561234", "1.92T"),
        ("24500000000", "24.5B"),
        ("999", "999"),
        ("1000", "1.00K"),
        ("0.5", "0.500"),
        ("0", "0"),
        ("1e15", "1 × 10¹⁵"),
        ("99999999999999999999", "1 × 10²⁰"),
        ("1.5e-12", "1.5 × 10⁻¹²"),
        ("0e-50", "0"),
    ],
)
def test_a_large_amount_is_three_digits_and_a_letter(amount, shown):
    assert value_formats.short(Decimal(amount)) == shown


def test_the_exact_value_has_every_digit_and_no_exponent():
    assert (
        value_formats.exact(Decimal("1234567.000000000000000001")) == "1,234,567.000000000000000001"
    )
    assert value_formats.exact(Decimal("1e-18")) == "0.000000000000000001"
    assert value_formats.exact(1234) == "1,234"
    assert value_formats.plain(Decimal("1e-18")) == "0.000000000000000001"


def test_a_whole_number_out_of_json_is_written_like_any_other():
    assert (value_formats.price(1), value_formats.percent(3), value_formats.short(7)) == (
        "$1.0000",
        "+3.00 %",
        "7",
    )
    assert value_formats.plain(1) == "1"


def test_unknown_is_never_zero():
    assert (
        value_formats.price(None) == value_formats.short(None) == value_formats.percent(None) == "–"
    )
    assert value_formats.exact(None) == "unknown"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("5.758", "+5.76 %"),
        ("-3.1", "−3.10 %"),
        ("0", "0.00 %"),
        ("123456", "+123,456 %"),
        ("1e27", "+1 × 10²⁷ %"),
    ],
)
def test_a_change_has_a_sign(amount, shown):
    assert value_formats.percent(Decimal(amount)) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_amount_that_postgres_holds_can_be_shown(amount: Decimal):
    shown = [
        value_formats.short(amount),
        value_formats.percent(amount),
        value_formats.price(abs(amount)),
    ]

    assert all(0 < len(each) < 40 for each in shown)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (0.31, "0.3 s"),
        (48, "48 s"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (180_000, "2 d 2 h"),
        (-3, "0.0 s"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, shown):
    assert value_formats.duration(seconds) == shown


@pytest.mark.parametrize(
    ("gap", "shown"),
    [
        (timedelta(seconds=1), "now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=30), "1 d ago"),
        (-timedelta(minutes=3), "in 3 min"),
        (timedelta(days=61), "20 Sep 2026"),
    ],
)
def test_a_moment_is_told_by_its_distance(gap, shown):
    assert value_formats.relative(NOON - gap, NOON) == shown


def test_a_clock_time_names_the_day_when_it_is_another_one():
    assert value_formats.clock_time(NOON + timedelta(hours=2), NOON) == "14:00"
    assert value_formats.clock_time(NOON + timedelta(days=3), NOON) == "Mon 12:00"
    assert value_formats.clock_time(NOON - timedelta(days=300), NOON) == "24 Jan 2026"
