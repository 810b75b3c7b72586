"""Sources that load the same coins at once end where they would have ended in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import URL, text

from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_store.engine import session_engine
from support.oracle import contradictions, counts, execute, wait_until
from support.readers import coin
from support.runs import identity, load

COINS = 120
WAITING_FOR_A_LOCK = """FROM pg_stat_activity WHERE datname = current_database()
   AND wait_event_type = 'Lock' AND application_name = 'cryptosource-etl'"""


def _coins(source: str, minute: int) -> list:
    """Return coins that all sources know, in an order of the source's own, with rivals a-plenty."""
    order = range(COINS) if source != "b" else reversed(range(COINS))
    return [
        coin(
            f"{source}-{number}" if source in "ab" else f"shared-{number}",
            at=minute,
            symbol=f"S{(number + (minute if number % 7 == 0 else 0)) % 40}",
            name=f"Coin {number}",
            price=str(100 + number + minute),
            cap=str(1000 * (number + 1)),
            rank=1 + (number * 37 + minute * 11 + (source == "b")) % COINS,
        )
        for number in order
    ]


def _at_once(tasks: Sequence[Callable[[], RunOutcome]]) -> list[RunOutcome]:
    outcomes: list[RunOutcome] = []
    threads = [threading.Thread(target=lambda task=task: outcomes.append(task())) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.timeout(120)
def test_two_sources_of_the_same_coins_agree_with_a_recomputation(database: URL):
    for minute in range(3):
        outcomes = _at_once(
            [
                lambda name=name, at=minute: load(
                    database, _coins(name, at), batch_size=9, source=identity(name)
                )
                for name in "ab"
            ]
        )
        assert [outcome.status for outcome in outcomes] == ["success"] * 2, outcomes
        assert contradictions(database) == {}
    assert counts(database, "unified") == {"unified": COINS}


def test_two_sources_of_one_vendor_mint_each_coin_once(database: URL):
    outcomes = _at_once(
        [
            lambda name=name: load(
                database,
                _coins("shared", 0),
                batch_size=7,
                source=identity(name, scope="vendor"),
            )
            for name in ("one", "two", "three")
        ]
    )
    assert [outcome.status for outcome in outcomes] == ["success"] * 3, outcomes
    assert counts(database, "assets", "asset_aliases") == {"assets": COINS, "asset_aliases": COINS}
    assert contradictions(database) == {}


def test_a_page_that_loses_a_deadlock_goes_again(database: URL):
    """The test holds a ticker and then wants the coin, the page holds the coin and then wants it."""
    coins = [coin("one", symbol="X", rank=1), coin("two", symbol="X", rank=2)]
    load(database, coins)
    rival = session_engine(database, application="rival").connect()
    changed = [coin("one", at=1, symbol="X", rank=3), coin("two", at=1, symbol="X", rank=2)]
    with rival:
        # The page is the one that notices the deadlock first, and is the victim.
        rival.execute(text("SET deadlock_timeout = '30s'"))
        rival.execute(text("SELECT 1 FROM tickers FOR UPDATE"))
        outcomes: list[RunOutcome] = []
        page = threading.Thread(target=lambda: outcomes.append(load(database, changed)))
        page.start()
        wait_until(database, f"SELECT count(*) > 0 {WAITING_FOR_A_LOCK}")
        rival.execute(text("SELECT 1 FROM unified FOR UPDATE"))
        rival.rollback()
        page.join()
    assert [outcome.status for outcome in outcomes] == ["success"]
    assert outcomes[0].counts.loaded == 2
    assert contradictions(database) == {}


def test_a_statement_that_is_cancelled_while_it_waits_for_a_lock_fails_the_run_and_keeps_nothing(
    database: URL,
):
    load(database, [coin("one")])
    rival = session_engine(database, application="rival").connect()
    with rival:
        rival.execute(text("SELECT 1 FROM dataset_versions FOR UPDATE"))
        thread = threading.Thread(target=lambda: _cancel_when_it_waits(database))
        thread.start()
        outcome = load(database, [coin("one", at=1)])
        thread.join()
    assert (outcome.reason, outcome.exit_code) == ("DatabaseUnavailable", 75)
    assert counts(database, "quotes") == {"quotes": 1}
    assert load(database, [coin("one", at=1)]).counts.loaded == 1


def _cancel_when_it_waits(url: URL) -> None:
    wait_until(url, f"SELECT count(pg_cancel_backend(pid)) > 0 {WAITING_FOR_A_LOCK}")


def test_a_read_only_database_is_worth_another_try(database: URL):
    name = database.database
    execute(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    outcome = load(database, [coin("one")])
    assert (outcome.reason, outcome.exit_code) == ("DatabaseUnavailable", 75)
    assert "read-only" in outcome.message


def test_a_schema_that_is_not_there_says_what_to_run(postgres: URL):
    outcome = load(postgres, [coin("one")])
    assert (outcome.reason, outcome.exit_code) == ("SchemaOutdated", 78)
    assert "cryptosource migrate" in outcome.message


def test_a_database_that_is_not_there_is_said_in_one_line(database: URL):
    outcome = load(database.set(database="no_such_database"), [coin("one")])
    assert (outcome.reason, outcome.exit_code) == ("DatabaseUnavailable", 75)
    assert "\n" not in outcome.message
