"""The conditions, as a table: the first row of a type that holds decides; none holds: absent.

Ready, Scheduled, LastRunSucceeded and Fresh always have a row. The others are abnormal-true: they
are there while they are true, as kstatus, Flux, Argo CD and `helm --wait` expect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptosource_operator.observed_state import ObservedState, Outcome
from cryptosource_operator.source_facts import PodTrouble, Refusal
from cryptosource_operator.source_parser import Unreadable
from cryptosource_store.reasons import Reason

Test = Callable[[ObservedState], bool]
Words = str | Callable[[ObservedState], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    condition: str
    when: Test
    status: str
    """True, False or Unknown."""
    reason: Words
    message: Words

    def render(self, situation: ObservedState) -> tuple[str, str, str]:
        """Return status, reason and message."""
        words = (self.reason, self.message)
        reason, message = (word if isinstance(word, str) else word(situation) for word in words)
        return self.status, reason, message


def _unreadable(situation: ObservedState) -> bool:
    return isinstance(situation.reading, Unreadable)


def _refused(situation: ObservedState) -> bool:
    return situation.refusal is not None and situation.refusal.final


def _hindered(situation: ObservedState) -> bool:
    return situation.refusal is not None and not situation.refusal.final


def _unscheduled(situation: ObservedState) -> bool:
    return situation.cronjob is None


def _suspended(situation: ObservedState) -> bool:
    return situation.history.suspended


def _permanent(situation: ObservedState) -> bool:
    return situation.permanent is not None


def _blind(situation: ObservedState) -> bool:
    return situation.mirror is None


def _never(situation: ObservedState) -> bool:
    return situation.history.never_succeeded


def _always(_: ObservedState) -> bool:
    return True


def _first_run_expected(situation: ObservedState) -> bool:
    source = situation.source
    return source is not None and (source.spec.run_on_create or situation.busy)


def _spec_words(situation: ObservedState) -> str:
    return situation.reading.message if isinstance(situation.reading, Unreadable) else ""


def _refusal(situation: ObservedState) -> Refusal:
    return situation.refusal or Refusal(reason="Unknown", message="")


def _failure(situation: ObservedState) -> Outcome:
    assert situation.failing is not None  # noqa: S101 - only rows that need one ask
    return situation.failing


def _blocked(situation: ObservedState) -> PodTrouble:
    return situation.blocked or PodTrouble(job_name="", reason="Unknown", message="")


def _blocked_words(situation: ObservedState) -> str:
    blocked = _blocked(situation)
    return f"Job {blocked.job_name or 'asked for'} does not start: {blocked.message}"


def _failed_words(situation: ObservedState) -> str:
    failure = _failure(situation)
    return failure.message or f"Job {failure.job_name} failed; see its pod's log"


def _success_words(situation: ObservedState) -> str:
    return situation.outcome.message if situation.outcome else ""


def _age_words(situation: ObservedState) -> str:
    source = situation.source
    limit = source.spec.freshness.max_age_seconds if source else 0
    return f"no run has succeeded for more than {limit} s (freshness.maxAgeSeconds)"


def _in_sync_words(situation: ObservedState) -> str:
    source = situation.source
    if source is None:
        return ""
    return (
        f"CronJob {source.metadata.name} runs at '{source.spec.schedule}' {source.spec.time_zone}"
    )


NO_DATABASE = (
    "Postgres cannot be reached from the operator: figures are the last known; runs and schedules "
    "go on"
)
NO_RUN = "no run has ended yet"
INVALID, IN_PROGRESS, NO_RUN_YET = Reason.INVALID_SPEC.value, "Progressing", "NoRunYet"
UNAVAILABLE = Reason.DATABASE_UNAVAILABLE.value

TABLE: tuple[Row, ...] = (
    Row("Ready", _unreadable, "False", INVALID, _spec_words),
    Row("Ready", _refused, "False", lambda s: _refusal(s).reason, lambda s: _refusal(s).message),
    Row("Ready", _permanent, "False", lambda s: _failure(s).reason, _failed_words),
    Row("Ready", _hindered, "False", lambda s: _refusal(s).reason, lambda s: _refusal(s).message),
    Row("Ready", _unscheduled, "Unknown", IN_PROGRESS, "the CronJob is being made"),
    Row("Ready", _suspended, "True", "Suspended", "suspended, as asked for"),
    Row(
        "Ready",
        lambda s: s.blocked is not None and (_never(s) or s.stale),
        "False",
        lambda s: _blocked(s).reason,
        _blocked_words,
    ),
    Row(
        "Ready",
        lambda s: s.failing is not None and (_never(s) or s.stale),
        "False",
        lambda s: _failure(s).reason,
        _failed_words,
    ),
    Row("Ready", lambda s: s.stale, "False", "Stale", _age_words),
    Row("Ready", lambda s: _never(s) and _blind(s), "Unknown", UNAVAILABLE, NO_DATABASE),
    Row(
        "Ready",
        lambda s: _never(s) and _first_run_expected(s),
        "Unknown",
        "FirstRun",
        "waiting for the first run",
    ),
    Row("Ready", _never, "True", "AwaitingSchedule", "the first run starts when it is due"),
    Row(
        "Ready",
        lambda s: s.failing is not None,
        "True",
        "Fresh",
        lambda s: f"data is fresh, though the last run failed: {_failed_words(s)}",
    ),
    Row("Ready", _always, "True", "Fresh", lambda s: _success_words(s) or "data is fresh"),
    Row("Scheduled", _unreadable, "False", INVALID, _spec_words),
    Row(
        "Scheduled",
        lambda s: s.refusal is not None,
        "False",
        lambda s: _refusal(s).reason,
        lambda s: _refusal(s).message,
    ),
    Row("Scheduled", _unscheduled, "Unknown", IN_PROGRESS, "the CronJob is being made"),
    Row("Scheduled", _always, "True", "InSync", _in_sync_words),
    Row(
        "LastRunSucceeded",
        lambda s: s.failing is not None,
        "False",
        lambda s: _failure(s).reason,
        _failed_words,
    ),
    Row(
        "LastRunSucceeded",
        lambda s: s.outcome is not None,
        "True",
        lambda s: s.outcome.reason if s.outcome else "",
        _success_words,
    ),
    Row("LastRunSucceeded", _blind, "Unknown", UNAVAILABLE, NO_DATABASE),
    Row("LastRunSucceeded", _always, "Unknown", NO_RUN_YET, NO_RUN),
    Row("Fresh", lambda s: s.stale, "False", "Stale", _age_words),
    Row("Fresh", lambda s: not _never(s), "True", "Fresh", "the last success is recent enough"),
    Row("Fresh", _blind, "Unknown", UNAVAILABLE, NO_DATABASE),
    Row(
        "Fresh", lambda s: s.failing is not None, "False", "NeverLoaded", "no run has succeeded yet"
    ),
    Row("Fresh", _always, "Unknown", NO_RUN_YET, NO_RUN),
    Row("Stalled", _unreadable, "True", INVALID, _spec_words),
    Row("Stalled", _refused, "True", lambda s: _refusal(s).reason, lambda s: _refusal(s).message),
    Row("Stalled", _permanent, "True", lambda s: _failure(s).reason, _failed_words),
    Row("Reconciling", lambda s: _unreadable(s) or _refused(s) or _permanent(s), "", "", ""),
    Row(
        "Reconciling",
        _hindered,
        "True",
        "ProgressingWithRetry",
        lambda s: _refusal(s).message,
    ),
    Row("Reconciling", _unscheduled, "True", IN_PROGRESS, "the CronJob is being made"),
    Row("Reconciling", lambda s: _suspended(s) or not _never(s) or _blind(s), "", "", ""),
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
        _blocked_words,
    ),
    Row(
        "OverQuota",
        lambda s: bool(s.over_quota),
        "True",
        lambda s: s.quota_reason,
        lambda s: s.over_quota,
    ),
    Row("DatabaseUnavailable", _blind, "True", UNAVAILABLE, NO_DATABASE),
)
"""A row with an empty status says that its condition is absent."""

OWNED: tuple[str, ...] = tuple(dict.fromkeys(row.condition for row in TABLE))
"""The conditions of a CryptoSource, in the order in which they are listed."""

_ROWS = {kind: [row for row in TABLE if row.condition == kind] for kind in OWNED}


def deciding_row(condition: str, situation: ObservedState) -> Row | None:
    """Return the row that decides a condition; None: it is absent."""
    found = next((row for row in _ROWS[condition] if row.when(situation)), None)
    return found if found is not None and found.status else None
