"""The history of runs, and one run with all that it met."""

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
from cryptosource_api.page.stored_json import times, unwrapped
from cryptosource_api.runs.queries import RunsParameters, read_run, read_runs
from cryptosource_api.runs.source_filter import SourceChoice
from cryptosource_store.reasons import RunStatus
from cryptosource_store.statements import page as sql

MOMENTS = ("started_at", "finished_at", "next_attempt_at")


class RunListParameters(SourceChoice):
    """What `/runs` understands."""

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
    """Of the sources, to choose from."""
    statuses: Sequence[str] = tuple(RunStatus)


@dataclass(frozen=True, kw_only=True)
class ShownRun:
    """One run."""

    now: datetime
    run: Mapping[str, Any]
    reasons: Sequence[Mapping[Any, Any]]
    """Why records were rejected, and how many for each."""
    before: str | None
    after: str | None
    """Ids of the runs of the same source beside it."""

    @property
    def shares(self) -> Sequence[tuple[str, int, Decimal, Decimal]]:
        """What became of the records: kind, count, where its part of the bar begins, its length.

        Begin and length are in percent.
        """
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
    answer = unwrapped(read_runs(connection, asked, exact_source=True))
    choices = connection.execute(sql.SOURCE_CHOICES).mappings()
    return RunList(
        now=connection.scalar(sql.NOW),
        runs=[times(run, MOMENTS) for run in answer["data"]],
        pagination=answer["pagination"],
        asked=parameters,
        names=sorted({row["name"] for row in choices}),
    )


def read_shown_run(connection: Connection, run_id: str) -> ShownRun:
    """Return one run.

    Raises:
        InvalidRequest: the id is no UUID.
        NotFound: there is no such run.
    """
    run = times(unwrapped(read_run(connection, run_id))["data"], MOMENTS)
    bound = {"run_id": run["run_id"]}
    beside = connection.execute(sql.NEIGHBOUR_RUNS, bound).mappings().one()
    return ShownRun(
        now=connection.scalar(sql.NOW),
        run={
            **run,
            "rejects": [times(each, ("first_seen_at", "last_seen_at")) for each in run["rejects"]],
            "drifts": [shown_drift(each) for each in run["drifts"]],
        },
        reasons=connection.execute(sql.REJECT_REASONS, bound).mappings().all(),
        before=beside["before"],
        after=beside["after"],
    )


def shown_drift(drift: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return a change of a field, its types in words."""
    return {
        **drift,
        **{name: _types(drift[name]) for name in ("types_before", "types_after")},
    }


def _types(types: Any) -> str:
    if isinstance(types, list):
        return ", ".join(map(str, types)) or "nothing"
    return json.dumps(types)
