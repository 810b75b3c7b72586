"""One call being made: token, request, redirects, verdict, body, and again if that may help."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import httpx

from cryptosource_etl.clock import Clock
from cryptosource_etl.errors import RunError
from cryptosource_etl.http import redirects, status_policy
from cryptosource_etl.http.request import Call, refuse_keys
from cryptosource_etl.http.request_limits import HttpLimits, RetryPolicy
from cryptosource_etl.http.response import NOT_MODIFIED, OK, PARTIAL, Response, StreamedResponse
from cryptosource_etl.http.response_body import BodyCaps
from cryptosource_etl.http.retry import AttemptFailed, Attempts, parse_retry_after
from cryptosource_etl.http.status_policy import Answer
from cryptosource_etl.http.token_bucket import RateLimiter
from cryptosource_etl.http.usage import Counters
from cryptosource_etl.http.validators import Validators
from cryptosource_etl.http.wire import Incoming, Wire
from cryptosource_store.reasons import Reason

_ERROR_CAPS = BodyCaps(sent_bytes=64 * 1024, decoded_bytes=64 * 1024, expansion=1024)

MAX_PENALTY = timedelta(hours=1)
"""An absurd Retry-After must not keep every later run away for days."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What all calls of a client share."""

    limits: HttpLimits
    retry: RetryPolicy
    limiter: RateLimiter
    clock: Clock
    wire: Wire
    counters: Counters
    random: Callable[[], float]


class CallExecution:
    """The making of one call.

    Args:
        tools: the client's.
        call: what to ask for.
        probing: make one attempt only, on behalf of the breaker.
    """

    def __init__(self, tools: Tools, call: Call, *, probing: bool) -> None:
        self._tools = tools
        self._call = call
        self._attempts = Attempts(
            tools.retry,
            clock=tools.clock,
            random=tools.random,
            host=call.host,
            single=probing,
            on_wait=self._waited_between,
        )
        self._requests = 0
        self._waited_seconds = 0.0

    def whole(self) -> Response:
        """Return the answer with its body.

        Raises:
            RunError: see `HttpClient.get`.
        """
        return self._attempts.run(self._call.scrubbed()(self._read_whole))

    def opened(self) -> Incoming:
        """Return an answer whose body is still to be read; close it.

        Raises:
            RunError: see `HttpClient.get`.
        """
        total = self._tools.limits.stream_total_seconds
        return self._attempts.run(
            self._call.scrubbed()(lambda: self._accepted(total, partial=True))
        )

    def streamed(self, incoming: Incoming) -> StreamedResponse:
        """Wrap what `opened` returned."""
        status = incoming.status
        return StreamedResponse(
            status=NOT_MODIFIED if status == NOT_MODIFIED else OK if status == OK else PARTIAL,
            headers=incoming.headers,
            validators=self._next_validators(incoming),
            attempts=self._attempts.number,
            waited_seconds=self._waited_seconds,
            chunks=self._chunks(incoming),
        )

    def _read_whole(self) -> Response:
        limits = self._tools.limits
        caps = BodyCaps(
            sent_bytes=limits.max_body_bytes,
            decoded_bytes=limits.max_decoded_bytes,
            expansion=limits.max_expansion,
        )
        with closing(self._accepted(limits.total_seconds)) as incoming:
            body = b"" if incoming.status == NOT_MODIFIED else _joined(incoming.body(caps))
            if incoming.status != NOT_MODIFIED:
                self._classify(incoming, body[: status_policy.HEAD_BYTES])
            return Response(
                status=NOT_MODIFIED if incoming.status == NOT_MODIFIED else OK,
                body=body,
                validators=self._next_validators(incoming),
                attempts=self._attempts.number,
                waited_seconds=self._waited_seconds,
            )

    def _chunks(self, incoming: Incoming) -> Iterator[bytes]:
        if incoming.status == NOT_MODIFIED:
            return
        limits = self._tools.limits
        caps = BodyCaps(
            sent_bytes=limits.max_stream_body_bytes,
            decoded_bytes=limits.max_stream_decoded_bytes,
            expansion=limits.max_expansion,
        )
        try:
            with self._call.scrubbed():
                yield from incoming.body(caps)
        except AttemptFailed as failure:
            raise self._attempts.give_up(failure) from failure

    def _accepted(self, total_seconds: float, *, partial: bool = False) -> Incoming:
        """Return a successful answer, wherever in its origin it is; 206 only if `partial`."""
        url = self._call.url
        for hops in range(redirects.MAX_HOPS + 2):
            incoming = self._send(url, total_seconds)
            try:
                if incoming.status in redirects.STATUSES:
                    target = redirects.follow(url, incoming.headers.get("location", ""), hops=hops)
                    refuse_keys(target, self._call.secret)
                else:
                    self._refuse_unless_success(incoming, partial=partial)
                    return incoming
            except BaseException:
                incoming.close()
                raise
            incoming.close()
            url = target
        raise AssertionError("redirects.follow ends every chain")

    def _send(self, url: httpx.URL, total_seconds: float) -> Incoming:
        began = self._tools.clock.monotonic()
        self._tools.limiter.acquire(self._call.bucket)
        self._waited(self._tools.clock.monotonic() - began)
        resend_count = self._requests
        self._requests += 1
        return self._tools.wire.send(
            url, self._call.headers, resend_count=resend_count, total_seconds=total_seconds
        )

    def _refuse_unless_success(self, incoming: Incoming, *, partial: bool) -> None:
        status = incoming.status
        if status == OK or (status == PARTIAL and partial and "range" in self._call.headers):
            return
        if status == NOT_MODIFIED and self._call.validators:
            return
        answer = self._classify(incoming, _head(incoming))
        wish = self._wish(incoming)
        try:
            raise status_policy.judge(answer, path=self._call.url.path, retry_after_seconds=wish)
        except AttemptFailed as failure:
            self._penalize(failure)
            raise

    def _classify(self, incoming: Incoming, head: bytes) -> Answer:
        """Let the vendor's module speak first; return what it saw if it leaves the matter to us."""
        answer = Answer(
            status=incoming.status, headers=incoming.headers, head=head, host=self._call.host
        )
        verdict = self._call.classify(answer) if self._call.classify else None
        if isinstance(verdict, RunError):
            raise verdict
        if verdict is not None:
            wish = verdict.retry_after_seconds
            failure = AttemptFailed(
                verdict.reason,
                verdict.detail,
                status=incoming.status,
                retry_after_seconds=self._wish(incoming) if wish is None else wish,
            )
            self._penalize(failure)
            raise failure
        return answer

    def _wish(self, incoming: Incoming) -> float | None:
        return parse_retry_after(incoming.headers, now=self._tools.clock.now())

    def _penalize(self, failure: AttemptFailed) -> None:
        """Hold back everyone who shares the bucket, as long as the upstream asks within reason."""
        wish = failure.retry_after_seconds
        if failure.reason is Reason.RATE_LIMITED and wish is not None:
            wait = min(timedelta(seconds=wish), MAX_PENALTY)
            self._tools.limiter.penalize(self._call.bucket, self._tools.clock.now() + wait)

    def _next_validators(self, incoming: Incoming) -> Validators | None:
        found = Validators.from_headers(incoming.headers)
        return found or (self._call.validators if incoming.status == NOT_MODIFIED else None)

    def _waited_between(self, seconds: float) -> None:
        self._tools.counters.add(retries=1)
        self._waited(seconds)

    def _waited(self, seconds: float) -> None:
        self._waited_seconds += seconds
        self._tools.counters.add_wait(seconds)


def _joined(pieces: Iterator[bytes]) -> bytes:
    # getvalue shares the buffer, where join would hold the body twice.
    buffer = io.BytesIO()
    for piece in pieces:
        buffer.write(piece)
    return buffer.getvalue()


def _head(incoming: Incoming) -> bytes:
    """Return the beginning of an error's body, as far as it can be had."""
    head = b""
    try:
        for piece in incoming.body(_ERROR_CAPS):
            head += piece
            if len(head) >= status_policy.HEAD_BYTES:
                break
    except (AttemptFailed, RunError):
        pass  # the status says enough
    return head[: status_policy.HEAD_BYTES]
