"""The responses that a client returns: read whole, or streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cryptosource_etl.http.validators import Validators

OK: Literal[200] = 200
PARTIAL: Literal[206] = 206
NOT_MODIFIED: Literal[304] = 304


@dataclass(frozen=True, kw_only=True)
class Response:
    """A response that was read whole."""

    status: Literal[200, 304]
    """304 only when validators were sent."""
    body: bytes = field(repr=False)
    """Decompressed; empty for a 304."""
    validators: Validators | None
    """To send with the next request; for a 304 those that were sent, unless it has newer ones."""
    attempts: int
    """Number of attempts, at least 1."""
    waited_seconds: float
    """Time spent waiting for tokens and between attempts."""


@dataclass(frozen=True, kw_only=True)
class StreamedResponse:
    """A response whose body is read as it arrives."""

    status: Literal[200, 206, 304]
    """206 only when a Range was asked for, 304 only when validators were sent."""
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case name; repeated lines joined with commas."""
    validators: Validators | None
    """See `Response`."""
    attempts: int
    """Number of attempts until the headers were in."""
    waited_seconds: float
    """See `Response`."""
    chunks: Iterator[bytes] = field(repr=False)
    """The decompressed body, to be read once, inside the `with`. Raises `Retryable` where it
    breaks off; it is not retried, because what was yielded may be in use."""
