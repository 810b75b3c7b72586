"""What CoinGecko's error codes mean."""

from __future__ import annotations

import json

import pytest

from cryptosource_etl.http import Answer
from cryptosource_etl.sources.coingecko.errors import classify, classify_with_key


def answer(code: int, *, status: int = 401) -> Answer:
    body = {"status": {"error_code": code, "error_message": "as CoinGecko words it"}}
    return Answer(status=status, headers={}, head=json.dumps(body).encode(), host="gecko")


@pytest.mark.parametrize(
    ("code", "without", "with_key"),
    [
        (10002, "KeyMissing", "KeyRejected"),
        (10005, "PlanTooLow", "PlanTooLow"),
        (10010, "KeyRejected", "KeyRejected"),
        (10011, "KeyRejected", "KeyRejected"),
    ],
)
def test_code_10002_means_a_wrong_key_when_one_was_sent(code, without, with_key) -> None:
    assert classify(answer(code)).reason == without
    assert classify_with_key(answer(code)).reason == with_key


def test_unknown_code_is_left_to_the_status() -> None:
    assert classify_with_key(answer(999)) is None
