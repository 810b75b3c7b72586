"""Statuses and reasons of runs, shared by run rows, conditions, metric labels and log fields."""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import Self

RETRYABLE_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: the same run may succeed later, with nothing changed."""
PERMANENT_EXIT_CODE = 78
"""EX_CONFIG of sysexits.h: the same run fails again until a person changes something."""
TERMINATED_EXIT_CODE = 143
"""128 + SIGTERM, as a shell reports it."""


class RunStatus(StrEnum):
    """The state of a run. Stored in `etl_runs.status`."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


class Ending(Enum):
    """How a run with a certain reason ended, and whether a failure may pass by itself."""

    SUCCESS = auto()
    SKIPPED = auto()
    INTERRUPTED = auto()
    RETRYABLE = auto()
    """A failure that may pass by itself: the next run may succeed with nothing changed."""
    PERMANENT = auto()
    """A failure of every run until a person changes the spec, a key, a file or the schema."""


class Reason(StrEnum):
    """Why a run ended as it did. CamelCase, because conditions of resources have the same reasons."""

    ending: Ending

    def __new__(cls, word: str, ending: Ending) -> Self:
        """Return a member with its value and its ending."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.ending = ending
        return member

    COMPLETED = "Completed", Ending.SUCCESS
    NOT_MODIFIED = "NotModified", Ending.SUCCESS
    ALREADY_RUNNING = "AlreadyRunning", Ending.SKIPPED
    ALREADY_SUCCEEDED = "AlreadySucceeded", Ending.SKIPPED
    INTERRUPTED = "Interrupted", Ending.INTERRUPTED
    TERMINATED = "Terminated", Ending.INTERRUPTED
    UPSTREAM_UNREACHABLE = "UpstreamUnreachable", Ending.RETRYABLE
    UPSTREAM_ERROR = "UpstreamError", Ending.RETRYABLE
    RATE_LIMITED = "RateLimited", Ending.RETRYABLE
    QUOTA_EXCEEDED = "QuotaExceeded", Ending.RETRYABLE
    MALFORMED_RESPONSE = "MalformedResponse", Ending.RETRYABLE
    BODY_TOO_LARGE = "BodyTooLarge", Ending.RETRYABLE
    DEADLINE_EXCEEDED = "DeadlineExceeded", Ending.RETRYABLE
    TOO_MANY_REJECTED = "TooManyRejected", Ending.RETRYABLE
    FILE_CHANGED = "FileChanged", Ending.RETRYABLE
    FILE_READ_FAILED = "FileReadFailed", Ending.RETRYABLE
    DATABASE_UNAVAILABLE = "DatabaseUnavailable", Ending.RETRYABLE
    STORAGE_FULL = "StorageFull", Ending.RETRYABLE
    FENCED = "Fenced", Ending.RETRYABLE
    INJECTED_FAILURE = "InjectedFailure", Ending.RETRYABLE
    INTERNAL_ERROR = "InternalError", Ending.RETRYABLE
    INVALID_SPEC = "InvalidSpec", Ending.PERMANENT
    KEY_MISSING = "KeyMissing", Ending.PERMANENT
    KEY_REJECTED = "KeyRejected", Ending.PERMANENT
    PLAN_TOO_LOW = "PlanTooLow", Ending.PERMANENT
    EGRESS_DENIED = "EgressDenied", Ending.PERMANENT
    UPSTREAM_REFUSED = "UpstreamRefused", Ending.PERMANENT
    FILE_NOT_FOUND = "FileNotFound", Ending.PERMANENT
    FILE_UNREADABLE = "FileUnreadable", Ending.PERMANENT
    SCHEMA_OUTDATED = "SchemaOutdated", Ending.PERMANENT

    @property
    def retryable(self) -> bool:
        """Whether a run that failed for this reason may succeed later with nothing changed."""
        return self.ending is Ending.RETRYABLE

    @property
    def permanent(self) -> bool:
        """Whether a run that failed for this reason fails again until a person intervenes."""
        return self.ending is Ending.PERMANENT


PERMANENT_REASONS = frozenset(reason for reason in Reason if reason.permanent)
"""For look-ups of text that need not be a `Reason`, such as Kubernetes' own reasons."""


class Trigger(StrEnum):
    """What started a run. Stored in `etl_runs.trigger`."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    CREATE = "create"
    API = "api"
    REPLAY = "replay"
    """Judges stored records again without asking the upstream, so it is no evidence about it."""


class RejectReason(StrEnum):
    """Why a record was rejected. Stored in `rejected_records.reason`."""

    NOT_AN_OBJECT = "NotAnObject"
    MISSING_ID = "MissingId"
    INVALID_ID = "InvalidId"
    INVALID_NAME = "InvalidName"
    INVALID_NUMBER = "InvalidNumber"
    NOT_FINITE = "NotFinite"
    NEGATIVE = "Negative"
    OUT_OF_RANGE = "OutOfRange"
    INVALID_TIME = "InvalidTime"
    OBSERVED_IN_FUTURE = "ObservedInFuture"
    OBSERVED_TOO_EARLY = "ObservedTooEarly"
    RAGGED_ROW = "RaggedRow"
    TOO_LARGE = "TooLarge"
    UNDECODABLE = "Undecodable"
