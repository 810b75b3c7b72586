"""The context of a request: its id, its arrival, its headers by name."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from starlette.types import Scope

HEADER = b"x-request-id"
SCOPE_KEY = "cryptosource.request"
TRACE_KEY = "cryptosource.trace"
"""Scope key of the traceparent of a request that is not recorded and has no OpenTelemetry context."""
EXTRA_HEADERS = "cryptosource.headers"
"""Scope key of headers to add to the answer, as pairs of bytes."""
_VALID_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


# Not frozen: that would triple the cost of making one, and there is one for each request.
@dataclass(kw_only=True, slots=True)
class RequestContext:
    """The context of one request."""

    request_id: str
    """The client's X-Request-ID if it is valid, else a new one."""
    began: float
    """`time.perf_counter()` at its arrival, in seconds."""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    """By name; of a header that was sent several times, the first."""

    def seconds(self) -> float:
        """Return the seconds since the arrival."""
        return time.perf_counter() - self.began

    def latency_ms(self) -> float:
        """Return the milliseconds since the arrival, to the microsecond."""
        return round(self.seconds() * 1000, 3)


def new_request_id() -> str:
    """Return a random id."""
    # It need not be hard to guess. `os.urandom` releases the interpreter's lock, and another thread
    # may take it.
    return f"{random.getrandbits(128):032x}"


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that the client sent if it is valid and the only one, else a new one."""
    sent = [value for name, value in headers if name == HEADER]
    if len(sent) == 1 and _VALID_ID.fullmatch(sent[0]):
        return sent[0].decode("ascii")
    return new_request_id()


def begin(scope: Scope) -> RequestContext:
    """Make the context of a request that has arrived, and put it into its scope."""
    began = time.perf_counter()
    sent = scope.get("headers", [])
    headers = dict(reversed(sent))  # reversed: of repeated headers the first one wins
    request_id = request_id_of(sent) if HEADER in headers else new_request_id()
    context = RequestContext(request_id=request_id, began=began, headers=headers)
    scope[SCOPE_KEY] = context
    return context


def context_of(scope: Scope) -> RequestContext:
    """Return the context of a request; a new one if it has none yet."""
    context = scope.get(SCOPE_KEY)
    return context if isinstance(context, RequestContext) else begin(scope)
