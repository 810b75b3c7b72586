from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_api.http.cursor import decode, encode, list_digest
from cryptosource_api.http.problems import InvalidCursor

TYPES = ("numeric", "bigint", "integer")


def forged(*members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_text_comes_back_as_it_went(text):
    cursor = encode([text, "1"], digest="d")

    assert decode(cursor, digest="d", types=("text", "bigint")) == [text, "1"]


@given(st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"))
def test_a_number_comes_back_digit_for_digit(number):
    assert decode(encode([number], digest="d"), digest="d", types=("numeric",)) == [number]


def test_null_is_allowed_only_where_the_column_may_be_null():
    cursor = encode([None, "1", "2"], digest="d")

    assert decode(cursor, digest="d", types=TYPES, first_nullable=True) == [None, "1", "2"]
    with pytest.raises(InvalidCursor):
        decode(cursor, digest="d", types=TYPES)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "ü",
        "e30",
        forged(),
        forged(2, "d", "1", "1", "1"),
        forged(1, "d"),
        forged(1, "d", "1", "1"),
        forged(1, "d", "1", "1", "1", "1"),
        forged(1, "d", 1, "1", "1"),
        forged(1, "d", "NaN", "1", "1"),
        forged(1, "d", "1e9", "1", "1"),
        forged(1, "d", "1", str(2**63), "1"),
        forged(1, "d", "1", "1", str(2**31)),
        forged(1, "d", "1; DROP TABLE x", "1", "1"),
        forged(1, "d", "١", "1", "1"),
        "[" * 1000,
        "A" * 3000,
    ],
)
def test_what_is_not_ours_is_refused(cursor):
    with pytest.raises(InvalidCursor, match="no cursor"):
        decode(cursor, digest="d", types=TYPES)


@given(st.text(max_size=200))
def test_any_text_is_a_cursor_or_refused(text):
    with pytest.raises(InvalidCursor):
        decode(text, digest="d", types=TYPES)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("timestamptz", "2026-11-20 12:00:00.5+00", "2026-11-20 12:00:00"),
        ("timestamptz", "2026-11-20 12:00:00+00", "infinity"),
        ("timestamptz", "2026-11-20T12:00:00+00:00", "2026-W47-5T12:00:00+00:00"),
        ("timestamptz", "0001-01-01 00:00:00+00", "0001-01-01 00:00:00+23:59"),
        ("timestamptz", "9999-12-31 23:59:59.999999+00", "9999-12-31 23:59:59-23:59"),
        ("timestamptz", "2026-02-28 12:00:00+00", "2026-02-29 12:00:00+00"),
        ("timestamptz", "2026-11-20 12:00:00+00", "2026-11-20x12:00:00+00"),
        ("timestamptz", "2026-11-20 12:00:00+00", "2026-11-20 12:00:00+00:00:01.5"),
        ("timestamptz", "2026-11-20 12:00:00+00", "2026-11-20 12:00:00,5+00"),
        ("uuid", "00000000-0000-0000-0000-000000000001", "{00000000}"),
        ("text", "a\u00a0b", "a\x00b"),
        ("text", "ü", "\ud800"),
        ("integer", "-1", "+1"),
    ],
)
def test_each_type_knows_its_own(kind, good, bad):
    assert decode(forged(1, "d", good), digest="d", types=(kind,)) == [good]
    with pytest.raises(InvalidCursor):
        decode(forged(1, "d", bad), digest="d", types=(kind,))


def test_a_cursor_of_another_list_is_told_apart():
    cursor = encode(["1"], digest=list_digest("data", {"sort": "rank"}))

    with pytest.raises(InvalidCursor, match="other filters"):
        decode(cursor, digest=list_digest("data", {"sort": "name"}), types=("integer",))
