"""One word per outcome, shared by run rows, conditions, metric labels and log fields."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """What became of a run. Stored in `etl_runs.status`."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a run ended as it did. CamelCase, because the same word is a condition's reason."""

    # success
    COMPLETED = "Completed"
    NOT_MODIFIED = "NotModified"
    # skipped
    ALREADY_RUNNING = "AlreadyRunning"
    ALREADY_SUCCEEDED = "AlreadySucceeded"
    # interrupted
    INTERRUPTED = "Interrupted"
    TERMINATED = "Terminated"
    # failure, worth another try
    UPSTREAM_UNREACHABLE = "UpstreamUnreachable"
    UPSTREAM_ERROR = "UpstreamError"
    RATE_LIMITED = "RateLimited"
    QUOTA_EXCEEDED = "QuotaExceeded"
    MALFORMED_RESPONSE = "MalformedResponse"
    BODY_TOO_LARGE = "BodyTooLarge"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    TOO_MANY_REJECTED = "TooManyRejected"
    FILE_CHANGED = "FileChanged"
    DATABASE_UNAVAILABLE = "DatabaseUnavailable"
    STORAGE_FULL = "StorageFull"
    SCHEMA_OUTDATED = "SchemaOutdated"
    FENCED = "Fenced"
    INJECTED_FAILURE = "InjectedFailure"
    INTERNAL_ERROR = "InternalError"
    # failure, a person has to change something
    INVALID_SPEC = "InvalidSpec"
    KEY_MISSING = "KeyMissing"
    KEY_REJECTED = "KeyRejected"
    PLAN_TOO_LOW = "PlanTooLow"
    EGRESS_DENIED = "EgressDenied"
    UPSTREAM_REFUSED = "UpstreamRefused"
    FILE_NOT_FOUND = "FileNotFound"
    FILE_UNREADABLE = "FileUnreadable"


class RejectReason(StrEnum):
    """Why one record went to quarantine. Stored in `rejected_records.reason`."""

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
