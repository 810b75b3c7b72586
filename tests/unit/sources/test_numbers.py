from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.sources.numbers import BadNumber, json_number, number_parser, rank_of
from cryptosource_store.reasons import RejectReason

amount = number_parser()
percent = number_parser(percent=True)
european = number_parser(decimal=",")

exact = st.decimals(
    min_value=0, max_value=Decimal("1e30"), allow_nan=False, allow_infinity=False, places=12
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("7199.4", "7199.4"),
        ("7,199.4", "7199.4"),
        ("46,048,752", "46048752"),
        ("7 199.4", "7199.4"),
        ("7\u00a0199.4", "7199.4"),
        ("7\u202f199\u202f000.4", "7199000.4"),
        ("7'199.4", "7199.4"),
        (" 5 ", "5"),
        ("\u00a05\u00a0", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+5", "5"),
        ("-0", "0"),
        ("1.31M", "1310000"),
        ("904.50K", "904500"),
        ("2.5 B", "2500000000"),
        ("1t", "1000000000000"),
        ("1E+11", "100000000000"),
        ("2.47E-05", "0.0000247"),
        ("1e-18", "0.000000000000000001"),
        ("$7,199.40", "7199.40"),
        ("US$5", "5"),
        ("5 USD", "5"),
        ("465.864013671875", "465.864013671875"),
    ],
)
def test_amount_is_read_to_the_last_digit(text, value):
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("7.199,4", "7199.4"), ("1.234", "1234"), ("0,5", "0.5"), ("1,5E+11", "150000000000")],
)
def test_decimal_comma_turns_the_separators_around(text, value):
    assert european(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.97%", "3.97"),
        ("-5.45%", "-5.45"),
        ("(5.45%)", "-5.45"),
        ("(5.45)%", "-5.45"),
        ("−5", "-5"),
        ("+5 %", "5"),
    ],
)
def test_percentage_may_be_negative_and_carry_its_sign(text, value):
    assert percent(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", " ", "-", "--", "—", "N/A", "null", "NULL", "?", "none"])
def test_unknown_is_none_and_not_zero(text):
    assert amount(text) is None
    assert json_number(text) is None


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "∞", "sNaN", "nan1"])
def test_not_finite_is_refused(text):
    assert amount(text)[0] is RejectReason.NOT_FINITE


@pytest.mark.parametrize(
    "text",
    [
        "1,23",
        "1,2345",
        "1,234,56",
        "12,34,567",
        "1,234 567",
        ",234",
        "1_000",
        "1.2.3",
        "abc",
        "1e",
        "e5",
        ".",
        "$",
        "€5",
        "5%",
        "--5",
        "+-5",
        "(-5)",
        "0x10",
        "\u0661\u0662",
        "5\0",
        "1 2",
    ],
)
def test_what_is_no_number_is_refused(text):
    assert amount(text)[0] is RejectReason.INVALID_NUMBER


def test_decimal_point_is_no_grouping_under_a_decimal_comma():
    assert european("0.5")[0] is RejectReason.INVALID_NUMBER


@pytest.mark.parametrize("text", ["-1", "(5)", "-1.31M", "-$5", "$-5", "−1"])
def test_negative_amount_is_refused(text):
    assert amount(text)[0] is RejectReason.NEGATIVE


@pytest.mark.parametrize(
    "text", ["1" * 101, "9" * 5000, "1e401", "1e-401", "1e99999999999", "0." + "0" * 401 + "1"]
)
def test_number_beyond_all_markets_is_refused_without_being_computed(text):
    assert amount(text)[0] is RejectReason.OUT_OF_RANGE
    assert json_number(text)[0] is RejectReason.OUT_OF_RANGE


def test_detail_is_short_and_on_one_line():
    detail = amount("x\n" * 500).detail
    assert len(detail) < 100
    assert "\n" not in detail


@given(exact)
def test_every_way_to_write_a_number_gives_the_same_one(value):
    plain = f"{value:f}"
    assert amount(plain) == amount(f"{value:,f}") == value
    turned = f"{value:,f}".translate(str.maketrans(",.", ".,"))
    assert european(turned) == value
    assert json_number(plain) == json_number(value) == value
    assert percent(f"-{plain}%") == (value.copy_negate() if value else 0)


@given(st.text())
def test_any_text_gives_a_finite_number_or_none_or_a_reason(text):
    for parse in (amount, percent, european, json_number):
        found = parse(text)
        assert (
            found is None
            or isinstance(found, BadNumber)
            or (found.is_finite() and abs(found.adjusted()) <= 400)
        )


@given(st.text(alphabet="0123456789.,eE+-−()$%KMBT '\u00a0USD", max_size=30))
def test_text_that_looks_like_a_number_never_raises(text):
    for parse in (amount, percent, european, json_number):
        assert isinstance(parse(text), Decimal | BadNumber | None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, Decimal(5)),
        (Decimal("1e-18"), Decimal("1e-18")),
        ("1e18", Decimal("1e18")),
        (" 2.5 ", Decimal("2.5")),
        (None, None),
        (Decimal("-0"), Decimal(0)),
    ],
)
def test_json_number_is_tolerant_of_strings_and_null(value, expected):
    assert json_number(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, RejectReason.INVALID_NUMBER),
        ([], RejectReason.INVALID_NUMBER),
        ({}, RejectReason.INVALID_NUMBER),
        (1.5, RejectReason.INVALID_NUMBER),
        ("1,234", RejectReason.INVALID_NUMBER),
        ("5 USD", RejectReason.INVALID_NUMBER),
        (Decimal("NaN"), RejectReason.NOT_FINITE),
        (Decimal("-Infinity"), RejectReason.NOT_FINITE),
        ("NaN", RejectReason.NOT_FINITE),
        (-1, RejectReason.NEGATIVE),
        (Decimal("-0.1"), RejectReason.NEGATIVE),
        ("-0.1", RejectReason.NEGATIVE),
        (10**101, RejectReason.OUT_OF_RANGE),
        pytest.param(10**5000, RejectReason.OUT_OF_RANGE, id="huge"),
        (Decimal("1e401"), RejectReason.OUT_OF_RANGE),
        (Decimal("1e-401"), RejectReason.OUT_OF_RANGE),
    ],
)
def test_json_number_refuses_what_is_none(value, reason):
    assert json_number(value)[0] is reason


def test_json_number_may_be_negative_where_it_is_signed():
    assert json_number(Decimal("-5.45"), signed=True) == Decimal("-5.45")
    assert json_number("-5.45", signed=True) == Decimal("-5.45")


@pytest.mark.parametrize(("number", "rank"), [("1", 1), ("3.0", 3), ("1,234", 1234), ("", None)])
def test_rank_is_a_whole_number(number, rank):
    assert rank_of(amount(number)) == rank


@pytest.mark.parametrize("number", ["0", "1.5", "2147483648", "1e300"])
def test_rank_that_is_none_is_refused(number):
    assert rank_of(amount(number))[0] is RejectReason.OUT_OF_RANGE
