"""Advice on a source that needs attention. Pure; docs/conditions.md has it at greater length."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from cryptosource_api.page.overview import ShownSource
from cryptosource_store.reasons import PERMANENT_REASONS, Reason


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a person can do."""

    words: str
    command: str | None = None
    """The shell command for it."""


_RETRIED = "Nothing yet: it is tried again when it is due."

BY_REASON: Mapping[str, str] = {
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
"""Reason of a run that did not succeed -> advice."""

COMMANDS: Mapping[str, str] = {Reason.SCHEMA_OUTDATED: "cryptosource migrate"}

BY_STATE = {
    "stale": "See whether runs are started at all: the CronJob in a cluster, the process on a "
    "machine. Then ask for one.",
    "drifted": "See below what changed. Payloads are kept as they came, so nothing is lost; a field "
    "that vanished is empty from then on.",
    "never_run": "Wait until it is due, or ask for a run.",
}

TRIGGER_STATES = ("stale", "never_run")


def advice_for(source: ShownSource) -> Advice | None:
    """Return the advice on a source; None if it needs none."""
    facts = source.facts
    trigger = shlex.join(["cryptosource", "trigger", f"{facts['namespace']}/{facts['name']}"])
    if source.state.key == "failing":
        reason = source.reason or ""
        if reason not in BY_REASON:
            return Advice(words="Its message and the run's log say more.")
        # After a person has corrected the cause there is no need to wait for the schedule.
        command = COMMANDS.get(reason, trigger if reason in PERMANENT_REASONS else None)
        return Advice(words=BY_REASON[reason], command=command)
    if source.state.key not in BY_STATE:
        return None
    command = trigger if source.state.key in TRIGGER_STATES else None
    return Advice(words=BY_STATE[source.state.key], command=command)
