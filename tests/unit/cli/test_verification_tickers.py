"""The coins of a deployment: none twice, none that is counted and not shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from cryptosource_cli.verification.api_client import Answer, NoAnswer
from cryptosource_cli.verification.checks import Finding, Verification


def page(*coins: tuple[str, int], follows: str | None = None, total: int = 2) -> dict[str, Any]:
    records = [{"id": name, "asset_id": asset_id} for name, asset_id in coins]
    return {"data": records, "pagination": {"next_cursor": follows, "total": total}}


class Scripted:
    """Answers with one page after another."""

    def __init__(self, pages: Sequence[dict[str, Any]]) -> None:
        self._pages = list(pages)
        self.asked: list[str] = []

    def get(self, path: str, **_: Any) -> Answer:
        self.asked.append(path)
        return Answer(status=200, headers={}, body=json.dumps(self._pages.pop(0)).encode())


WHOLE = [page(("BTC", 1), follows="next"), page(("BTC~b", 2))]
TWICE = [page(("BTC", 1), follows="next"), page(("BTC", 2))]
SHORT = [page(("BTC", 1))]


def look(*pages: dict[str, Any]) -> Finding:
    deployment: Any = Scripted(pages)
    verification = Verification(deployment, now=datetime.now(UTC), judge_sources=True)
    (found,) = verification._tickers()
    assert all("sort=asset_id" in path for path in deployment.asked)
    return found


def test_coins_that_are_all_there_once_pass():
    assert look(*WHOLE).detail == "2 coins, 1 of them own their ticker, none twice"


@pytest.mark.parametrize("disturbed", [TWICE, SHORT])
def test_a_load_between_two_pages_is_no_fault(disturbed: list[dict[str, Any]]):
    assert look(*disturbed, *WHOLE).verdict == "ok"


def test_a_ticker_of_two_coins_fails():
    with pytest.raises(NoAnswer, match="two coins go by the id 'BTC'"):
        look(*TWICE, *TWICE)


def test_a_list_that_ends_before_its_total_fails():
    with pytest.raises(NoAnswer, match="ends after 1 coins, and says that there are 2"):
        look(*SHORT, *SHORT)
