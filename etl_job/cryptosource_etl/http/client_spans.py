"""One client span per request, by the semantic conventions for HTTP. A no-op without an SDK.

Neither query nor headers are recorded, and no trace context is sent: upstreams are strangers.
"""

from __future__ import annotations

import httpx
from opentelemetry import trace

from cryptosource_etl.http.redirects import origin

_ERROR_FROM = 400


class RequestSpan:
    """The span of one request. Ending it twice is harmless.

    Args:
        url: what is asked for.
        resend_count: requests this call has already made.
    """

    def __init__(self, url: httpx.URL, *, resend_count: int) -> None:
        scheme, host, port = origin(url)
        attributes: dict[str, str | int] = {
            "http.request.method": "GET",
            "server.address": host,
            "server.port": port or 0,
            "url.scheme": scheme,
            "url.path": url.path,
        }
        if resend_count:
            attributes["http.request.resend_count"] = resend_count
        self._span = trace.get_tracer("cryptosource_etl.http").start_span(
            "GET", kind=trace.SpanKind.CLIENT, attributes=attributes
        )
        self._ended = False

    def answered(self, status: int) -> None:
        """Record the status; from 400 on it is an error."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= _ERROR_FROM:
            self.failed(str(status))

    def failed(self, error_type: str) -> None:
        """Record what went wrong, in one word."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        """Close the span."""
        if not self._ended:
            self._ended = True
            self._span.end()
