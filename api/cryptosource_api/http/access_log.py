"""One line a request, of what was asked and what became of it."""

from __future__ import annotations

import logging
import re

from starlette.types import Scope

from cryptosource_api.http.request_context import RequestContext
from cryptosource_api.tracing.instrumentation import trace_id_of
from cryptosource_telemetry.redaction import REDACTED

logger = logging.getLogger("cryptosource.api.access")

_SECRET_PARAMETER = re.compile(
    r"((?:^|&)[^=&]*(?:key|token|secret|passw|sig|auth)[^=&]*=)[^&]*", re.IGNORECASE
)


def _shown_query(query: bytes) -> str:
    """Return a query string without what was sent as a key by mistake."""
    return _SECRET_PARAMETER.sub(rf"\1{REDACTED}", query.decode("latin-1"))


def log_access(scope: Scope, context: RequestContext, *, status: int, sent_bytes: int) -> None:
    """Write the line, if anybody wants it.

    Args:
        scope: of the request.
        context: of the request.
        status: of the answer; 0 where there was none.
        sent_bytes: of its body.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    logger.info(
        "request",
        extra={
            "method": scope["method"],
            "path": scope["path"],
            "query": _shown_query(scope["query_string"]),
            "status": status,
            "bytes": sent_bytes,
            "latency_ms": context.latency_ms(),
            "request_id": context.request_id,
            "trace_id": trace_id_of(scope),
            "client": (scope.get("client") or ("",))[0],
        },
    )
