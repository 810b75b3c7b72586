"""What is known of a request beside its content: its id and when it began."""

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
"""The traceparent of a request that is in a trace without being recorded, where no context holds it."""
EXTRA_HEADERS = "cryptosource.headers"
"""Headers that whatever answer carries, as pairs of bytes."""
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(kw_only=True, slots=True)
class RequestContext:
    """One request. Not frozen: that would triple what making one costs."""

    request_id: str
    """The client's X-Request-ID when it is sane, else a new one."""
    began: float
    """`time.perf_counter()` at its arrival, in seconds."""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    """By name; of a header that was sent several times, the first."""

    def seconds(self) -> float:
        """Return seconds since the arrival."""
        return time.perf_counter() - self.began

    def latency_ms(self) -> float:
        """Return milliseconds since the arrival, to the microsecond."""
        return round(self.seconds() * 1000, 3)


def new_request_id() -> str:
    """Return an id that no other request has.

    It need not be hard to guess. The system's random bytes would cost a moment in which another
    thread may take the interpreter.
    """
    return f"{random.getrandbits(128):032x}"


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the id that the client sent if it is sane and alone, else a new one."""
    sent = [value for name, value in headers if name == HEADER]
    if len(sent) == 1 and _SANE_ID.fullmatch(sent[0]):
        return sent[0].decode("ascii")
    return new_request_id()


def begin(scope: Scope) -> RequestContext:
    """Note a request's arrival in its scope."""
    began = time.perf_counter()
    sent = scope.get("headers", [])
    headers = dict(reversed(sent))
    request_id = request_id_of(sent) if HEADER in headers else new_request_id()
    context = RequestContext(request_id=request_id, began=began, headers=headers)
    scope[SCOPE_KEY] = context
    return context


def context_of(scope: Scope) -> RequestContext:
    """Return the request's context; a new one where no middleware has begun it."""
    context = scope.get(SCOPE_KEY)
    return context if isinstance(context, RequestContext) else begin(scope)
