"""`/` in a browser: every source, told apart, with what a person would want to know of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cryptosource_api.page.source_states import STATES
from support.api import Market
from support.html import Element

NOW = datetime.now(UTC)
AGO = {minutes: NOW - timedelta(minutes=minutes) for minutes in (1, 5, 90)}


def fill(market: Market) -> dict[str, int]:
    """Add a source in each state."""
    facts = {"schedule": "*/10 * * * *", "time_zone": "Etc/UTC", "max_age_seconds": 1800}
    ids = {key: market.source(f"a-{key.replace('_', '-')}", **facts) for key in STATES}
    market.run_sql("UPDATE sources SET suspended = true WHERE name = 'a-suspended'")
    for key in ("fresh", "drifted", "suspended"):
        market.run(ids[key], started_at=AGO[5], reason="Completed", loaded=7, processed=7)
    market.run(ids["stale"], started_at=AGO[90])
    market.run(ids["failing"], started_at=AGO[90])
    market.run(ids["failing"], "failure", started_at=AGO[5], reason="KeyRejected", message="no")
    market.run(ids["loading"], "running", started_at=AGO[1])
    drift = market.run(ids["drifted"], started_at=AGO[1])
    market.run_sql(
        "INSERT INTO schema_drifts (source_id, run_id, field, change, types_before, types_after) "
        "VALUES (:source_id, :run_id, 'rank', 'vanished', '[\"number\"]', '[]')",
        source_id=ids["drifted"],
        run_id=str(drift),
    )
    return ids


def rows(page: Element) -> dict[str, Element]:
    table = page.one("table", class_="sources")
    return {row.one("a", class_="name").text: row for row in table.one("tbody").all("tr")}


def outline(row: Element) -> tuple[tuple[str, str], ...]:
    """Return what the state's icon is drawn of, without any colour."""
    icon = row.one(class_="c-state").one("svg")
    return tuple(
        (each.tag, each.attributes.get("d", "") + each.attributes.get("class", ""))
        for each in icon.walk()
        if each is not icon
    )


def test_each_state_has_a_word_and_a_shape_of_its_own(market: Market, show):
    fill(market)

    shown = rows(show("/"))

    assert {row.one(class_="c-state").text for row in shown.values()} == {
        state.label for state in STATES.values()
    }
    assert len({outline(row) for row in shown.values()}) == len(STATES)


def test_the_most_urgent_source_comes_first(market: Market, show):
    fill(market)

    order = [name.removeprefix("a-").replace("-", "_") for name in rows(show("/"))]

    assert order == list(STATES)


def test_a_failure_says_why_and_how_often(market: Market, show):
    ids = fill(market)
    market.run(ids["failing"], "failure", started_at=AGO[1], reason="KeyRejected", message="no key")

    row = rows(show("/"))["a-failing"]

    assert "KeyRejected : no key" in row.text
    assert "2 failures in a row" in row.text


def test_freshness_is_told_beside_what_is_allowed(market: Market, show):
    fill(market)

    stale = rows(show("/"))["a-stale"]

    assert "1 h ago" in stale.one(class_="c-fresh").text
    assert "of 30 min" in stale.one(class_="c-fresh").text
    assert stale.one(class_="meter").attributes["aria-label"] == "100 % of the allowed age"
    absolute = stale.one(class_="c-fresh").one("time").attributes
    assert absolute["title"].endswith(" UTC")
    assert absolute["datetime"].endswith("Z")


def test_the_next_run_follows_from_the_schedule(market: Market, show):
    fill(market)
    market.source("unscheduled")

    shown = rows(show("/"))

    due = shown["a-fresh"].one(class_="c-next").one("time").attributes["datetime"]
    assert datetime.fromisoformat(due) > NOW
    assert datetime.fromisoformat(due).minute % 10 == 0
    assert "paused" in shown["a-suspended"].one(class_="c-next").text
    assert shown["unscheduled"].one(class_="c-next").text == "unknown no schedule is stored"


def test_each_run_is_a_bar_that_leads_to_it(market: Market, show):
    source_id = market.source("gecko")
    statuses = ("success", "failure", "interrupted", "skipped", "running")
    ids = [
        market.run(source_id, status, started_at=NOW - timedelta(minutes=9 - place))
        for place, status in enumerate(statuses)
    ]

    drawing = rows(show("/"))["gecko"].one("svg", class_="bars")

    assert [link.attributes["href"] for link in drawing.all("a")] == [f"/runs/{i}" for i in ids]
    assert drawing.attributes["aria-label"].startswith("Last 5 runs: 1 success")
    drawn = [link.all(class_="bar")[0].attributes["class"].split()[1] for link in drawing.all("a")]
    assert drawn == [f"is-{status}" for status in statuses]


def test_a_run_under_way_tells_how_far_it_is(market: Market, show):
    ids = fill(market)
    market.run_sql(
        "UPDATE etl_runs SET processed = 400, loaded = 400, records_total = 9000 "
        "WHERE source_id = :source_id",
        source_id=ids["loading"],
    )

    assert "400 of 9,000 records" in rows(show("/"))["a-loading"].text


def test_drift_is_seen_beside_a_failure_too(market: Market, show):
    ids = fill(market)
    market.run(ids["drifted"], "failure", started_at=NOW, reason="UpstreamError")

    row = rows(show("/"))["a-drifted"]

    assert row.one(class_="c-state").text == "failing"
    assert "Upstream changed as well" in row.text


def test_drift_is_news_for_three_days(market: Market, show):
    fill(market)
    market.run_sql("UPDATE schema_drifts SET detected_at = now() - interval '73 hours'")

    assert rows(show("/"))["a-drifted"].one(class_="c-state").text == "fresh"


def test_sources_that_are_gone_are_left_out(market: Market, show):
    fill(market)
    market.run_sql("UPDATE sources SET retired_at = now() WHERE name = 'a-failing'")

    assert "a-failing" not in rows(show("/"))


def test_one_state_can_be_chosen(market: Market, show):
    fill(market)

    page = show("/?state=stale")

    assert list(rows(page)) == ["a-stale"]
    assert page.one("a", **{"aria-current": "true"}).text == "1 stale"


@pytest.mark.parametrize("path", ["/?state=odd", "/?page=0", "/?colour=red"])
def test_a_wrong_question_is_explained_on_a_page(show, path):
    page = show(path, status=422)

    assert page.one("h1").text == "The request's parameters are not valid"
    assert page.one("main").all("li")


def test_an_empty_database_says_what_to_do_next(show):
    page = show("/")

    assert page.one("h1").text == "No source yet"
    assert "cryptosource up -f samples/" in page.one("main").text


def test_many_sources_are_shown_in_pages(market: Market, show):
    for number in range(53):
        market.source(f"source-{number:02}")

    first, second = show("/"), show("/?page=2")

    assert len(rows(first)) == 50
    assert list(rows(second)) == ["source-50", "source-51", "source-52"]
    assert first.one("a", rel="next").attributes["href"] == "/?page=2"
