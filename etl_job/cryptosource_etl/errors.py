"""Errors that end a run early.

RunError
├── Retryable    worth another try with nothing changed: exit code 75
└── Permanent    a person has to change the spec, the key, the plan or a file: exit code 78

The reason alone decides which of the two a failure is. One bad record is neither: see
`records.Rejection`.
"""

from __future__ import annotations

from datetime import timedelta

from cryptosource_store.reasons import PERMANENT_EXIT_CODE, RETRYABLE_EXIT_CODE, Ending, Reason

# A message goes into run rows, conditions and logs, and may quote an upstream.
MAX_MESSAGE_LENGTH = 256
"""Characters kept of a message."""


class RunError(Exception):
    """A run cannot go on. Raise one of the two subclasses.

    Args:
        reason: the word that run row, condition, metric and log share.
        message: one sentence for people: what happened and what to do. Never a secret, never a
            query string. Truncated to `MAX_MESSAGE_LENGTH` characters.

    Raises:
        ValueError: the reason belongs to the other kind, or to no failure.
    """

    ending: Ending
    exit_code: int

    def __init__(self, reason: Reason, message: str) -> None:
        # Exit code and condition follow from the reason elsewhere, without the exception's class;
        # if the two could differ, Job and status would say different things.
        if reason.ending is not self.ending:
            kind = reason.ending.name.lower()
            raise ValueError(f"{reason} is {kind}: it cannot be raised as {type(self).__name__}")
        super().__init__(message[:MAX_MESSAGE_LENGTH])
        self.reason = reason
        self.message = message[:MAX_MESSAGE_LENGTH]


class Retryable(RunError):
    """The same run may succeed later.

    Args:
        reason: see `RunError`.
        message: see `RunError`.
        retry_after: the wait that the upstream asked for, if it named one; the next attempt is
            scheduled after it instead of sleeping here.
    """

    ending = Ending.RETRYABLE
    exit_code = RETRYABLE_EXIT_CODE

    def __init__(
        self, reason: Reason, message: str, *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class Permanent(RunError):
    """The same run fails again until a person changes the spec, the key, the plan or a file."""

    ending = Ending.PERMANENT
    exit_code = PERMANENT_EXIT_CODE
