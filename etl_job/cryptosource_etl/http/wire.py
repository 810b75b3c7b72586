"""One HTTP exchange: a request, its response, and every transport error as an `AttemptFailed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpcore
import httpx

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import RunError
from cryptosource_etl.http.client_spans import RequestSpan
from cryptosource_etl.http.request_limits import HttpLimits
from cryptosource_etl.http.response_body import BodyCaps, TooLarge, decode, too_large_error
from cryptosource_etl.http.retry import AttemptFailed
from cryptosource_etl.http.transport import Progress, enforce_deadline
from cryptosource_etl.http.usage import Counters
from cryptosource_store.reasons import Reason

_WIRE_ERRORS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class Incoming:
    """A response whose body has not been read. The caller closes it."""

    def __init__(
        self,
        response: httpcore.Response,
        headers: Mapping[str, str],
        *,
        host: str,
        progress: Progress,
        span: RequestSpan,
        counters: Counters,
    ) -> None:
        self.status = response.status
        self.headers = headers
        self._response = response
        self._host = host
        self._progress = progress
        self._span = span
        self._counters = counters

    def body(self, caps: BodyCaps) -> Iterator[bytes]:
        """Yield the decompressed body.

        Raises:
            AttemptFailed: the body broke off, took too long, or contradicts its headers.
            Retryable: `BodyTooLarge`.
        """
        pieces = decode(
            self._read_chunks(),
            content_encoding=self.headers.get("content-encoding", ""),
            content_length=self.headers.get("content-length", ""),
            caps=caps,
        )
        try:
            yield from pieces
        except TooLarge as problem:
            self._span.record_error(Reason.BODY_TOO_LARGE)
            raise too_large_error(self._host, problem) from None
        except AttemptFailed as failure:
            self._span.record_error(failure.reason)
            raise

    def close(self) -> None:
        """Release the connection without waiting for the unread rest of the body."""
        self._response.close()
        self._span.end()

    def _read_chunks(self) -> Iterator[bytes]:
        chunks = self._response.iter_stream()
        while True:
            # The deadline is entered for each chunk, not around the loop: a generator would leave
            # its context variable set in the consumer between two chunks.
            with _translate_errors(self._progress), enforce_deadline(self._progress):
                chunk = next(chunks, None)
            if chunk is None:
                return
            self._counters.add(body_bytes=len(chunk))
            yield chunk


class Wire:
    """Sends requests through a pool.

    Args:
        pool: connections from `open_pool`.
        limits: limits on time and headers.
        clock: measures deadlines.
        counters: counts every request and byte.
    """

    def __init__(
        self,
        pool: httpcore.ConnectionPool,
        limits: HttpLimits,
        *,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._clock = clock
        self._counters = counters

    def send(
        self,
        url: httpx.URL,
        headers: Mapping[str, str],
        *,
        resend_count: int,
        total_seconds: float,
    ) -> Incoming:
        """Send a GET and return the response as soon as its headers are in.

        Raises:
            AttemptFailed: no response, or one that is not HTTP.
            Permanent: `EgressDenied`.
        """
        progress = Progress(self._clock, total_seconds=total_seconds)
        span = RequestSpan(url, resend_count=resend_count)
        self._counters.add(requests=1)
        try:
            with _translate_errors(progress), enforce_deadline(progress):
                response = self._pool.handle_request(self._request(url, headers))
            span.record_status(response.status)
        except BaseException as error:
            span.record_error(
                error.reason
                if isinstance(error, AttemptFailed | RunError)
                else type(error).__name__
            )
            span.end()
            raise
        incoming = Incoming(
            response,
            _join_headers(response.headers),
            host=url.netloc.decode("ascii"),
            progress=progress,
            span=span,
            counters=self._counters,
        )
        self._check_headers(response, incoming)
        return incoming

    def _request(self, url: httpx.URL, headers: Mapping[str, str]) -> httpcore.Request:
        read = self._limits.read_seconds
        timeout = {
            "connect": self._limits.connect_seconds,
            "read": read,
            "write": read,
            "pool": self._limits.total_seconds,
        }
        return httpcore.Request(
            "GET",
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=[
                (b"host", url.netloc),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ],
            extensions={"timeout": timeout},
        )

    def _check_headers(self, response: httpcore.Response, incoming: Incoming) -> None:
        size = sum(len(name) + len(value) for name, value in response.headers)
        count = len(response.headers)
        if size > self._limits.max_header_bytes or count > self._limits.max_header_count:
            incoming.close()
            raise AttemptFailed(
                Reason.MALFORMED_RESPONSE, f"{count} headers of {size} bytes are too much"
            )


def _join_headers(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    # Lines of one name are one list (RFC 9110, section 5.3). latin-1 maps each byte to a character,
    # so that no header can fail to decode.
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@contextmanager
def _translate_errors(progress: Progress) -> Iterator[None]:
    try:
        yield
    except _WIRE_ERRORS as error:
        # Not chained: h11 quotes the bytes it received, and an upstream may echo the key.
        raise AttemptFailed(*_classify_error(error, progress)) from None


def _classify_error(error: Exception, progress: Progress) -> tuple[Reason, str]:
    """Return reason and detail of a transport error.

    They depend on whether any byte had arrived: without one, the upstream counts as unreachable.
    """
    slow = isinstance(error, httpcore.TimeoutException)
    if progress.expired or isinstance(error, httpcore.PoolTimeout):
        return Reason.DEADLINE_EXCEEDED, "the answer took too long"
    if progress.received_bytes == 0:
        return Reason.UPSTREAM_UNREACHABLE, str(error) or "no answer in time"
    if slow:
        return Reason.DEADLINE_EXCEEDED, "the answer stopped coming"
    return Reason.MALFORMED_RESPONSE, f"the answer broke off: {error}"
