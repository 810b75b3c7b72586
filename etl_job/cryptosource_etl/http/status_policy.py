"""What an answer means. A vendor's module may know better than its status says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from cryptosource_etl.errors import Permanent, RunError
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_store.reasons import Reason


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a `Classifier` judges by."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; repeated lines joined with commas."""
    head: bytes
    """The first 4 KiB of the decompressed body; less when it could not be read."""
    host: str
    """Who answered, for messages."""


@dataclass(frozen=True, kw_only=True)
class TryAgain:
    """Verdict: as good as a 503, whatever the status says."""

    reason: Reason
    """What the call ends with if no attempt is left."""
    detail: str
    """What happened, for a person."""
    retry_after_seconds: float | None = None
    """How long to stay away; None: what the answer's Retry-After says, or the usual back-off."""


Classifier = Callable[[Answer], RunError | TryAgain | None]
"""Judges an answer, also a 200 that was read whole. A `RunError` ends the call at once, None leaves
it to the status."""

HEAD_BYTES = 4096
"""How much of a body a `Classifier` sees."""

_TRANSIENT: frozenset[int] = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
_REFUSALS: dict[int, Reason] = {
    HTTPStatus.UNAUTHORIZED: Reason.KEY_REJECTED,
    HTTPStatus.FORBIDDEN: Reason.KEY_REJECTED,
    HTTPStatus.PAYMENT_REQUIRED: Reason.PLAN_TOO_LOW,
}
_ADVICE = {
    Reason.KEY_REJECTED: "Check the key that apiKeySecretRef names, and that it fits the plan.",
    Reason.PLAN_TOO_LOW: "Choose a higher plan, or ask for less in the spec.",
    Reason.UPSTREAM_REFUSED: "Check the URL and the selection in the spec.",
}


def phrase(status: int) -> str:
    """Return a status as people know it: `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"


def judge(answer: Answer, *, path: str, retry_after_seconds: float | None) -> RunError:
    """Return the error that a status means by itself, for any that is not a success.

    Args:
        answer: what came.
        path: the URL's path, for the message.
        retry_after_seconds: what the answer asks for.

    Raises:
        AttemptFailed: another attempt may succeed: 408, 425, 429, any 5xx (Cloudflare has its own
            beyond 504), and statuses that answer no plain GET.
    """
    status = answer.status
    if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        limited = status == HTTPStatus.TOO_MANY_REQUESTS
        raise AttemptFailed(
            Reason.RATE_LIMITED if limited else Reason.UPSTREAM_ERROR,
            phrase(status),
            status=status,
            retry_after_seconds=retry_after_seconds,
        )
    if status < HTTPStatus.BAD_REQUEST:
        raise AttemptFailed(
            Reason.MALFORMED_RESPONSE, f"{phrase(status)} does not answer a GET", status=status
        )
    reason = _REFUSALS.get(status, Reason.UPSTREAM_REFUSED)
    return Permanent(
        reason, f"{answer.host} answered {phrase(status)} to {path[:80]}. {_ADVICE[reason]}"
    )
