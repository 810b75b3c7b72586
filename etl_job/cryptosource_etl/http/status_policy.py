"""The interpretation of a response by its status, which a source's `Classifier` may override."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from cryptosource_etl.errors import Permanent, RunError
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_store.reasons import Reason


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a `Classifier` sees of a response."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; repeated lines joined with commas."""
    head: bytes
    """The first 4 KiB of the decompressed body, or as much as could be read."""
    host: str
    """The host that answered, for messages."""


@dataclass(frozen=True, kw_only=True)
class TryAgain:
    """A classifier's verdict: retry as after a 503, whatever the status is."""

    reason: Reason
    """The reason of the call's error if no attempt is left."""
    detail: str
    """What happened, for a person."""
    retry_after_seconds: float | None = None
    """Delay before the next attempt; None: the response's Retry-After, or the usual back-off."""


Classifier = Callable[[Answer], RunError | TryAgain | None]
"""Interprets a response, including a 200 that was read whole. Returning a `RunError` ends the call
at once; None leaves the decision to the status."""

HEAD_BYTES = 4096
"""Bytes of a body that a `Classifier` sees."""

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
    """Return a status with its phrase, such as `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status}"


def judge(answer: Answer, *, path: str, retry_after_seconds: float | None) -> RunError:
    """Return the permanent error of an unsuccessful status, or raise the retryable one.

    Args:
        answer: the response.
        path: the URL's path, for the message.
        retry_after_seconds: the delay that the response asks for.

    Raises:
        AttemptFailed: another attempt may succeed: 408, 425, 429, any 5xx, and statuses that are
            no valid response to a plain GET.
    """
    status = answer.status
    # Any 5xx and not a list of them: Cloudflare has statuses of its own beyond 504.
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
