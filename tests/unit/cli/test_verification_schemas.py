"""Whether an answer has the form that is declared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cryptosource_cli.verification.schemas import mismatch

DOCUMENT = {
    "components": {
        "schemas": {
            "Coin": {
                "type": "object",
                "required": ["id", "price"],
                "properties": {
                    "id": {"type": "string"},
                    "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                    "state": {"enum": ["ok", "stale"], "type": "string"},
                    "parent": {"anyOf": [{"$ref": "#/components/schemas/Coin"}, {"type": "null"}]},
                },
            },
            "Loop": {"$ref": "#/components/schemas/Loop"},
        }
    }
}
COINS = {"type": "array", "items": {"$ref": "#/components/schemas/Coin"}}
GOOD: dict[str, Any] = {"id": "BTC", "price": Decimal("0.1")}


@pytest.mark.parametrize(
    "value",
    [[], [GOOD], [GOOD | {"price": None}], [GOOD | {"parent": GOOD}], [GOOD | {"more": 1}]],
)
def test_what_is_as_declared_has_no_mistake(value: Any):
    assert mismatch(value, COINS, DOCUMENT) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "the answer is no array"),
        ([1], "[0] is no object"),
        ([{"id": "a"}], "[0].price is missing"),
        ([GOOD | {"id": 1}], "[0].id is no string"),
        ([GOOD | {"price": "1"}], "[0].price is no number"),
        ([GOOD | {"price": True}], "[0].price is no number"),
        ([GOOD | {"state": "gone"}], "[0].state is 'gone', none of those declared"),
        ([GOOD | {"parent": {"id": "x"}}], "[0].parent.price is missing"),
    ],
)
def test_a_mistake_says_where_it_is(value: Any, words: str):
    assert mismatch(value, COINS, DOCUMENT) == words


def test_a_schema_that_refers_to_itself_or_to_nothing_ends():
    assert mismatch(1, {"$ref": "#/components/schemas/Loop"}, DOCUMENT) is None
    assert mismatch(1, {"$ref": "#/nowhere/at/all"}, DOCUMENT) is None
    deep: dict[str, Any] = dict(GOOD)
    for _ in range(100):
        deep = GOOD | {"parent": deep}
    assert mismatch([deep], COINS, DOCUMENT) is None
