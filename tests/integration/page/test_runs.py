"""`/runs` and `/runs/{id}`: what happened, and what one run met."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from support.api import Market
from support.html import Element

NOW = datetime.now(UTC)
FACTS = {
    "reason": "TooManyRejected",
    "message": "3 of 10 records were rejected",
    "processed": 10,
    "loaded": 6,
    "unchanged": 1,
    "rejected": 3,
    "pages": 2,
    "requests": 7,
    "retries": 5,
    "attempt": 2,
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
}


def facts(page: Element) -> dict[str, str]:
    """Return the run's facts by their names."""
    listed = page.one("dl", class_="facts")
    return {each.one("dt").text: each.one("dd").text for each in listed.all("div")}


@pytest.fixture
def failed(market: Market) -> str:
    """A failed run between two others, with rejected records and drift."""
    source_id = market.source("gecko")
    market.run(source_id, started_at=NOW - timedelta(hours=3))
    run_id = market.run(source_id, "failure", started_at=NOW - timedelta(hours=2), **FACTS)
    market.run(source_id, "running", started_at=NOW - timedelta(hours=1))
    for number, reason in enumerate(("Negative", "NotFinite", "NotFinite")):
        market.run_sql(
            "INSERT INTO rejected_records (source_id, external_id, digest, reason, field, detail, "
            "contract_version, raw_id, run_id) VALUES (:source_id, :id, gen_random_uuid(), "
            ":reason, 'price_usd', 'not an amount', '1', 1, :run_id)",
            source_id=source_id,
            id=f"coin-{number}",
            reason=reason,
            run_id=str(run_id),
        )
    market.run_sql(
        "INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after) "
        "VALUES (:source_id, :run_id, 'rank', 'retyped', :before, :after)",
        source_id=source_id,
        run_id=str(run_id),
        before=json.dumps(["number"]),
        after=json.dumps(["number", "string"]),
    )
    return str(run_id)


def test_a_run_tells_what_it_did_and_how_often_it_tried(failed, show):
    page = show(f"/runs/{failed}")

    assert page.one("h1").text == "failure TooManyRejected"
    assert page.one(class_="message").text == FACTS["message"]
    told = facts(page)
    assert (told["Pages"], told["Requests"], told["Retries"]) == ("2", "7", "5")
    assert told["Trace"] == FACTS["trace_id"]
    assert told["Job"].endswith("attempt 2")
    assert told["Took"] == "2.0 s"


def test_what_became_of_the_records_is_told_in_numbers(failed, show):
    keys = [key.text for key in show(f"/runs/{failed}").one(class_="parts-keys").all("li")]

    assert keys == ["6 loaded 60.00 %", "1 unchanged 10.00 %", "3 rejected 30.00 %"]


def test_rejects_are_counted_by_reason_and_sampled(failed, show):
    page = show(f"/runs/{failed}")

    reasons = [row.text for row in page.one("table", class_="reasons").one("tbody").all("tr")]
    assert reasons == ["NotFinite 2", "Negative 1"]
    samples = page.one("div", id="samples-box")
    assert "3 samples" in samples.text
    assert "coin-0 Negative price_usd not an amount" in samples.text


def test_drift_is_told_with_the_types_before_and_after(failed, show):
    drift = show(f"/runs/{failed}").one("div", id="drifts-box").one("tbody")

    assert drift.text == "rank retyped number number, string"


def test_a_run_leads_to_those_beside_it(failed, show):
    page = show(f"/runs/{failed}")

    before, after = page.one("a", rel="prev"), page.one("a", rel="next")
    assert show(before.attributes["href"]).one("h1").text.startswith("success")
    assert show(after.attributes["href"]).one("h1").text.startswith("running")


def test_only_a_run_under_way_keeps_itself_current(failed, show):
    after = show(f"/runs/{failed}").one("a", rel="next").attributes["href"]

    assert "data-live-page" in show(after).one("main").attributes
    assert "data-live-page" not in show(f"/runs/{failed}").one("main").attributes


def test_a_run_without_records_or_trace_says_so(market: Market, show):
    run_id = market.run(market.source("gecko"), "skipped", reason="AlreadyRunning")

    page = show(f"/runs/{run_id}")

    assert "No record was committed by this run" in page.one("main").text
    assert facts(page)["Trace"] == "not traced"


def test_runs_are_listed_newest_first_and_can_be_chosen(failed, market: Market, show):
    market.run(market.source("paprika"), started_at=NOW)

    def statuses(path: str) -> list[str]:
        return [row.one(class_="state").text for row in show(path).one("tbody").all("tr")]

    assert statuses("/runs") == ["success", "running", "failure", "success"]
    assert statuses("/runs?source=gecko") == ["running", "failure", "success"]
    assert statuses("/runs?source=&status=failure") == ["failure"]


def test_a_source_named_like_a_type_is_that_source_alone(market: Market, show):
    market.run(market.source("coinpaprika", "coinpaprika"), "success")
    market.run(market.source("coinpaprika-pro", "coinpaprika"), "failure")

    page = show("/runs?source=coinpaprika&namespace=crypto")

    assert [row.one(class_="state").text for row in page.one("tbody").all("tr")] == ["success"]


def test_older_runs_follow(market: Market, show):
    source_id = market.source("gecko")
    for minutes in range(53):
        market.run(source_id, started_at=NOW - timedelta(minutes=minutes))

    first = show("/runs?source=gecko")
    second = show(first.one("a", rel="next").attributes["href"])

    assert len(first.one("tbody").all("tr")) == 50
    assert len(second.one("tbody").all("tr")) == 3
    assert "data-live-page" not in second.one("main").attributes


def test_no_runs_say_how_to_begin(show):
    assert "cryptosource run" in show("/runs").one("main").text
    assert "No run is like that" in show("/runs?status=failure").one("main").text
