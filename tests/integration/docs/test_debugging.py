"""docs/debugging.md: its statements fit the schema, and find what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, text

from support.readers import coin
from support.runs import identity, load

PAGE = (Path(__file__).parents[3] / "docs" / "debugging.md").read_text("utf-8")
STATEMENTS = re.findall(r"^```sql\n(.+?);\n```$", PAGE, re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r":'(\w+)'")

Ask = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def ask(engine: Engine) -> Ask:
    """Ask the page's one statement that begins so, as psql would."""
    variables = {"namespace": "test", "source": "a", "ticker": "BTC"}

    def ask(beginning: str) -> list[dict[str, Any]]:
        (statement,) = (one for one in STATEMENTS if one.startswith(f"SELECT {beginning}"))
        named = set(_VARIABLE.findall(statement))
        bound = text(_VARIABLE.sub(r":\1", statement))
        with engine.connect() as connection:
            rows = connection.execute(bound, {name: variables[name] for name in named})
            return [dict(row) for row in rows.mappings()]

    return ask


@pytest.fixture
def loaded(database: URL) -> None:
    """A run that loaded one coin and rejected a record, and a run of another source."""
    btc = coin("btc", symbol="BTC", name="Bitcoin", rank=1, price="100")
    load(database, [btc, coin("bad", bad="Negative")])
    load(database, [coin("else", symbol="ELSE")], source=identity("b"))


def test_every_statement_of_the_page_is_asked_here():
    tested = Path(__file__).read_text("utf-8")

    assert len(STATEMENTS) == len(set(re.findall(r'ask\("([^"]+)"\)', tested)))


@pytest.mark.usefixtures("loaded")
def test_the_runs_are_those_of_the_source(ask: Ask):
    (run,) = ask("r.run_id")

    assert (run["status"], run["loaded"], run["rejected"]) == ("success", 1, 1)


def test_a_run_is_shown_with_the_session_that_it_holds(database: URL, ask: Ask):
    seen = []
    load(database, [coin("btc")], before_page=lambda _: seen.extend(ask("s.namespace")))

    assert [(row["name"], row["state"], row["blocked_by"]) for row in seen] == [("a", "idle", [])]


@pytest.mark.usefixtures("loaded")
def test_the_checkpoint_is_that_of_the_source(ask: Ask):
    (checkpoint,) = ask("c.cursor")

    assert checkpoint["records_committed"] == 2


@pytest.mark.usefixtures("loaded")
def test_quarantine_shows_the_payload(ask: Ask):
    (rejected,) = ask("j.external_id")

    assert rejected["reason"] == "Negative"
    assert rejected["payload"]["id"] == "bad"


@pytest.mark.usefixtures("loaded")
def test_a_value_is_shown_with_the_payload_that_it_came_from(ask: Ask):
    (view,) = ask("s.name, q")

    assert (view["name"], view["price_usd"], view["payload"]["price"]) == ("a", 100, "100")


@pytest.mark.usefixtures("loaded")
def test_a_match_is_shown_with_its_evidence(ask: Ask):
    (match,) = ask("a.id_scope")

    assert (match["external_id"], match["method"]) == ("btc", "minted")
    assert "no known coin fits" in match["evidence"]


def test_a_request_is_shown_with_the_run_that_came_of_it(engine: Engine, database: URL, ask: Ask):
    load(database, [coin("btc")], job_name="asked")
    with engine.begin() as connection:
        connection.execute(
            text("""
            WITH q AS (
              INSERT INTO run_requests (request_id, source_id, expires_at, status, accepted_by,
                                        accepted_at)
              SELECT gen_random_uuid(), source_id, now(), 'accepted', 'test', now() FROM sources
              RETURNING request_id
            )
            INSERT INTO run_request_jobs (request_id, source_uid, job_name)
            SELECT request_id, 'uid-a', 'asked' FROM q
            """)
        )

    (request,) = ask("q.status")

    assert (request["status"], request["job_name"], request["run"]) == (
        "accepted",
        "asked",
        "success",
    )
