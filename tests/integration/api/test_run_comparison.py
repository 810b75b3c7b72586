"""GET /stats/compare: two real runs of a scripted upstream, and what changed between them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import URL

from cryptosource_api.http.models import Problem, Single
from cryptosource_api.runs.comparison import Comparison, ListedCoins
from support.api import NOON, ApiClient, Market
from support.readers import coin
from support.runs import identity, load


def run(url: URL, *coins: Any, **options: Any) -> uuid.UUID:
    outcome = load(url, list(coins), **options)
    assert outcome.run_id is not None
    return outcome.run_id


def named(letters: str, **fields: Any) -> list[Any]:
    return [coin(letter, symbol=letter.upper(), **fields) for letter in letters]


def compared(api: ApiClient, a: uuid.UUID, b: uuid.UUID) -> Comparison:
    response = api.get(f"/stats/compare?a={a}&b={b}")
    assert response.status_code == 200, response.text
    return Single[Comparison].model_validate_json(response.content).data


def ids(coins: ListedCoins) -> list[str]:
    assert coins.total == len(coins.coins)
    return [each.external_id for each in coins.coins]


def test_coins_that_appeared_and_vanished_between_two_runs(api: ApiClient, database: URL):
    first = run(database, *named("abc"))
    run(database, *named("ab"))
    last = run(database, *named("bd"), coin("bad", bad="Negative"))

    found = compared(api, first, last)
    back = compared(api, last, first)

    assert found.coins is not None
    assert (ids(found.coins.appeared), ids(found.coins.vanished)) == (["bad", "d"], ["a", "c"])
    bad, d = found.coins.appeared.coins
    assert (bad.id, bad.asset_id) == (None, None)
    assert (d.id, d.symbol) == ("D", "D")
    assert (found.coins.a.listed, found.coins.b.listed) == (3, 3)
    assert found.coins.a.is_this_run
    assert back.coins is not None
    assert (ids(back.coins.appeared), ids(back.coins.vanished)) == (["a", "c"], ["bad", "d"])


def test_a_coin_that_went_and_came_back_has_not_changed(api: ApiClient, database: URL):
    first = run(database, *named("ab"))
    gone = run(database, *named("b"))
    last = run(database, *named("ab"))

    whole = compared(api, first, last).coins
    part = compared(api, gone, last).coins

    assert whole is not None
    assert (whole.appeared.total, whole.vanished.total) == (0, 0)
    assert part is not None
    assert ids(part.appeared) == ["a"]


def test_a_run_that_saw_a_part_is_compared_by_the_whole_pass_before_it(
    api: ApiClient, database: URL
):
    first = run(database, *named("ab"), batch_size=1)
    second = run(database, *named("abc"), batch_size=1)
    cut = run(database, *named("a"), *named("xyz"), batch_size=1, fail_after_records=1)

    coins = compared(api, first, cut).coins

    assert coins is not None
    assert (coins.b.run_id, coins.b.is_this_run) == (second, False)
    assert ids(coins.appeared) == ["c"]


def test_without_a_whole_pass_nothing_is_said_of_coins(api: ApiClient, database: URL):
    first = run(database, *named("abc"), batch_size=1, fail_after_records=1)
    second = run(database, *named("abc"), batch_size=1)

    assert compared(api, first, second).coins is None


def test_figures_stand_side_by_side_with_their_difference(api: ApiClient, market: Market):
    source = market.source("gecko")
    a = market.run(source, processed=100, loaded=80, unchanged=20, requests=4)
    b = market.run(
        source,
        started_at=NOON + timedelta(hours=1),
        finished_at=NOON + timedelta(hours=1, seconds=5),
        processed=130,
        loaded=0,
        unchanged=129,
        rejected=1,
        requests=4,
    )

    found = compared(api, a, b)

    changes = {
        change.metric: (change.a, change.b, change.difference, change.difference_percent)
        for change in found.changes
    }
    assert changes["duration_seconds"] == (2, 5, 3, 150)
    assert changes["processed"] == (100, 130, 30, 30)
    assert changes["loaded"] == (80, 0, -80, -100)
    assert changes["rejected"] == (0, 1, 1, None)
    assert changes["requests"] == (4, 4, 0, 0)
    assert [change.metric for change in found.changes][:2] == ["duration_seconds", "processed"]
    assert (found.a.run_id, found.b.run_id) == (a, b)
    assert found.reject_reasons is None  # the row counts one, and does not say why


def test_reject_reasons_stand_side_by_side(api: ApiClient, database: URL):
    first = run(database, coin("a"), coin("b", bad="Negative"), coin("c", bad="Negative"))
    second = run(database, coin("a"), coin("b", bad="NotFinite"))

    reasons = compared(api, first, second).reject_reasons

    assert reasons is not None
    assert [(each.reason, each.a, each.b, each.difference) for each in reasons] == [
        ("Negative", 2, 0, -2),
        ("NotFinite", 0, 1, 1),
    ]


def test_runs_of_different_sources_are_not_compared(api: ApiClient, database: URL):
    a = run(database, coin("a"), source=identity("one"))
    b = run(database, coin("a"), source=identity("two"))

    response = api.get(f"/stats/compare?a={a}&b={b}")

    assert response.status_code == 422
    problem = Problem.model_validate_json(response.content)
    assert problem.type == "urn:cryptosource:problem:runs-of-different-sources"
    assert "test/one" in problem.detail
    assert "test/two" in problem.detail


def test_unknown_runs_are_named(api: ApiClient, market: Market):
    known, unknown = market.run(market.source("gecko")), uuid.uuid4()

    response = api.get(f"/stats/compare?a={known}&b={unknown}")

    assert response.status_code == 404
    detail = Problem.model_validate_json(response.content).detail
    assert f"b={unknown}" in detail
    assert str(known) not in detail


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("a=latest&b=00000000-0000-0000-0000-000000000001", "a"),
        ("a=00000000-0000-0000-0000-000000000001", "b"),
        (
            "a=00000000-0000-0000-0000-000000000001&b=00000000-0000-0000-0000-000000000001",
            "b",
        ),
        ("", "a"),
    ],
)
def test_what_cannot_be_compared_is_named(api: ApiClient, query: str, parameter: str):
    response = api.get(f"/stats/compare?{query}")

    assert response.status_code == 422
    assert Problem.model_validate_json(response.content).errors[0].parameter == parameter


def test_the_description_says_that_both_runs_are_needed(api: ApiClient):
    description = api.get("/openapi.json").json()
    parameters = description["paths"]["/stats/compare"]["get"]["parameters"]

    assert {each["name"]: each["required"] for each in parameters} == {"a": True, "b": True}
