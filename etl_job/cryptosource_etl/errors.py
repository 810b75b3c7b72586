"""Why a run ends early.

RunError
├── Retryable    worth another try with nothing changed: exit code 75
└── Permanent    a person has to change the spec, the key, the plan or a file: exit code 78

Which of the two a failure is follows from its reason alone. One bad record is neither: see
`records.Rejection`.
"""

from __future__ import annotations

from datetime import timedelta

from cryptosource_store.reasons import PERMANENT_EXIT_CODE, RETRYABLE_EXIT_CODE, Ending, Reason

MAX_MESSAGE_LENGTH = 256
"""Characters kept of a message: it goes into run rows, conditions and logs, and an upstream may have
had a say in its length."""


class RunError(Exception):
    """A run cannot go on; raise one of the two kinds.

    Args:
        reason: the word that run row, condition, metric and log share.
        message: one sentence for a person: what happened and what to do. Never a secret, never a
            query string. Cut at `MAX_MESSAGE_LENGTH` characters.

    Raises:
        ValueError: the reason belongs to the other kind, or to no failure.
    """

    ending: Ending
    exit_code: int

    def __init__(self, reason: Reason, message: str) -> None:
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
        retry_after: how long the upstream asked us to stay away, when it said so; becomes the
            run's next attempt instead of a sleep.
    """

    ending = Ending.RETRYABLE
    exit_code = RETRYABLE_EXIT_CODE

    def __init__(
        self, reason: Reason, message: str, *, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class Permanent(RunError):
    """The same run fails again until a person changes something."""

    ending = Ending.PERMANENT
    exit_code = PERMANENT_EXIT_CODE
