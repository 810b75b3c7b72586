"""The pages of runs: the history, and one run with its rejected records and drifts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.http.pagination import MAX_CURSOR_LENGTH
from cryptosource_api.page.stored_json import parse_answer, parse_times
from cryptosource_api.runs.queries import RunsParameters, read_run, read_runs
from cryptosource_api.runs.source_filter import SourceChoice
from cryptosource_store.reasons import RunStatus
from cryptosource_store.statements import web_page as sql

MOMENTS = ("started_at", "finished_at", "next_attempt_at")


class RunListParameters(SourceChoice):
    """Parameters of `/runs`."""

    status: RunStatus | None = None
    cursor: str | None = Field(default=None, max_length=MAX_CURSOR_LENGTH)


@dataclass(frozen=True, kw_only=True)
class RunList:
    """A page of runs, newest first."""

    now: datetime
    runs: Sequence[Mapping[str, Any]]
    pagination: Mapping[str, Any]
    asked: RunListParameters
    names: Sequence[str]
    """Names of the sources, for the filter."""
    statuses: Sequence[str] = tuple(RunStatus)


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """The page of one run."""

    now: datetime
    run: Mapping[str, Any]
    reasons: Sequence[Mapping[Any, Any]]
    """Reasons for which records were rejected, with the number of each."""
    before: str | None
    after: str | None
    """Ids of the previous and the next run of the source."""

    @property
    def shares(self) -> Sequence[tuple[str, int, Decimal, Decimal]]:
        """Parts of the bar of records: outcome, count, begin and length in percent."""
        total = self.run["processed"]
        parts, begin = [], Decimal(0)
        for kind in ("loaded", "unchanged", "rejected"):
            length = Decimal(100) * self.run[kind] / total if total else Decimal(0)
            parts.append((kind, self.run[kind], round(begin, 2), round(length, 2)))
            begin += length
        return parts

    @property
    def most_rejected(self) -> int:
        """The largest count among the reasons."""
        return max((row["records"] for row in self.reasons), default=0)


def read_run_list(connection: Connection, parameters: RunListParameters) -> RunList:
    """Return a page of runs.

    Raises:
        InvalidRequest: the cursor is not one of this list.
    """
    asked = RunsParameters.model_validate(parameters.model_dump())
    answer = parse_answer(read_runs(connection, asked, exact_source=True))
    choices = connection.execute(sql.SOURCE_CHOICES).mappings()
    return RunList(
        now=connection.scalar(sql.NOW),
        runs=[parse_times(run, MOMENTS) for run in answer["data"]],
        pagination=answer["pagination"],
        asked=parameters,
        names=sorted({row["name"] for row in choices}),
    )


def read_run_page(connection: Connection, run_id: str) -> RunPage:
    """Return one run.

    Raises:
        InvalidRequest: the id is no UUID.
        NotFound: there is no such run.
    """
    run = parse_times(parse_answer(read_run(connection, run_id))["data"], MOMENTS)
    bound = {"run_id": run["run_id"]}
    beside = connection.execute(sql.NEIGHBOUR_RUNS, bound).mappings().one()
    return RunPage(
        now=connection.scalar(sql.NOW),
        run={
            **run,
            "rejects": [
                parse_times(each, ("first_seen_at", "last_seen_at")) for each in run["rejects"]
            ],
            "drifts": [format_drift(each) for each in run["drifts"]],
        },
        reasons=connection.execute(sql.REJECT_REASONS, bound).mappings().all(),
        before=beside["before"],
        after=beside["after"],
    )


def format_drift(drift: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return a drift with its types as text."""
    return {
        **drift,
        **{name: _types(drift[name]) for name in ("types_before", "types_after")},
    }


def _types(types: Any) -> str:
    if isinstance(types, list):
        return ", ".join(map(str, types)) or "nothing"
    return json.dumps(types)
