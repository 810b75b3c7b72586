"""The benchmark of the API asks what it claims to ask."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hack.bench.api import PAGE, SPELLINGS, spelled


def test_spellings_are_the_same_question_and_no_two_are_alike():
    found = spelled(f"{PAGE}&sort=rank&order=asc")

    assert len(set(found)) == SPELLINGS
    questions = {tuple(parse_qsl(each.partition("?")[2])) for each in found}
    assert questions == {(("limit", "100"), ("sort", "rank"), ("order", "asc"))}
