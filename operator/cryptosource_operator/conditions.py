"""The conditions as a table: the first row of a type whose test holds decides its condition.

Ready, Scheduled, LastRunSucceeded and Fresh always have such a row. The others are abnormal-true:
present only while true, as kstatus, Flux, Argo CD and `helm --wait` expect; without a row they are
absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptosource_operator.observed_state import ObservedState, Outcome
from cryptosource_operator.source_facts import PodTrouble, Refusal
from cryptosource_operator.source_parser import Unreadable
from cryptosource_store.reasons import Reason

Test = Callable[[ObservedState], bool]
Text = str | Callable[[ObservedState], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    condition: str
    when: Test
    status: str
    """True, False or Unknown."""
    reason: Text
    message: Text

    def render(self, state: ObservedState) -> tuple[str, str, str]:
        """Return status, reason and message."""
        texts = (self.reason, self.message)
        reason, message = (text if isinstance(text, str) else text(state) for text in texts)
        return self.status, reason, message


def _unreadable(state: ObservedState) -> bool:
    return isinstance(state.reading, Unreadable)


def _refused(state: ObservedState) -> bool:
    return state.refusal is not None and state.refusal.final


def _waiting(state: ObservedState) -> bool:
    return state.refusal is not None and not state.refusal.final


def _no_cronjob(state: ObservedState) -> bool:
    return state.cronjob is None


def _suspended(state: ObservedState) -> bool:
    return state.merged_history.suspended


def _permanent(state: ObservedState) -> bool:
    return state.permanent is not None


def _database_down(state: ObservedState) -> bool:
    return state.history is None


def _never_succeeded(state: ObservedState) -> bool:
    return state.merged_history.never_succeeded


def _always(_: ObservedState) -> bool:
    return True


def _first_run_expected(state: ObservedState) -> bool:
    source = state.source
    return source is not None and (source.spec.run_on_create or state.busy)


def _spec_message(state: ObservedState) -> str:
    return state.reading.message if isinstance(state.reading, Unreadable) else ""


def _refusal(state: ObservedState) -> Refusal:
    return state.refusal or Refusal(reason="Unknown", message="")


def _failure(state: ObservedState) -> Outcome:
    assert state.failing is not None  # noqa: S101 - only rows that test for one ask
    return state.failing


def _blocked(state: ObservedState) -> PodTrouble:
    return state.blocked or PodTrouble(job_name="", reason="Unknown", message="")


def _blocked_message(state: ObservedState) -> str:
    blocked = _blocked(state)
    return f"Job {blocked.job_name or 'asked for'} does not start: {blocked.message}"


def _failed_message(state: ObservedState) -> str:
    failure = _failure(state)
    return failure.message or f"Job {failure.job_name} failed; see its pod's log"


def _success_message(state: ObservedState) -> str:
    return state.outcome.message if state.outcome else ""


def _age_message(state: ObservedState) -> str:
    source = state.source
    limit = source.spec.freshness.max_age_seconds if source else 0
    return f"no run has succeeded for more than {limit} s (freshness.maxAgeSeconds)"


def _in_sync_message(state: ObservedState) -> str:
    source = state.source
    if source is None:
        return ""
    return (
        f"CronJob {source.metadata.name} runs at '{source.spec.schedule}' {source.spec.time_zone}"
    )


NO_DATABASE_MESSAGE = (
    "Postgres cannot be reached from the operator: figures are the last known; runs and schedules "
    "go on"
)
NO_RUN_MESSAGE = "no run has ended yet"
INVALID, IN_PROGRESS, NO_RUN_YET = Reason.INVALID_SPEC.value, "Progressing", "NoRunYet"
UNAVAILABLE = Reason.DATABASE_UNAVAILABLE.value

# The order within a type is its precedence: what a person has to end goes before what passes by
# itself, and both before the age of the data.
TABLE: tuple[Row, ...] = (
    Row("Ready", _unreadable, "False", INVALID, _spec_message),
    Row("Ready", _refused, "False", lambda s: _refusal(s).reason, lambda s: _refusal(s).message),
    Row("Ready", _permanent, "False", lambda s: _failure(s).reason, _failed_message),
    Row("Ready", _waiting, "False", lambda s: _refusal(s).reason, lambda s: _refusal(s).message),
    Row("Ready", _no_cronjob, "Unknown", IN_PROGRESS, "the CronJob is being made"),
    Row("Ready", _suspended, "True", "Suspended", "suspended, as asked for"),
    Row(
        "Ready",
        lambda s: s.blocked is not None and (_never_succeeded(s) or s.stale),
        "False",
        lambda s: _blocked(s).reason,
        _blocked_message,
    ),
    Row(
        "Ready",
        lambda s: s.failing is not None and (_never_succeeded(s) or s.stale),
        "False",
        lambda s: _failure(s).reason,
        _failed_message,
    ),
    Row("Ready", lambda s: s.stale, "False", "Stale", _age_message),
    Row(
        "Ready",
        lambda s: _never_succeeded(s) and _database_down(s),
        "Unknown",
        UNAVAILABLE,
        NO_DATABASE_MESSAGE,
    ),
    Row(
        "Ready",
        lambda s: _never_succeeded(s) and _first_run_expected(s),
        "Unknown",
        "FirstRun",
        "waiting for the first run",
    ),
    Row(
        "Ready", _never_succeeded, "True", "AwaitingSchedule", "the first run starts when it is due"
    ),
    Row(
        "Ready",
        lambda s: s.failing is not None,
        "True",
        "Fresh",
        lambda s: f"data is fresh, though the last run failed: {_failed_message(s)}",
    ),
    Row("Ready", _always, "True", "Fresh", lambda s: _success_message(s) or "data is fresh"),
    Row("Scheduled", _unreadable, "False", INVALID, _spec_message),
    Row(
        "Scheduled",
        lambda s: s.refusal is not None,
        "False",
        lambda s: _refusal(s).reason,
        lambda s: _refusal(s).message,
    ),
    Row("Scheduled", _no_cronjob, "Unknown", IN_PROGRESS, "the CronJob is being made"),
    Row("Scheduled", _always, "True", "InSync", _in_sync_message),
    Row(
        "LastRunSucceeded",
        lambda s: s.failing is not None,
        "False",
        lambda s: _failure(s).reason,
        _failed_message,
    ),
    Row(
        "LastRunSucceeded",
        lambda s: s.outcome is not None,
        "True",
        lambda s: s.outcome.reason if s.outcome else "",
        _success_message,
    ),
    Row("LastRunSucceeded", _database_down, "Unknown", UNAVAILABLE, NO_DATABASE_MESSAGE),
    Row("LastRunSucceeded", _always, "Unknown", NO_RUN_YET, NO_RUN_MESSAGE),
    Row("Fresh", lambda s: s.stale, "False", "Stale", _age_message),
    Row(
        "Fresh",
        lambda s: not _never_succeeded(s),
        "True",
        "Fresh",
        "the last success is recent enough",
    ),
    Row("Fresh", _database_down, "Unknown", UNAVAILABLE, NO_DATABASE_MESSAGE),
    Row(
        "Fresh", lambda s: s.failing is not None, "False", "NeverLoaded", "no run has succeeded yet"
    ),
    Row("Fresh", _always, "Unknown", NO_RUN_YET, NO_RUN_MESSAGE),
    Row("Stalled", _unreadable, "True", INVALID, _spec_message),
    Row("Stalled", _refused, "True", lambda s: _refusal(s).reason, lambda s: _refusal(s).message),
    Row("Stalled", _permanent, "True", lambda s: _failure(s).reason, _failed_message),
    Row("Reconciling", lambda s: _unreadable(s) or _refused(s) or _permanent(s), "", "", ""),
    Row(
        "Reconciling",
        _waiting,
        "True",
        "ProgressingWithRetry",
        lambda s: _refusal(s).message,
    ),
    Row("Reconciling", _no_cronjob, "True", IN_PROGRESS, "the CronJob is being made"),
    Row(
        "Reconciling",
        lambda s: _suspended(s) or not _never_succeeded(s) or _database_down(s),
        "",
        "",
        "",
    ),
    Row(
        "Reconciling",
        lambda s: s.failing is not None,
        "True",
        "ProgressingWithRetry",
        "the first load has failed and is tried again when it is due",
    ),
    Row("Reconciling", _first_run_expected, "True", "FirstRun", "waiting for the first run"),
    Row(
        "Suspended",
        _suspended,
        "True",
        "Suspended",
        "no run is started on schedule; one that is asked for still is",
    ),
    Row(
        "RunBlocked",
        lambda s: s.blocked is not None,
        "True",
        lambda s: _blocked(s).reason,
        _blocked_message,
    ),
    Row(
        "OverQuota",
        lambda s: bool(s.over_quota),
        "True",
        lambda s: s.quota_reason,
        lambda s: s.over_quota,
    ),
    Row("DatabaseUnavailable", _database_down, "True", UNAVAILABLE, NO_DATABASE_MESSAGE),
)
"""A row with an empty status makes its condition absent."""

OWNED: tuple[str, ...] = tuple(dict.fromkeys(row.condition for row in TABLE))
"""The condition types of a CryptoSource, in the order of the status."""

_ROWS = {kind: [row for row in TABLE if row.condition == kind] for kind in OWNED}


def deciding_row(condition: str, state: ObservedState) -> Row | None:
    """Return the row that decides a condition; None: the condition is absent."""
    found = next((row for row in _ROWS[condition] if row.when(state)), None)
    return found if found is not None and found.status else None
