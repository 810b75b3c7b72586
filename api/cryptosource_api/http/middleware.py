"""The middleware around every request: id, size limits, headers, log line, unexpected errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span
from starlette.types import Message, Receive, Scope, Send

from cryptosource_api.http.admission import Admission
from cryptosource_api.http.cache_lookup import CacheLookup
from cryptosource_api.http.client_address import forwarded_client
from cryptosource_api.http.envelope import cached_parts
from cryptosource_api.http.problems import ApiProblem, internal_error, render
from cryptosource_api.http.request_body import check_length, has_body, read_whole_body
from cryptosource_api.http.request_context import EXTRA_HEADERS, RequestContext, context_of
from cryptosource_api.metrics.request_metrics import RequestMetrics
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import own_traceparent_of, trace_id_of
from cryptosource_telemetry.redaction import REDACTED

logger = logging.getLogger("cryptosource.api")
access_logger = logging.getLogger("cryptosource.api.access")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""For JSON answers. HTML pages set a policy of their own, which is not replaced."""

# Keys belong in a header; a client that sends one in the query by mistake must not leave it in logs.
_SECRET_PARAMETER = re.compile(
    r"((?:^|&)[^=&]*(?:key|token|secret|passw|sig|auth)[^=&]*=)[^&]*", re.IGNORECASE
)


# Pure ASGI: Starlette's BaseHTTPMiddleware costs a quarter of the throughput, this 3 %.
class RequestMiddleware:
    """The outermost of our own layers.

    Args:
        admission: admits requests to the routes.
        cache_lookup: finds answers that need no route.
        settings: `body_bytes` and `query_bytes`.
        metrics: counts requests.
        traced: whether requests have spans.
    """

    def __init__(
        self,
        admission: Admission,
        *,
        cache_lookup: CacheLookup,
        settings: ApiSettings,
        metrics: RequestMetrics,
        traced: bool,
    ) -> None:
        self._admission = admission
        self._cache_lookup = cache_lookup
        self._traced = traced
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._admission(scope, receive, send)
            return
        if self._settings.trusted_proxies:
            # Replaced in the scope, where rate limits and the access log read it.
            client = forwarded_client(scope, self._settings.trusted_proxies)
            scope["client"] = client, 0
        context = context_of(scope)
        if not await self._answer_from_cache(scope, context, send):
            await self._handle(scope, context, receive, send)

    async def _handle(
        self, scope: Scope, context: RequestContext, receive: Receive, send: Send
    ) -> None:
        span = trace.get_current_span() if self._traced else INVALID_SPAN
        sender = _ResponseSender(send, scope, context, self._metrics, span)
        self._metrics.request_started()
        try:
            self._check_sizes(scope, context)
            if has_body(context):
                # Read whole before admission: a client that sends slowly must not take a place
                # among the concurrent requests from others.
                receive = await read_whole_body(receive, self._settings)
            await self._admission(scope, receive, sender)
        except ApiProblem as problem:
            if sender.status:
                facts = {"request_id": context.request_id, "problem": problem.kind}
                logger.warning("answer cut off", extra=facts)
                raise
            await self._refuse(problem, scope, receive, sender)
        except Exception as error:
            logger.exception("request failed", extra={"request_id": context.request_id})
            if span.is_recording():
                span.record_exception(error)
            if sender.status:
                raise  # part of the answer was sent: only a closed connection can signal the error
            await self._refuse(internal_error(), scope, receive, sender)
        finally:
            self._metrics.request_ended()
            _log_access(scope, context, status=sender.status, sent_bytes=sender.sent_bytes)

    async def _answer_from_cache(self, scope: Scope, context: RequestContext, send: Send) -> bool:
        """Answer from the cache if that needs no waiting; return whether it did."""
        # All steps are written out here: one layer for each would cost as much as the step itself.
        if has_body(context) or (cached := self._cache_lookup.find(scope)) is None:
            return False
        rate_headers = self._admission.admit_from_cache(scope)
        if rate_headers is None:
            return False
        scope["route"] = cached.route
        status, headers, body = cached_parts(scope, cached)
        headers += rate_headers
        headers.append((b"x-request-id", context.request_id.encode("ascii")))
        headers += SECURITY_HEADERS
        span: Span = INVALID_SPAN
        if self._traced:
            headers += _trace_headers(scope)
            span = trace.get_current_span()
        self._metrics.answer_started(scope, status, context.seconds(), span)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        _log_access(scope, context, status=status, sent_bytes=len(body))
        return True

    async def _refuse(
        self, problem: ApiProblem, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request_id = context_of(scope).request_id
        response = render(problem, instance=scope["path"], request_id=request_id)
        await response(scope, receive, send)

    def _check_sizes(self, scope: Scope, context: RequestContext) -> None:
        """Check the size of a request by its head.

        Raises:
            ApiProblem: 414, 413.
        """
        most = self._settings.query_bytes
        if len(scope["query_string"]) > most or len(scope.get("raw_path") or b"") > most:
            detail = f"Path and query string may have {most} bytes each"
            raise ApiProblem(status=414, detail=detail)
        check_length(context, self._settings)


class _ResponseSender:
    """Adds the headers of every answer, and records its status and size."""

    # One is made for each request.
    __slots__ = ("_context", "_metrics", "_scope", "_send", "_span", "sent_bytes", "status")

    def __init__(
        self,
        send: Send,
        scope: Scope,
        context: RequestContext,
        metrics: RequestMetrics,
        span: Span,
    ) -> None:
        self._send = send
        self._scope = scope
        self._context = context
        self._metrics = metrics
        self._span = span
        self.status = 0
        self.sent_bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            seconds = self._context.seconds()
            self._metrics.answer_started(self._scope, self.status, seconds, self._span)
            message["headers"] = self._all_headers(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        await self._send(message)

    def _all_headers(self, own: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = [
            *own,
            *self._scope.get(EXTRA_HEADERS, ()),
            (b"x-request-id", self._context.request_id.encode("ascii")),
        ]
        present = dict(headers)
        headers += [pair for pair in SECURITY_HEADERS if pair[0] not in present]
        if self._span is not INVALID_SPAN:
            headers += _trace_headers(self._scope)
        return headers


def _trace_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    traced = own_traceparent_of(scope)
    return [(b"traceresponse", traced.encode("ascii"))] if traced else []


def _redact_query(query: bytes) -> str:
    """Return a query string without keys that a client sent there by mistake."""
    return _SECRET_PARAMETER.sub(rf"\1{REDACTED}", query.decode("latin-1"))


def _log_access(scope: Scope, context: RequestContext, *, status: int, sent_bytes: int) -> None:
    """Write the access log's line of a request, at INFO.

    Args:
        scope: of the request.
        context: of the request.
        status: of the answer; 0 without one.
        sent_bytes: size of the answer's body.
    """
    # Checked first: redacting the query costs more than the check, and is done for each request.
    if not access_logger.isEnabledFor(logging.INFO):
        return
    access_logger.info(
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
