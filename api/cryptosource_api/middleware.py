"""Around every request: its id, its limits, its headers, its log line, and no leak on failure.

Pure ASGI: Starlette's BaseHTTPMiddleware costs a quarter of the throughput, this 3 %.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cryptosource_api.clients import forwarded_client
from cryptosource_api.context import EXTRA_HEADERS, RequestContext, begin, context_of
from cryptosource_api.metrics.requests import RequestMetrics
from cryptosource_api.problems import ApiProblem, internal_error, render
from cryptosource_api.settings import ApiSettings
from cryptosource_api.telemetry import trace_id_of
from cryptosource_telemetry.contexts import traceparent_of
from cryptosource_telemetry.secrets import BLOT

logger = logging.getLogger("cryptosource.api")
access_logger = logging.getLogger("cryptosource.api.access")

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""For JSON. A page for people brings a policy of its own, which then stands."""


class RequestMiddleware:
    """The outermost layer of our own.

    Args:
        app: what answers.
        settings: `body_bytes` and `query_bytes`.
        metrics: where requests are counted.
        traced: requests have spans. Where none has, nobody looks for one.
    """

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, metrics: RequestMetrics, *, traced: bool = True
    ) -> None:
        self._app = app
        self._traced = traced
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._settings.trusted_proxies:
            client = forwarded_client(scope, self._settings.trusted_proxies)
            scope["client"] = client, 0
        context = begin(scope)
        span = trace.get_current_span() if self._traced else INVALID_SPAN
        sending = _Sending(send, scope, context, self._metrics, span)
        self._metrics.begins()
        try:
            problem = self._refusal(scope, context)
            if problem is None and _has_body(context):
                # Whole before it takes a place among the requests at a time: one that drips must
                # not keep others out.
                problem, receive = await self._gather(receive)
            if problem is None:
                await self._app(scope, receive, sending)
            else:
                await self._refuse(problem, scope, receive, sending)
        except Exception as error:
            logger.exception("request failed", extra={"request_id": context.request_id})
            if span.is_recording():
                span.record_exception(error)
            if sending.status:
                raise  # half an answer is out: only closing the connection tells the client
            await self._refuse(internal_error(), scope, receive, sending)
        finally:
            self._metrics.ends()
            if access_logger.isEnabledFor(logging.INFO):
                _log_access(scope, context, sending)

    async def _refuse(
        self, problem: ApiProblem, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request_id = context_of(scope).request_id
        response = render(problem, instance=scope["path"], request_id=request_id)
        await response(scope, receive, send)

    def _refusal(self, scope: Scope, context: RequestContext) -> ApiProblem | None:
        """Return what is wrong with the request's size, going by its head."""
        most = self._settings.query_bytes
        if len(scope["query_string"]) > most or len(scope.get("raw_path") or b"") > most:
            return ApiProblem(
                status=414,
                detail=f"Path and query string may have {self._settings.query_bytes} bytes each",
            )
        length = context.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._settings.body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> ApiProblem:
        return ApiProblem(
            status=413,
            detail=f"A body may have {self._settings.body_bytes} bytes",
            headers={"Connection": "close"},
        )

    async def _gather(self, receive: Receive) -> tuple[ApiProblem | None, Receive]:
        """Read a body up to the limit; return it to be received again."""
        messages: list[Message] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while not messages or messages[-1].get("more_body", False):
                    messages.append(await receive())
                    if messages[-1]["type"] == "http.disconnect":
                        return _body_is_late(), receive
                    size += len(messages[-1].get("body", b""))
                    if size > self._settings.body_bytes:
                        return self._too_large(), receive
        except TimeoutError:
            return _body_is_late(), receive
        return None, _replay(messages, receive)


def _body_is_late() -> ApiProblem:
    return ApiProblem(status=408, detail="The body did not arrive in time")


def _has_body(context: RequestContext) -> bool:
    return (
        context.headers.get(b"content-length", b"0") != b"0"
        or b"transfer-encoding" in context.headers
    )


def _replay(messages: Iterable[Message], receive: Receive) -> Receive:
    pending = iter(list(messages))

    async def replay() -> Message:
        message = next(pending, None)
        return message if message is not None else await receive()

    return replay


class _Sending:
    """Adds the headers that every answer carries and remembers what was sent."""

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
            self._metrics.answers(self._scope, self.status, seconds, self._span)
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
            traced = traceparent_of(self._span.get_span_context())
            if traced:
                headers.append((b"traceresponse", traced.encode("ascii")))
        return headers


_SECRET_PARAMETER = re.compile(
    r"((?:^|&)[^=&]*(?:key|token|secret|passw|sig|auth)[^=&]*=)[^&]*", re.IGNORECASE
)


def _shown_query(query: bytes) -> str:
    """Return a query string without what was sent as a key by mistake."""
    return _SECRET_PARAMETER.sub(rf"\1{BLOT}", query.decode("latin-1"))


def _log_access(scope: Scope, context: RequestContext, sending: _Sending) -> None:
    access_logger.info(
        "request",
        extra={
            "method": scope["method"],
            "path": scope["path"],
            "query": _shown_query(scope["query_string"]),
            "status": sending.status,
            "bytes": sending.sent_bytes,
            "latency_ms": context.latency_ms(),
            "request_id": context.request_id,
            "trace_id": trace_id_of(scope),
            "client": (scope.get("client") or ("",))[0],
        },
    )
