"""JSON from strangers: exact, element by element, and one bad element spoils no other."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.errors import Retryable
from cryptosource_etl.sources.json_records import NotANumber, exact_json, shape_of, split_array

GOOD = '{"id": "a,b", "price": 1.50, "tags": ["]", "\\"", "{"]}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
POISON = {
    "nan": b'{"price": NaN}',
    "infinity": b'{"price": -Infinity}',
    "nul": b'{"name": "a\0b"}',
    "trailing comma": b'{"a": 1,}',
    "leading zero": b'{"a": 01}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "lone surrogate": b'{"name": "\\ud800"}',
}


def test_numbers_keep_every_digit():
    value = exact_json('{"a": 1.23456789012345678E-12, "b": 1e18, "c": 123456789012345678901}')
    assert value["a"] == Decimal("1.23456789012345678E-12")
    assert value["b"] == Decimal("1E+18")
    assert value["c"] == 123456789012345678901


@pytest.mark.parametrize(
    "token", ["NaN", "Infinity", "-Infinity", "9" * 5000, "0." + "9" * 5000, "1e" + "9" * 20]
)
def test_a_token_that_is_no_number_is_marked_and_raises_nothing(token: str):
    (element,) = split_array(b'[{"a": %s}]' % token.encode(), what="it")
    assert isinstance(element.value["a"], NotANumber)


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_a_poisoned_element_leaves_the_bytes_of_its_neighbours_alone(poison: bytes):
    body = b"[%s, %s,\n%s ]" % (GOOD.encode(), poison, GOOD.encode())
    first, _, last = split_array(body, what="it")
    assert first == last
    assert first.text == GOOD
    assert first.value["price"] == Decimal("1.50")


@given(st.lists(JSON))
def test_the_tolerant_splitter_agrees_with_a_json_parser(values: list):
    body = json.dumps(values, indent=1).encode() + b"  "
    spoilt = b"\xef\xbb\xbf" + body  # a byte order mark is not strict JSON
    assert [element.text for element in split_array(spoilt, what="it")] == [
        element.text for element in split_array(body, what="it")
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"error": "x"}',
        b"null",
        b"[{}",
        b'[{"a": "',
        b"[1] x",
        b"[}]",
        b"42",
    ],
)
def test_what_is_no_list_of_records_is_a_malformed_response(body: bytes):
    with pytest.raises(Retryable, match="the answer") as caught:
        split_array(body, what="the answer")
    assert caught.value.reason == "MalformedResponse"


def test_every_cut_of_an_answer_is_noticed():
    body = f"[{GOOD},{GOOD}]".encode()
    for length in range(len(body)):
        with pytest.raises(Retryable):
            split_array(body[:length], what="it")


@pytest.mark.parametrize("body", [b"[]", b" [ ] "])
def test_an_empty_list_is_an_empty_list(body: bytes):
    assert split_array(body, what="it") == []


def test_a_shape_names_types_and_descends_where_told():
    value = exact_json('{"a": 1, "b": 1.5, "c": null, "q": {"USD": {"p": 1}}, "n": NaN}')
    assert shape_of(value, nested=("q",)) == {
        "a": "number",
        "b": "number",
        "c": "null",
        "q": "object",
        "q.USD": "object",
        "n": "number",
    }
    assert shape_of([1]) == {}
