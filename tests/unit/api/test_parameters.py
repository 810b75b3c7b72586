"""A query string is read strictly: what is not written as the description says is a mistake."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from cryptosource_api.http.parameters import Parameters, read_parameters
from cryptosource_api.http.problems import InvalidRequest


class Asked(Parameters):
    limit: int | None = None
    deviations: Decimal = Decimal(6)
    run: UUID | None = None
    symbol: str | None = None


def mistakes(query: bytes) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_parameters(Asked, query)
    return {each.parameter: each.detail for each in caught.value.errors}


@pytest.mark.parametrize(
    "text", ["1_0", "%2B5", "+5", "5.0", "5e1", "%D9%A5", "0x10", "", " ", "9" * 30, "null", "true"]
)
def test_a_whole_number_is_digits_and_nothing_else(text: str):
    assert mistakes(f"limit={text}".encode())["limit"].startswith("write a whole number")


@pytest.mark.parametrize("text", ["1_0.5", "%2B5", "5e1", ".5", "5.", "NaN", "Infinity", ""])
def test_a_number_is_digits_with_at_most_one_point(text: str):
    assert mistakes(f"deviations={text}".encode())["deviations"].startswith("write a number")


@pytest.mark.parametrize("form", ["{%s}", "urn:uuid:%s", " %s", "%s0"])
def test_a_uuid_is_written_as_the_api_gives_it(form: str):
    run = str(UUID(int=7))

    assert "UUID" in mistakes(f"run={form % run}".encode())["run"]
    assert read_parameters(Asked, f"run={run.upper()}".encode()).run == UUID(int=7)


def test_every_mistake_is_told_and_each_once():
    told = mistakes(b"limits=1&limit=x&deviations=y&symbol=a&symbol=b")

    assert set(told) == {"limits", "limit", "deviations", "symbol"}


@pytest.mark.parametrize("query", [b"symbol=%FF", b"%C3=1", b"symbol=\xff"])
def test_what_is_not_utf_8_is_refused(query: bytes):
    assert "UTF-8" in mistakes(query)["*"]


def test_letters_may_come_as_they_are_or_encoded():
    asked = {
        read_parameters(Asked, query).symbol for query in (b"symbol=%C3%A9", b"symbol=\xc3\xa9")
    }

    assert asked == {"é"}
