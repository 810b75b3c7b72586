"""The page of a source: its state with reason and advice, its runs, rejected records and drifts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.http.problems import NotFound
from cryptosource_api.page.charts.run_bars import SLOTS
from cryptosource_api.page.overview import ShownSource, read_recent_runs, shown_source
from cryptosource_api.page.runs import format_drift
from cryptosource_api.page.source_states import state_of
from cryptosource_store.reasons import PERMANENT_REASONS, Reason
from cryptosource_store.statements import web_page as sql
from cryptosource_store.statements.source_state import SOURCE_HEALTH

MAX_BARS = 96
"""Most runs that are drawn as bars."""
MAX_LISTED = 8
"""Most runs that are listed."""

_RETRIED = "Nothing yet: it is tried again when it is due."

ADVICE_BY_REASON: Mapping[str, str] = {
    Reason.INTERRUPTED: "Nothing: the next run goes on where this one was cut off.",
    Reason.TERMINATED: "Nothing: the next run goes on where this one was asked to stop.",
    Reason.UPSTREAM_UNREACHABLE: f"{_RETRIED} If it lasts, check the URL, DNS and the network.",
    Reason.UPSTREAM_ERROR: f"{_RETRIED} If it lasts, look at the vendor's status page.",
    Reason.RATE_LIMITED: f"{_RETRIED} If it recurs, lower spec.rateLimit or run less often.",
    Reason.QUOTA_EXCEEDED: "Run less often, ask for fewer coins, or take a larger plan.",
    Reason.MALFORMED_RESPONSE: f"{_RETRIED} If it lasts, something between here and the vendor "
    "changes its answers.",
    Reason.BODY_TOO_LARGE: "Select fewer coins, or check that the address serves what it should.",
    Reason.DEADLINE_EXCEEDED: "Raise spec.activeDeadlineSeconds, or look at what hangs.",
    Reason.TOO_MANY_REJECTED: "Look at the rejected records below: the format has changed, or "
    "spec.rejectLimitPercent is too low. Nothing was lost.",
    Reason.FILE_CHANGED: "Nothing: the file changed while it was read, and is read again when due.",
    Reason.FILE_READ_FAILED: f"{_RETRIED} If it lasts, look at the volume that holds the file.",
    Reason.DATABASE_UNAVAILABLE: f"{_RETRIED} If it lasts, look at Postgres.",
    Reason.STORAGE_FULL: "Make room for Postgres, or shorten the retention of raw records.",
    Reason.SCHEMA_OUTDATED: "Bring the database up to date, then ask for a run.",
    Reason.FENCED: "Nothing: a newer run took the source over from a silent one.",
    Reason.INJECTED_FAILURE: "Unset FAIL_AFTER_N_RECORDS: the run failed because it was told to.",
    Reason.INTERNAL_ERROR: "Look at the run's log, and report it: this is a defect of ours.",
    Reason.INVALID_SPEC: "Correct the field that the message names, and apply the resource again.",
    Reason.KEY_MISSING: "Give the key in the Secret that spec names, then ask for a run.",
    Reason.KEY_REJECTED: "Correct the key in the Secret that spec names, then ask for a run.",
    Reason.PLAN_TOO_LOW: "Set spec's plan to the one that the key belongs to, or take a larger one.",
    Reason.EGRESS_DENIED: "Correct the address, or allow it with CRYPTOSOURCE_EGRESS_ALLOW.",
    Reason.UPSTREAM_REFUSED: "Correct the address or the selection: the vendor does not serve it.",
    Reason.FILE_NOT_FOUND: "Correct spec.csv, or the ConfigMap or volume that it names.",
    Reason.FILE_UNREADABLE: "Correct the file, or what spec.csv says of its columns and encoding.",
}
"""Reason of a run that did not succeed -> advice; docs/conditions.md says more."""

COMMANDS_BY_REASON: Mapping[str, str] = {Reason.SCHEMA_OUTDATED: "cryptosource migrate"}

ADVICE_BY_STATE = {
    "stale": "See whether runs are started at all: the CronJob in a cluster, the process on a "
    "machine. Then ask for one.",
    "drifted": "See below what changed. Payloads are kept as they came, so nothing is lost; a field "
    "that vanished is empty from then on.",
    "never_run": "Wait until it is due, or ask for a run.",
}

TRIGGER_STATES = ("stale", "never_run")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a person can do."""

    words: str
    command: str | None = None
    """The shell command for it."""


@dataclass(frozen=True, kw_only=True)
class SourcePage:
    """The content of the page."""

    now: datetime
    source: ShownSource
    advice: Advice | None
    runs: Sequence[Mapping[str, Any]]
    """The newest, newest first."""
    failure: Mapping[Any, Any] | None
    """The last run that did not succeed."""
    cursor: Mapping[str, Any]
    rejects: Sequence[Mapping[Any, Any]]
    drifts: Sequence[Mapping[str, Any]]

    @property
    def failed_last(self) -> bool:
        """Whether the last failure decides the state of the source."""
        return self.source.state.key == "failing"

    @property
    def quarantined(self) -> int:
        """Number of records in quarantine."""
        return sum(row["records"] for row in self.rejects)

    @property
    def most_rejected(self) -> int:
        """The largest count among the reasons."""
        return max((row["records"] for row in self.rejects), default=0)


def read_source_page(connection: Connection, *, namespace: str, name: str) -> SourcePage:
    """Return the page of a source.

    Raises:
        NotFound: no source has that name, or it was deleted.
    """
    named = {"namespace": namespace, "name": name}
    storable = "\x00" not in namespace + name  # Postgres refuses such a text
    facts = None
    if storable:
        facts = connection.execute(sql.SOURCE_OVERVIEW, named).mappings().one_or_none()
    if facts is None:
        raise NotFound(f"There is no source {namespace[:100]}/{name[:100]}")
    of_source = {"source_id": facts["source_id"]}
    health = connection.execute(SOURCE_HEALTH, of_source).mappings().one_or_none()
    # The source may be deleted between the two statements.
    if health is None:
        raise NotFound(f"{namespace[:100]}/{name[:100]} has just been deleted")
    state = state_of(health, drifts=facts["drifts"])
    runs = read_recent_runs(connection, [facts["source_id"]], size=MAX_BARS)[facts["source_id"]]
    source = shown_source(facts, health, state, runs, slots=max(SLOTS, len(runs)))
    drifts = connection.execute(sql.SOURCE_DRIFTS, of_source).mappings()
    return SourcePage(
        now=facts["now"],
        source=source,
        advice=advise(source),
        runs=runs[::-1][:MAX_LISTED],
        failure=connection.execute(sql.LAST_FAILURE, of_source).mappings().one_or_none(),
        cursor=connection.scalar(sql.SOURCE_CURSOR, of_source) or {},
        rejects=connection.execute(sql.SOURCE_REJECTS, of_source).mappings().all(),
        drifts=[format_drift(drift) for drift in drifts],
    )


def advise(source: ShownSource) -> Advice | None:
    """Return the advice on a source; None if it needs none."""
    facts = source.facts
    trigger = shlex.join(["cryptosource", "trigger", f"{facts['namespace']}/{facts['name']}"])
    if source.state.key == "failing":
        reason = source.reason or ""
        if reason not in ADVICE_BY_REASON:
            return Advice(words="Its message and the run's log say more.")
        # After a person has corrected the cause there is no need to wait for the schedule.
        command = COMMANDS_BY_REASON.get(reason, trigger if reason in PERMANENT_REASONS else None)
        return Advice(words=ADVICE_BY_REASON[reason], command=command)
    if source.state.key not in ADVICE_BY_STATE:
        return None
    command = trigger if source.state.key in TRIGGER_STATES else None
    return Advice(words=ADVICE_BY_STATE[source.state.key], command=command)
