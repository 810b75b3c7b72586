"""The access log: one line for each request."""

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


def _redact_query(query: bytes) -> str:
    """Return a query string without keys that a client sent there by mistake."""
    return _SECRET_PARAMETER.sub(rf"\1{REDACTED}", query.decode("latin-1"))


def log_access(scope: Scope, context: RequestContext, *, status: int, sent_bytes: int) -> None:
    """Log a request at INFO.

    Args:
        scope: of the request.
        context: of the request.
        status: of the answer; 0 without one.
        sent_bytes: size of the answer's body.
    """
    # Checked first: redacting the query costs more than the check, and is done for each request.
    if not logger.isEnabledFor(logging.INFO):
        return
    logger.info(
        "request",
        extra={
            "method": scope["method"],
            "path": scope["path"],
            "query": _redact_query(scope["query_string"]),
            "status": status,
            "bytes": sent_bytes,
            "latency_ms": context.latency_ms(),
            "request_id": context.request_id,
            "trace_id": trace_id_of(scope),
            "client": (scope.get("client") or ("",))[0],
        },
    )
