"""A page that is prepared before the ones ahead of it are committed ends up as if it had waited."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import chain, pairwise
from typing import Any

import pytest
from sqlalchemy import URL, text

from cryptosource_etl.clock import SystemClock
from cryptosource_etl.crash_points import CrashPoints
from cryptosource_etl.pipeline.load.page_loader import PageLoader
from cryptosource_etl.pipeline.prepare import pipelined_preparation
from cryptosource_etl.pipeline.prepare.page_preparation import PagePreparer
from cryptosource_etl.pipeline.prepare.pipelined_preparation import (
    LookUpSession,
    PipelinedPreparation,
)
from cryptosource_etl.pipeline.run.claim import Claim, claim_source
from cryptosource_etl.pipeline.run.outcome import RunOutcome
from cryptosource_etl.pipeline.run.ports import Batch
from cryptosource_etl.records import RawRecord
from cryptosource_store.engine import loading_engine, session_engine
from cryptosource_store.statements.identity import LOCK_IDENTITY
from support.oracle import contradictions, rows, value
from support.readers import ScriptedReader, coin
from support.runs import identity, load, settings

BITCOIN = {"symbol": "BTC", "name": "Bitcoin", "cap": "2000", "rank": 1}
LATER = {"at": 1, "price": "1.01"}
ASSETS_OF_B = """
SELECT count(DISTINCT q.asset_id), count(*) FROM quotes q JOIN sources s USING (source_id)
 WHERE s.name = 'b'"""
SAY_BITCOIN = (
    "INSERT INTO assets (slug, symbol, name) VALUES ('bitcoin', 'OTHER', 'Somebody else''s')"
)


def load_two_ahead(
    database: URL, records: Sequence[RawRecord], *, meanwhile: str = "SELECT 1", **options: Any
) -> RunOutcome:
    """Load a record a page; the first is not committed before the second is prepared.

    Args:
        database: where.
        records: at least three, the first of an id that nobody has seen.
        meanwhile: a statement that somebody else commits then.
        options: as for `load`.
    """
    rival = session_engine(database, application="rival").connect()

    def before_page(number: int) -> None:
        if number == 2:
            rival.execute(text(meanwhile))
            rival.commit()

    with rival:
        rival.execute(LOCK_IDENTITY)
        return load(database, records, batch_size=1, before_page=before_page, **options)


def test_a_page_sees_what_the_page_before_it_is_about_to_store(database: URL):
    first, later = coin("bitcoin", **BITCOIN), coin("bitcoin", **BITCOIN | LATER)
    outcome = load_two_ahead(database, [first, first, later, later])
    assert (outcome.counts.loaded, outcome.counts.unchanged) == (2, 2)
    assert value(database, "SELECT count(*) FROM assets") == 1
    assert value(database, "SELECT total FROM dataset_versions WHERE dataset = 'unified'") == 1
    assert contradictions(database) == {}


def test_a_page_follows_the_page_before_it_to_the_coin_that_evidence_found(database: URL):
    load(database, [coin("btc-bitcoin", **BITCOIN)])
    first, later = coin("bitcoin", **BITCOIN), coin("bitcoin", **BITCOIN | LATER)
    load_two_ahead(database, [first, later, coin("else")], source=identity("b"))
    query = "SELECT external_id, method FROM asset_aliases ORDER BY 1"
    assert rows(database, query) == [
        ("bitcoin", "evidence"),
        ("btc-bitcoin", "minted"),
        ("else", "minted"),
    ]
    assert rows(database, ASSETS_OF_B) == [(2, 3)]
    assert contradictions(database) == {}


def test_every_page_of_a_history_follows_to_the_coin_that_the_first_one_found(database: URL):
    """However long it is: each page was prepared on what the page before it proposed."""
    history = [coin("bitcoin", **BITCOIN | {"at": minute}) for minute in range(8)]
    reader, source = ScriptedReader(history, batch_size=1), identity("b")
    engine = loading_engine(database)
    with engine.connect() as connection, closing(LookUpSession(engine)) as session:
        claim = claim_source(connection, source, settings(), clock=SystemClock(), trace_id=None)
        assert isinstance(claim, Claim)
        loader = PageLoader(
            connection,
            claim,
            reader,
            pins={},
            clock=SystemClock(),
            crash_points=CrashPoints(),
            reject_limit_percent=0,
        )
        loader.prepare()
        preparer = PagePreparer(claim, reader, pinned=(), acquire=session.acquire)
        ahead = PipelinedPreparation(preparer, committed=lambda: loader.pages_committed)
        prepared_ahead = pairwise(chain(ahead.prepare(reader.pages({})), [None]))
        for number, ((page, prepared), _) in enumerate(prepared_ahead):
            if number == 0:
                load(database, [coin("btc-bitcoin", **BITCOIN)])
            loader.load(
                Batch(
                    records=page.records,
                    received_at=page.received_at,
                    cursor={},
                    prepared=prepared,
                )
            )

    assert value(database, "SELECT count(*) FROM assets") == 1
    assert rows(database, ASSETS_OF_B) == [(1, len(history))]
    assert contradictions(database) == {}


def test_a_page_follows_the_page_before_it_to_the_coin_that_is_pinned(database: URL):
    load(database, [coin("btc-bitcoin", **BITCOIN)])
    pages = [coin("mine", price="7"), coin("mine", **LATER), coin("else")]
    pins = {"mine": "scope-a:btc-bitcoin"}
    outcome = load_two_ahead(database, pages, source=identity("b"), pins=pins)
    assert outcome.counts.loaded == 3
    assert rows(database, ASSETS_OF_B) == [(2, 3)]
    assert value(database, "SELECT count(*) FROM assets") == 2
    assert contradictions(database) == {}


def test_two_look_alikes_in_different_pages_are_not_both_taken_for_one_coin(database: URL):
    load(database, [coin("btc-bitcoin", **BITCOIN)])
    pages = [coin("one", **BITCOIN), coin("two", **BITCOIN), coin("else")]
    load_two_ahead(database, pages, source=identity("b"))
    query = "SELECT external_id, method FROM asset_aliases WHERE id_scope = 'scope-b' ORDER BY 1"
    assert rows(database, query) == [("else", "minted"), ("one", "evidence"), ("two", "minted")]
    assert contradictions(database) == {}


def test_a_coin_that_appeared_since_the_look_up_is_evidence_too(database: URL):
    pages = [coin("one", **BITCOIN), coin("two", **BITCOIN), coin("else")]
    load_two_ahead(database, pages)
    query = (
        "SELECT evidence #>> '{considered,0,because}' FROM asset_aliases WHERE external_id = 'two'"
    )
    assert value(database, query) == "this source already has another id for it"


def test_two_coins_that_want_one_name_get_two_in_different_pages(database: URL):
    load_two_ahead(database, [coin("Bit Coin"), coin("bit-coin"), coin("else")])
    slugs = [slug for (slug,) in rows(database, "SELECT slug FROM assets ORDER BY asset_id")]
    assert slugs[0] == "bit-coin"
    assert slugs[1].startswith("bit-coin--")


def test_a_page_whose_name_somebody_else_took_meanwhile_goes_again(database: URL):
    first, later = coin("bitcoin", **BITCOIN), coin("bitcoin", **BITCOIN | LATER)
    outcome = load_two_ahead(database, [first, later, coin("else")], meanwhile=SAY_BITCOIN)
    assert outcome.counts.loaded == 3
    slugs = rows(database, "SELECT DISTINCT slug FROM assets JOIN quotes USING (asset_id)")
    assert sorted(slug.partition("--")[0] for (slug,) in slugs) == ["bitcoin", "else"]
    assert ("bitcoin",) not in slugs
    assert value(database, "SELECT count(*) FROM quotes") == 3


def test_a_session_that_was_idle_for_long_is_replaced_before_its_end_is_noticed(
    database: URL, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pipelined_preparation, "IDLE_SECONDS", -1)
    session = LookUpSession(loading_engine(database))
    with session.acquire() as connection:
        first = connection.scalar(text("SELECT pg_backend_pid()"))
    value(database, f"SELECT pg_terminate_backend({first})")
    with session.acquire() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != first
    session.close()
