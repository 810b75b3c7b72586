"""The status of a source, computed from its observed state. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptosource_operator.clock import parse_time, rfc3339
from cryptosource_operator.conditions import OWNED, deciding_row
from cryptosource_operator.observed_state import ObservedState, condition_of
from cryptosource_operator.source_facts import CheckpointFacts, HistoryFacts, RunFacts
from cryptosource_operator.source_parser import shorten
from cryptosource_store.reasons import RunStatus

# A list of sources has the status of each, and clients of the API server read lists often.
STATUS_BYTES = 8 * 1024
"""Largest status, as JSON."""
CURSOR_BYTES = 1024
"""Of a longer cursor only the short members are shown."""
RECENT_RUNS = 10
HISTORY_FIELDS = (
    "lastSuccessTime",
    "lastFailureTime",
    "consecutiveFailures",
    "lastRun",
    "checkpoint",
    "totals",
    "recentRuns",
)
"""Fields that keep their old values while Postgres cannot be reached."""


def summarize(state: ObservedState) -> dict[str, Any]:
    """Return the status of a source, at most `STATUS_BYTES` of JSON."""
    cronjob_status = (state.cronjob or {}).get("status") or {}
    status: dict[str, Any] = {
        "observedGeneration": state.generation,
        "conditions": _conditions(state),
        "cronJob": state.cronjob["metadata"]["name"] if state.cronjob else None,
        "lastScheduleTime": cronjob_status.get("lastScheduleTime"),
        "nextScheduleTime": _format_time(state.next_run_at),
        "lastHandledRunRequest": state.handled[:256] or None,
    }
    if state.history is None:
        status |= {name: state.old[name] for name in HISTORY_FIELDS if name in state.old}
    else:
        status |= _history_fields(state, state.history)
    return _fit_limit({name: value for name, value in status.items() if value is not None})


def has_new_facts(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a status differs in more than counts and times."""

    def facts(status: Mapping[str, Any]) -> list[Any]:
        run = status.get("lastRun") or {}
        conditions = status.get("conditions") or ()
        return [
            status.get("observedGeneration"),
            status.get("cronJob"),
            status.get("lastHandledRunRequest"),
            (run.get("id"), run.get("status")),
            sorted((each["type"], each["status"], each["reason"]) for each in conditions),
        ]

    return facts(old) != facts(new)


def _conditions(state: ObservedState) -> list[dict[str, Any]]:
    found = []
    for kind in OWNED:
        row = deciding_row(kind, state)
        if row is None:
            continue
        status, reason, message = row.render(state)
        before = condition_of(state.old, kind)
        since = before.get("lastTransitionTime") if before.get("status") == status else None
        # A failure keeps the generation it was found for: after an edit of the spec clients must not
        # take it for one of the new spec.
        generation = state.generation
        if kind == "LastRunSucceeded":
            generation = state.outcome_generation
        found.append(
            {
                "type": kind,
                "status": status,
                "observedGeneration": generation,
                "lastTransitionTime": since or rfc3339(state.now),
                "reason": reason,
                "message": shorten(message),
            }
        )
    return found


def _history_fields(state: ObservedState, history: HistoryFacts) -> dict[str, Any]:
    outcome = state.outcome
    killed_at = outcome.at if outcome is not None and outcome.from_cluster else None
    failed_at = (history.last_failure_at, killed_at)
    return {
        "lastSuccessTime": _format_time(history.last_success_at),
        "lastFailureTime": _format_time(max((at for at in failed_at if at), default=None)),
        "consecutiveFailures": state.consecutive_failures,
        "lastRun": _last_run(state),
        "checkpoint": _checkpoint(history.checkpoint),
        "totals": {
            "runs": history.runs,
            "succeeded": history.succeeded,
            "failed": history.failed,
            "processed": history.processed,
        },
        "recentRuns": [_run_fields(run) for run in history.recent[:RECENT_RUNS]],
    }


def _run_fields(run: RunFacts) -> dict[str, Any]:
    fields = {
        "id": run.id,
        "status": run.status.value,
        "reason": run.reason[:64],
        "startedAt": rfc3339(run.started_at),
        "finishedAt": _format_time(run.finished_at),
        "processed": run.processed,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _last_run(state: ObservedState) -> dict[str, Any] | None:
    run, outcome = state.latest, state.outcome
    if run is None:
        return None
    fields = _run_fields(run) | {
        "trigger": run.trigger[:32],
        "message": shorten(run.message),
        "loaded": run.loaded,
        "unchanged": run.unchanged,
        "rejected": run.rejected,
        "traceId": run.trace_id[:32],
    }
    killed = outcome if outcome and outcome.from_cluster else None
    finished = run.finished_at
    if run.status is RunStatus.RUNNING and killed and killed.job_name == run.job_name:
        # The row is closed by the next run, which finds this one dead; Kubernetes knows it already.
        finished = max(killed.at, run.started_at)
        killed_fields = {"reason": killed.reason[:64], "message": shorten(killed.message)}
        fields |= killed_fields | {
            "status": RunStatus.INTERRUPTED.value,
            "finishedAt": rfc3339(finished),
        }
    if finished is not None:
        fields["durationSeconds"] = round((finished - run.started_at).total_seconds(), 3)
    return {name: value for name, value in fields.items() if value != ""}


def _checkpoint(checkpoint: CheckpointFacts | None) -> dict[str, Any] | None:
    if checkpoint is None:
        return None
    fields = {
        "cursor": _short_cursor(checkpoint.cursor),
        "recordsCommitted": checkpoint.records_committed,
        "observedAt": _format_time(checkpoint.observed_at),
        "updatedAt": _format_time(checkpoint.updated_at),
    }
    return {name: value for name, value in fields.items() if value not in (None, {})}


def _short_cursor(cursor: Any) -> Any:
    """Return a cursor without nulls and with at most `CURSOR_BYTES` of JSON."""
    # An API server drops nulls, and each later comparison would find a difference.
    cursor = _without_nulls(cursor)
    if len(json.dumps(cursor)) <= CURSOR_BYTES:
        return cursor
    if not isinstance(cursor, Mapping):
        return None
    short, room = {}, CURSOR_BYTES
    for name, value in sorted(cursor.items()):
        size = len(json.dumps({name: value}))
        if size <= room and not isinstance(value, Mapping | list):
            short[name] = value
            room -= size
    return short


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _fit_limit(status: dict[str, Any]) -> dict[str, Any]:
    """Drop recent runs, oldest first, then the cursor, until the status is small enough."""
    # Postgres has all of them.

    def size() -> int:
        return len(json.dumps(status, ensure_ascii=False).encode())

    while size() > STATUS_BYTES and status.get("recentRuns"):
        status["recentRuns"] = status["recentRuns"][:-1]
    if size() > STATUS_BYTES and "checkpoint" in status:
        status["checkpoint"].pop("cursor", None)
    return status


def _format_time(moment: datetime | str | None) -> str | None:
    moment = parse_time(moment) if isinstance(moment, str) else moment
    return None if moment is None else rfc3339(moment)
