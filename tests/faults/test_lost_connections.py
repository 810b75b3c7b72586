"""docs/faults.md, F6: the connection to Postgres breaks after any message, the COMMIT included."""

from __future__ import annotations

import pytest
from sqlalchemy import URL

from support.oracle import contradictions, counts, facts, no_run_holds_a_lock
from support.readers import coin
from support.runs import load
from support.tcp_proxy import postgres_proxy

RECORDS = [coin(f"c{number}", symbol="S", rank=number + 1) for number in range(5)]
BATCH = 3
SHARDS = 3


def _said_by_a_whole_run(make_database) -> list[list[str]]:
    """Return what the claiming session says, and the one for look-ups."""
    with postgres_proxy(make_database()) as proxy:
        assert load(proxy.url, RECORDS, batch_size=BATCH).status == "success"
        return proxy.sessions


@pytest.mark.timeout(200)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_cut_after_any_message_loses_and_doubles_nothing(make_database, shard: int):
    sessions = _said_by_a_whole_run(make_database)
    assert sessions[0].count("Q COMMIT") >= 2
    assert len(sessions) == 2
    whole = make_database()
    load(whole, RECORDS, batch_size=BATCH)
    cuts = [(n, after) for n, said in enumerate(sessions) for after in range(1, len(said))]
    for session, after in cuts[shard::SHARDS]:
        url = make_database()
        with postgres_proxy(url, cut_after=(session, after)) as proxy:
            outcome = load(proxy.url, RECORDS, batch_size=BATCH)
        said = (session, sessions[session][after - 1])
        assert proxy.cut, said
        if outcome.status != "success":
            assert (outcome.reason, outcome.exit_code) == ("DatabaseUnavailable", 75), (
                said,
                outcome.message,
            )
        assert contradictions(url) == {}, said
        no_run_holds_a_lock(url)
        rerun = load(url, RECORDS, batch_size=BATCH)
        assert rerun.status == "success", (said, rerun.message)
        assert contradictions(url) == {}, said
        assert facts(url) == facts(whole), said


def test_a_commit_whose_answer_is_lost_is_found_done_by_the_next_run(make_database, database: URL):
    messages = _said_by_a_whole_run(make_database)[0]
    copies = [n for n, said in enumerate(messages) if said.startswith("Q COPY page_stage")]
    commit = next(n for n, said in enumerate(messages) if n > copies[0] and said == "Q COMMIT")
    with postgres_proxy(database, cut_after=(0, commit + 1)) as proxy:
        assert load(proxy.url, RECORDS, batch_size=BATCH).reason == "DatabaseUnavailable"
    assert counts(database, "quotes") == {"quotes": BATCH}
    rerun = load(database, RECORDS, batch_size=BATCH)
    assert (rerun.counts.loaded, rerun.counts.unchanged) == (2, 0)
