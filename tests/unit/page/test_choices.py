"""Who gets HTML, which state a source is in, when it is due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_api.http.accept import prefers_html
from cryptosource_api.page.overview import next_due
from cryptosource_api.page.source_states import STATES, state_of

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (CHROME, True),
        ("text/html", True),
        ("text/*", True),
        ("TEXT/HTML;Q=0.9, application/json;q=0.5", True),
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
        ("application/json, text/html;q=0.9", False),
        ("", False),
    ],
)
def test_html_is_for_those_who_want_it_more_than_json(accept, html):
    assert prefers_html(accept) is html


@given(st.text(max_size=200))
def test_any_accept_header_is_answered(accept):
    assert prefers_html(accept) in {True, False}


def health(**over: Any) -> dict[str, Any]:
    return {
        "suspended": False,
        "last_status": "success",
        "running": False,
        "last_reason": "Completed",
        "last_message": None,
        "age_seconds": 10,
        "max_age_seconds": 60,
    } | over


@pytest.mark.parametrize(
    ("row", "drifts", "state"),
    [
        (health(), 0, "fresh"),
        (health(), 2, "drifted"),
        (health(age_seconds=61), 2, "stale"),
        (health(last_status="failure"), 2, "failing"),
        (health(last_status="interrupted"), 0, "failing"),
        (health(last_status=None), 0, "never_run"),
        (health(last_status=None, running=True), 0, "loading"),
        (health(suspended=True, last_status="failure"), 2, "suspended"),
    ],
)
def test_what_is_most_urgent_decides_the_state(row, drifts, state):
    assert state_of(row, drifts=drifts) is STATES[state]


def schedule(**over: Any) -> dict[str, Any]:
    return {"schedule": "0 3 * * *", "time_zone": "Europe/Berlin", "now": NOON} | over


def test_a_source_is_due_in_its_own_time_zone():
    assert next_due(schedule(), suspended=False) == datetime(2026, 11, 21, 2, tzinfo=UTC)


def test_a_source_is_not_due_before_its_upstream_wants_to_be_asked_again():
    row = schedule(
        schedule="*/5 * * * *", next_attempt_at=datetime(2026, 11, 20, 12, 7, tzinfo=UTC)
    )

    assert next_due(row, suspended=False) == datetime(2026, 11, 20, 12, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "row",
    [
        schedule(schedule=None),
        schedule(schedule="every now and then"),
        schedule(time_zone="Mars/Olympus"),
        schedule(schedule="0 0 30 2 *"),
    ],
)
def test_what_cannot_be_known_is_not_guessed(row):
    assert next_due(row, suspended=False) is None


def test_a_suspended_source_is_not_due():
    assert next_due(schedule(), suspended=True) is None
