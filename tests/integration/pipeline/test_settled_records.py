"""What was proposed for a new coin holds, unless another source changed something since."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import URL, Connection, event

from cryptosource_etl.pipeline.identity.matcher import Newcomer
from cryptosource_etl.pipeline.identity.proposal import propose
from cryptosource_etl.pipeline.identity.resolution import IdentityResolver
from cryptosource_store.engine import loading_engine
from support.oracle import rows, value
from support.readers import NOON, coin
from support.runs import identity, load

B = identity("b")
BITCOIN = {"symbol": "BTC", "name": "Bitcoin", "price": "100", "cap": "2000", "rank": 1}
NEWCOMER = Newcomer(
    external_id="bitcoin",
    symbol="BTC",
    name="Bitcoin",
    price_usd=Decimal(100),
    market_cap_usd=Decimal(2000),
    rank=1,
    observed_at=NOON,
)


@pytest.fixture
def session(database: URL) -> Iterator[Connection]:
    load(database, [coin("first", symbol="ONE")], source=B)
    with loading_engine(database).connect() as connection:
        yield connection


def resolver(connection: Connection, database: URL) -> IdentityResolver:
    source_id = value(database, "SELECT source_id FROM sources WHERE name = 'b'")
    return IdentityResolver(
        connection, source_id=source_id, id_scope="scope-b", pins={}, shared_scope=False
    )


def questions(connection: Connection) -> list[str]:
    """Return a list that grows by every question for coins that bear a symbol."""
    asked: list[str] = []

    def note(*told: Any) -> None:
        if "FROM unified" in told[2]:
            asked.append(told[2])

    event.listen(connection, "before_cursor_execute", note)
    return asked


def test_a_coin_that_another_source_brought_meanwhile_is_joined(database: URL, session: Connection):
    with session.begin():
        proposal = propose(session, [NEWCOMER], id_scope="scope-b")
    load(database, [coin("btc-bitcoin", **BITCOIN)])
    theirs = value(database, "SELECT asset_id FROM asset_aliases WHERE external_id = 'btc-bitcoin'")

    with session.begin():
        decided = resolver(session, database).settle([NEWCOMER], proposal)

    assert decided == {"bitcoin": theirs}
    query = "SELECT asset_id, method FROM asset_aliases WHERE external_id = 'bitcoin'"
    assert rows(database, query) == [(theirs, "evidence")]


def test_a_name_that_another_source_took_meanwhile_is_not_taken_twice(
    database: URL, session: Connection
):
    """Whatever else is taken while the page is prepared once more: it need not be."""
    with session.begin():
        proposal = propose(session, [NEWCOMER], id_scope="scope-b")
    load(database, [coin("bitcoin", symbol="OTHER", name="Something else")])

    with session.begin():
        assert resolver(session, database).settle([NEWCOMER], proposal) == {}

    own = proposal.assets["bitcoin"]
    query = "SELECT slug FROM assets WHERE symbol IN ('BTC', 'OTHER') ORDER BY symbol"
    assert rows(database, query) == [(f"bitcoin--{own}",), ("bitcoin",)]


def test_nobody_is_asked_again_while_only_this_source_loads(database: URL, session: Connection):
    with session.begin():
        proposal = propose(session, [NEWCOMER], id_scope="scope-b")
    load(database, [coin("second", symbol="TWO")], source=B)
    asked = questions(session)

    with session.begin():
        assert resolver(session, database).settle([NEWCOMER], proposal) == {}
    assert asked == []
    stored = rows(database, "SELECT method FROM asset_aliases WHERE external_id = 'bitcoin'")
    assert stored == [("minted",)]


def test_a_surprise_in_a_page_before_is_reason_enough_to_ask_again(
    database: URL, session: Connection
):
    with session.begin():
        proposal = propose(session, [NEWCOMER], id_scope="scope-b")
    asked = questions(session)

    with session.begin():
        resolver(session, database).settle([NEWCOMER], proposal, recheck=True)
    assert len(asked) == 1
