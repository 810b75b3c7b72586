"""The comparison of two runs of a source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.http.envelope import object_body
from cryptosource_api.http.list_answer import Answer
from cryptosource_api.http.models import Amount, Model
from cryptosource_api.http.parameters import Parameters
from cryptosource_api.http.problems import URN, ApiProblem, InvalidRequest, Mistake, NotFound
from cryptosource_api.runs.models import Run
from cryptosource_store.statements import run_comparison as sql

Row = Mapping[Any, Any]


class Change(Model):
    """One figure of both runs."""

    metric: Literal[
        "duration_seconds",
        "processed",
        "loaded",
        "unchanged",
        "rejected",
        "pages",
        "requests",
        "retries",
    ]
    a: Amount
    b: Amount
    difference: Amount = Field(description="b less a.")
    difference_percent: Amount | None = Field(description="Of a; null: a is 0.")


class ReasonChange(Model):
    """Records that both runs rejected for one reason."""

    reason: str
    a: int
    b: int
    difference: int


class Pass(Model):
    """The pass over the whole upstream that gives the list of its ids."""

    run_id: UUID
    listed: int = Field(description="Ids in it, rejected ones among them.")
    is_this_run: bool = Field(
        description="False: the run saw a part alone; this is the last whole pass before it."
    )


class ListedCoin(Model):
    """An id of the upstream, and the coin it stands for."""

    external_id: str
    id: str | None = Field(description="Null: no record of it was ever accepted.")
    asset_id: int | None
    symbol: str | None
    name: str | None


class ListedCoins(Model):
    """Ids that came or went."""

    total: int
    coins: list[ListedCoin] = Field(description="At most 100, best-ranked first.")


class CoinChanges(Model):
    """What the upstream listed in the one pass and not in the other."""

    a: Pass
    b: Pass
    appeared: ListedCoins = Field(description="In b, not in a.")
    vanished: ListedCoins = Field(description="In a, not in b.")


class Comparison(Model):
    """Two runs and their differences."""

    a: Run
    b: Run
    changes: list[Change]
    reject_reasons: list[ReasonChange] | None = Field(
        description="Null: one of the runs did not count them (a replay, or an older version)."
    )
    coins: CoinChanges | None = Field(
        description="Null: before one of the runs no pass was seen whole by one run."
    )


class CompareParameters(Parameters):
    """Parameters of `GET /stats/compare`."""

    a: UUID = Field(
        description="The run to start from, as /stats/runs lists it.",
        examples=["f94bf25c-15d1-ab59-1de4-73a8595ad2f5"],
    )
    b: UUID = Field(
        description="The run to compare with it; it may be the earlier one.",
        examples=["aea821a7-5daf-2b28-ef63-b510c9570a0b"],
    )


def read_comparison(connection: Connection, parameters: CompareParameters) -> Answer:
    """Return two runs and their differences.

    Raises:
        InvalidRequest: both are the same run.
        NotFound: one of them does not exist, or is past its retention.
        ApiProblem: 422; they are of different sources.
    """
    if parameters.a == parameters.b:
        raise InvalidRequest(Mistake(parameter="b", detail="is the same run as a"))
    run_ids = {"a": str(parameters.a), "b": str(parameters.b)}
    rows = {row["run_id"]: row for row in connection.execute(sql.RUNS_COMPARED, run_ids).mappings()}
    missing = [f"{name}={run_id}" for name, run_id in run_ids.items() if run_id not in rows]
    if missing:
        raise NotFound(f"There is no run {' and no run '.join(missing)}")
    a, b = rows[run_ids["a"]], rows[run_ids["b"]]
    if a["source_id"] != b["source_id"]:
        raise ApiProblem(
            status=422,
            detail=f"a is a run of {a['source']}, b one of {b['source']}; choose runs of one source",
            kind=f"{URN}runs-of-different-sources",
            title="The runs cannot be compared",
        )
    # Joined as text: the parts are JSON of Postgres already, with exact numbers.
    members = {
        "a": a["body"],
        "b": b["body"],
        "changes": connection.scalar(sql.RUN_CHANGES, run_ids),
        "reject_reasons": json.dumps(_compare_reasons(a, b)),
        "coins": _compare_listings(connection, a, b),
    }
    body = ", ".join(f'"{name}": {text}' for name, text in members.items())
    return Answer(body=object_body(f"{{{body}}}"))


def _compare_reasons(a: Row, b: Row) -> list[dict[str, Any]] | None:
    """Return rejected records by reason; None where one of the runs did not count them."""
    if any(row["rejected"] and row["reject_reasons"] is None for row in (a, b)):
        return None
    of_a, of_b = a["reject_reasons"] or {}, b["reject_reasons"] or {}
    return [
        {
            "reason": reason,
            "a": of_a.get(reason, 0),
            "b": of_b.get(reason, 0),
            "difference": of_b.get(reason, 0) - of_a.get(reason, 0),
        }
        for reason in sorted(of_a.keys() | of_b.keys())
    ]


def _compare_listings(connection: Connection, a: Row, b: Row) -> str:
    if a["pass_epoch"] is None or b["pass_epoch"] is None:
        return "null"
    passes = {"a": a["pass_epoch"], "b": b["pass_epoch"]}
    bound = {"source_id": a["source_id"], **passes}
    changes = connection.execute(sql.LISTING_CHANGES, bound).mappings().one()
    return (
        f'{{"a": {json.dumps(_describe_pass(a))}, "b": {json.dumps(_describe_pass(b))}, '
        f'"appeared": {_listing(changes, "appeared")}, "vanished": {_listing(changes, "vanished")}}}'
    )


def _describe_pass(row: Row) -> dict[str, Any]:
    return {
        "run_id": row["pass_run_id"],
        "listed": row["listed"],
        "is_this_run": row["pass_run_id"] == row["run_id"],
    }


def _listing(changes: Row, name: str) -> str:
    return f'{{"total": {changes[f"{name}_total"]}, "coins": {changes[name]}}}'
