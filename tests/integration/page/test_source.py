"""`/sources/{namespace}/{name}`: how one source is, why, what to do, and what it has met."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from support.api import Market
from support.html import Element

NOW = datetime.now(UTC)
PATH = "/sources/crypto/gecko"
SCHEDULED = {"schedule": "*/10 * * * *", "max_age_seconds": 1800}


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def facts(page: Element) -> dict[str, str]:
    """Return the source's facts by their names."""
    listed = page.one("dl", class_="cards")
    return {each.one("dt").text: each.one("dd").text for each in listed.all("div")}


def test_it_is_reached_from_the_list_of_sources(market: Market, show):
    market.source("gecko", **SCHEDULED)

    link = show("/").one("a", class_="name").attributes["href"]

    assert link == PATH
    assert "gecko" in show(link).one("h1").text


def test_a_source_that_fails_says_why_and_what_to_do(market: Market, show):
    gecko = market.source("gecko", **SCHEDULED)
    market.run(gecko, started_at=ago(90))
    market.run(gecko, "failure", started_at=ago(5), reason="KeyRejected", message="status 401")

    page = show(PATH)

    assert page.one("h1").one(class_="state").text == "failing"
    message = page.one("div", class_="message").text
    assert "KeyRejected : status 401" in message
    assert "Correct the key" in message
    assert page.one(class_="advice").one("code").text == "cryptosource trigger crypto/gecko"
    assert not page.all(id="failure")  # it would be told twice


def test_a_source_that_is_fresh_tells_what_failed_last_and_asks_for_nothing(market: Market, show):
    gecko = market.source("gecko", **SCHEDULED)
    failed = market.run(
        gecko, "failure", started_at=ago(90), reason="RateLimited", message="too fast"
    )
    market.run(gecko, started_at=ago(5))

    page = show(PATH)

    assert page.one("h1").one(class_="state").text == "fresh"
    assert not page.all(class_="advice")
    failure = page.one("section", **{"aria-labelledby": "failure"})
    assert "RateLimited : too fast" in failure.text
    assert failure.one("p").one("a").attributes["href"] == f"/runs/{failed}"


def test_its_freshness_next_run_and_checkpoint_are_told(market: Market, show):
    gecko = market.source("gecko", **SCHEDULED)
    market.run(gecko, started_at=ago(15))
    market.run_sql(
        "INSERT INTO etl_checkpoints (source_id, epoch, cursor, records_committed, updated_at, "
        "observed_at) VALUES (:id, 3, :cursor, 1234, now() - interval '15 min', now())",
        id=gecko,
        cursor=json.dumps({"page": 7, "seen": {"much": 1}}),
    )

    page = show(PATH)
    told = facts(page)

    assert "ago" in told["Last success"]
    assert "at most 30 min old" in told["Last success"]
    assert "*/10 * * * *" in told["Next run"]
    assert "min ago" in told["Checkpoint"]
    assert "1,234 records committed" in told["Checkpoint"]
    cursor = page.one("section", **{"aria-labelledby": "cursor"})
    assert [each.text for each in cursor.all("dt")] == ["page"]


def test_its_runs_are_drawn_and_the_newest_listed(market: Market, show):
    gecko = market.source("gecko", **SCHEDULED)
    ids = [market.run(gecko, started_at=ago(10 * (20 - place))) for place in range(20)]

    page = show(PATH)

    history = page.one("section", **{"aria-labelledby": "history"})
    drawn = history.one("svg", class_="bars").all("a")
    assert [each.attributes["href"] for each in drawn] == [f"/runs/{each}" for each in ids]
    listed = [row.one("a").attributes["href"] for row in history.one("tbody").all("tr")]
    assert listed == [f"/runs/{each}" for each in ids[:-9:-1]]


def test_what_was_rejected_and_how_its_upstream_changed_lead_to_the_runs(market: Market, show):
    gecko = market.source("gecko", **SCHEDULED)
    run_id = str(market.run(gecko, started_at=ago(5)))
    replayed = [None, None, None, ago(1)]
    for number, reason in enumerate(("Negative", "NotFinite", "NotFinite", "Negative")):
        market.run_sql(
            "INSERT INTO rejected_records (source_id, external_id, digest, reason, detail, "
            "contract_version, raw_id, run_id, replayed_at) VALUES (:source_id, :id, "
            "gen_random_uuid(), :reason, 'no', '1', 1, :run_id, :replayed)",
            source_id=gecko,
            id=str(number),
            reason=reason,
            run_id=run_id,
            replayed=replayed[number],
        )
    market.run_sql(
        "INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after) "
        "VALUES (:source_id, :run_id, 'rank', 'retyped', '[\"number\"]', '[\"string\"]')",
        source_id=gecko,
        run_id=run_id,
    )

    page = show(PATH)

    rejects = page.one("section", **{"aria-labelledby": "rejects"}).one("tbody").all("tr")
    assert [(row.one("th").text, row.all("td")[0].text) for row in rejects] == [
        ("NotFinite", "2"),
        ("Negative", "1"),
    ]
    assert facts(page)["In quarantine"].startswith("3 ")
    (drift,) = page.one("section", **{"aria-labelledby": "drifts"}).one("tbody").all("tr")
    assert drift.text.startswith("rank retyped number string")
    assert {row.one("a").attributes["href"] for row in [*rejects, drift]} == {f"/runs/{run_id}"}


def test_a_source_that_never_ran_says_so_everywhere(market: Market, show):
    market.source("gecko")

    page = show(PATH)

    assert page.one("h1").one(class_="state").text == "never run"
    assert facts(page)["Last success"].startswith("none yet")
    assert facts(page)["Next run"] == "unknown no schedule is stored"
    assert facts(page)["Checkpoint"].startswith("none yet")
    assert "data-live-page" in page.one("main").attributes


@pytest.mark.parametrize(
    "path",
    [
        "/sources/crypto/nobody",
        "/sources/other/gecko",
        "/sources/crypto/%00",
        "/sources/%00/gecko",
        "/sources/%FF/gecko",
    ],
)
def test_a_source_that_is_not_there_or_is_gone_is_told(market: Market, show, path: str):
    market.source("gecko")
    market.source("nobody", retired_at=NOW)

    assert show(path, status=404).one("h1").text == "There is no such thing"
