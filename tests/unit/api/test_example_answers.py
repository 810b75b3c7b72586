"""Recorded answers keep up with the models: what they lack is filled in, and nothing else moves."""

from __future__ import annotations

import json

from hack.example_answers import ANSWERS, COLUMNS, Completion, with_gaps_filled
from hack.openapi import description

COMPLETION = Completion(description())


def recorded(operation: str) -> list[dict]:
    return json.loads((ANSWERS / f"{operation}.json").read_text("utf-8"))


def test_the_recorded_answers_are_complete():
    for path in ANSWERS.glob("*.json"):
        for case in recorded(path.stem):
            assert COMPLETION.answer(path.stem, case) == case["answer"], "run make generate"


def test_what_is_missing_comes_behind_what_is_before_it():
    assert list(with_gaps_filled({"a": 1, "c": 3}, ["z", "a", "b", "c"], None)) == list("zabc")
    assert with_gaps_filled({"a": 1}, ["a", "b"], "") == {"a": 1, "b": ""}


def test_a_record_gets_back_each_member_it_is_robbed_of():
    (case, *_) = recorded("list_data")
    whole = case["answer"]["data"][0]
    robbed = {name: value for name, value in whole.items() if name != "volume_24h_usd"}

    answer = COMPLETION.answer("list_data", {**case, "answer": {"data": [robbed]}})

    (record,) = answer["data"]
    assert list(record) == list(whole)
    assert record == whole | {"volume_24h_usd": None}


def test_a_table_gets_back_a_column_and_an_event_a_member():
    table = next(case for case in recorded("list_data") if case.get("media_type") == "text/csv")
    stream = recorded("stream_data")[0]
    column = f",{COLUMNS[-1]}\n"
    narrow = "\n".join(line.rpartition(",")[0] for line in table["answer"].splitlines()) + "\n"
    poor = stream["answer"].replace('"volume_24h_usd": 82512184461, ', "")

    assert COMPLETION.answer("list_data", {**table, "answer": narrow}).count(column) == 1
    assert poor != stream["answer"]
    assert COMPLETION.answer("stream_data", {**stream, "answer": poor}) == stream["answer"].replace(
        "82512184461", "null"
    )
