"""Where pages begin changes nothing: any history gives the same tables at any batch size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from cryptosource_store.tables import metadata
from support.oracle import contradictions, execute, facts, rows
from support.readers import coin
from support.runs import load

TABLES = ", ".join(table.name for table in metadata.sorted_tables)
COINS = st.fixed_dictionaries(
    {
        "external_id": st.sampled_from(["alpha", "beta"]),
        "at": st.integers(0, 2),
        "price": st.sampled_from(["1", "2"]),
        "bad": st.sampled_from([None, None, None, "Negative"]),
    }
)


def _model(histories: list[list[dict[str, Any]]]) -> dict[tuple[str, int], Decimal]:
    """Return the quotes that must be stored: the last word on each coin and time."""
    return {
        (fields["external_id"], fields["at"]): Decimal(fields["price"])
        for history in histories
        for fields in history
        if not fields["bad"]
    }


def _load(url: URL, histories: list[list[dict[str, Any]]], batch_size: int) -> dict[str, Any]:
    execute(url, f"TRUNCATE {TABLES} RESTART IDENTITY")
    counts = []
    for history in histories:
        outcome = load(url, [coin(**fields) for fields in history], batch_size=batch_size)
        assert outcome.status == "success", outcome
        assert outcome.counts.processed == len(history)
        counts.append(outcome.counts)
    assert contradictions(url) == {}
    return {"counts": counts, **facts(url)}


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(COINS, max_size=8), min_size=1, max_size=2))
def test_any_batch_size_gives_the_same_tables(
    module_database: URL, histories: list[list[dict[str, Any]]]
):
    whole = _load(module_database, histories, 1000)
    stored = rows(
        module_database,
        "SELECT external_id, extract(epoch FROM q.observed_at - '2026-10-01 12:00Z')::int / 60,"
        " q.price_usd FROM quotes q JOIN asset_aliases USING (asset_id)",
    )
    assert {(row[0], row[1]): row[2] for row in stored} == _model(histories)
    for batch_size in (1, 2, 7):
        assert _load(module_database, histories, batch_size) == whole
