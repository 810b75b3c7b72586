"""Queries of the totals and the history of runs."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator
from sqlalchemy import Connection

from cryptosource_api.http import cursor as cursors
from cryptosource_api.http.envelope import object_body
from cryptosource_api.http.list_answer import Answer, list_answer
from cryptosource_api.http.pagination import CursorPaging
from cryptosource_api.http.parameters import is_uuid
from cryptosource_api.http.problems import InvalidRequest, Mistake, NotFound
from cryptosource_api.http.timestamps import End, Start
from cryptosource_api.runs.source_filter import SourceChoice
from cryptosource_store.reasons import RunStatus
from cryptosource_store.statements import runs as sql

_CONDITIONS = {
    "source": sql.OF_SOURCE,
    "namespace": sql.OF_NAMESPACE,
    "status": sql.OF_STATUS,
    "reason": sql.OF_REASON,
    "trigger": sql.OF_TRIGGER,
    "since": sql.SINCE,
    "until": sql.UNTIL,
}


class RunsParameters(SourceChoice, CursorPaging):
    """Parameters of `GET /stats/runs`."""

    status: RunStatus | None = Field(default=None, description="How the run stands or ended.")
    reason: str | None = Field(
        default=None,
        pattern="^[A-Za-z]{1,64}$",
        description="Why it ended so, in CamelCase: UpstreamUnreachable, Completed, …",
        examples=["UpstreamUnreachable"],
    )
    trigger: str | None = Field(
        default=None,
        pattern="^[a-z]{1,64}$",
        description="What started it: schedule, manual, create, api, replay.",
        examples=["schedule"],
    )
    since: Start | None = Field(default=None, description="Started then or later.")
    until: End | None = Field(default=None, description="Started then or earlier.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is after until")
        return self


def read_runs(
    connection: Connection, parameters: RunsParameters, *, exact_source: bool = False
) -> Answer:
    """Return a page of runs, newest first.

    Args:
        connection: to read with.
        parameters: which runs.
        exact_source: `source` is a name; a type of that name does not count.

    Raises:
        InvalidCursor: the cursor is not one of this list.
    """
    window = parameters.window()
    # The limit is not part of the list: it may change from page to page.
    given = parameters.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
    digest = cursors.list_digest("runs", sorted(given.items()))
    bound: dict[str, Any] = {"size": window.size, **given}
    if window.cursor is not None:
        place = cursors.decode(window.cursor, digest=digest, types=("timestamptz", "uuid"))
        bound["after_key"] = datetime.fromisoformat(place[0] or "")
        bound["after_run"] = place[1]
    conditions = [_CONDITIONS[name] for name in given]
    # The condition on `source` alone would also match sources of a type of that name.
    if exact_source and "source" in given:
        conditions.append(sql.OF_NAME)
    statement = sql.runs_statement(conditions, after=window.cursor is not None)
    row = connection.execute(statement, bound).mappings().one()
    return list_answer(row, window, digest=digest, place=("last_key", "last_run"), cap=sql.RUNS_CAP)


def read_run(connection: Connection, run_id: str) -> Answer:
    """Return one run with a sample of its rejected records and drifts.

    Raises:
        InvalidRequest: the id is not a UUID.
        NotFound: there is no such run.
    """
    if not is_uuid(run_id):
        detail = "write a run's UUID, as /stats/runs lists them"
        raise InvalidRequest(Mistake(parameter="run_id", detail=detail))
    parsed = uuid.UUID(run_id)
    body = connection.scalar(sql.RUN, {"run_id": str(parsed)})
    if body is None:
        raise NotFound(f"There is no run {parsed}")
    return Answer(body=object_body(body))


def read_stats(connection: Connection) -> Answer:
    """Return the totals over all runs and of each source."""
    return Answer(body=object_body(connection.scalar(sql.STATS)))
