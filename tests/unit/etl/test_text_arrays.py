"""Array literals say what the list said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_etl.pipeline.copy_text import text_array


def parsed(literal):
    """Read a one-dimensional array literal as Postgres does: quotes, and backslash escapes."""
    values, current, inside, characters = [], [], False, iter(literal[1:-1])
    for character in characters:
        if character == "\\":
            current.append(next(characters))
        elif character == '"':
            inside = not inside
            if not inside:
                values.append("".join(current))
                current = []
        elif inside:
            current.append(character)
    return values


@given(st.lists(st.text()))
def test_every_text_comes_back(texts):
    assert texts == parsed(text_array(texts))


@pytest.mark.parametrize(
    ("texts", "literal"),
    [([], "{}"), ([""], '{""}'), (["NULL", "a,b"], '{"NULL","a,b"}'), (['"\\'], '{"\\"\\\\"}')],
)
def test_literals_are_quoted_throughout(texts, literal):
    assert literal == text_array(texts)
