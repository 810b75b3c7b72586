"""Numbers keep their digits on every way through the market."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hack.market.jsontext import (
    Raw,
    dump_command,
    encode,
    fragment_of,
    get,
    load_command,
    parse_exact,
    put,
    render,
    text_of,
)
from hypothesis import given
from hypothesis import strategies as st

numbers = st.decimals(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | numbers,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), inner)
    ),
    max_leaves=12,
)


@given(values)
def test_rendered_json_parses_back_to_the_same_value(value):
    text = encode(render(fragment_of(value)))

    assert json.loads(text, parse_float=Decimal) == _normal(value)


@given(numbers)
def test_a_number_keeps_its_own_text_from_a_recording_to_the_wire(number):
    text = f'{{"price":{number}}}'

    assert render(fragment_of(parse_exact(text))) == text


@given(texts)
def test_a_command_arrives_as_it_was_sent(text):
    command = {"set": {"price": Raw("NaN"), "name": text}, "n": Decimal("1e-18")}

    assert load_command(dump_command(command)) == command
    assert isinstance(load_command(dump_command(command))["set"]["price"], Raw)


def test_a_float_is_refused_where_digits_count():
    with pytest.raises(TypeError, match="pass a Decimal"):
        text_of(0.1)


def test_put_makes_the_objects_on_its_way_and_takes_fields_away():
    record = {"id": Raw('"a"'), "quotes": Raw("null")}
    put(record, "quotes.USD.price", Raw("1e400"))
    put(record, "id", None)

    assert render(record) == '{"quotes":{"USD":{"price":1e400}}}'
    assert get(record, "quotes.USD.price") == "1e400"
    assert get(record, "quotes.EUR.price") is None


def _normal(value):
    """Whole decimals are integers to a JSON parser."""
    if isinstance(value, Decimal):
        return json.loads(str(value), parse_float=Decimal)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    return value
