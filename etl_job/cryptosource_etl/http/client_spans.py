"""One client span per request, by OpenTelemetry's semantic conventions for HTTP.

Without an SDK it does nothing. Neither query nor headers are recorded, and no trace context is
sent, because upstreams are third parties.
"""

from __future__ import annotations

import httpx
from opentelemetry import trace

from cryptosource_etl.http.redirects import origin

_MIN_ERROR_STATUS = 400


class RequestSpan:
    """The span of one request. Ending it twice is harmless.

    Args:
        url: the requested URL.
        resend_count: number of requests that this call has made before.
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

    def record_status(self, status: int) -> None:
        """Record the response's status; from 400 on the span is an error."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= _MIN_ERROR_STATUS:
            self.record_error(str(status))

    def record_error(self, error_type: str) -> None:
        """Mark the span as failed, with one word as `error.type`."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        """Close the span."""
        if not self._ended:
            self._ended = True
            self._span.end()
