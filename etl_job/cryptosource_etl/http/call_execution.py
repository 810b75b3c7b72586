"""The execution of one call: token, request, redirects, classification, body and retries."""

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

# The bucket in Postgres outlives the run: an absurd Retry-After must not block every later run for
# days.
MAX_PENALTY = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class ClientResources:
    """Resources shared by all calls of one client."""

    limits: HttpLimits
    retry: RetryPolicy
    limiter: RateLimiter
    clock: Clock
    wire: Wire
    counters: Counters
    random: Callable[[], float]


class CallExecution:
    """The execution of one call, with its retries.

    Args:
        resources: the client's.
        call: the checked request.
        probing: make one attempt only, as the circuit breaker's probe.
    """

    def __init__(self, resources: ClientResources, call: Call, *, probing: bool) -> None:
        self._resources = resources
        self._call = call
        self._attempts = Attempts(
            resources.retry,
            clock=resources.clock,
            random=resources.random,
            host=call.host,
            single=probing,
            on_wait=self._count_retry,
        )
        self._requests = 0
        self._waited_seconds = 0.0

    def fetch(self) -> Response:
        """Return the response with its whole body.

        Raises:
            RunError: see `HttpClient.get`.
        """
        return self._attempts.run(self._call.mask_errors()(self._fetch_once))

    def open(self) -> Incoming:
        """Return a successful response whose body has not been read. The caller closes it.

        Raises:
            RunError: see `HttpClient.get`.
        """
        total = self._resources.limits.stream_total_seconds
        return self._attempts.run(
            self._call.mask_errors()(lambda: self._open_success(total, partial=True))
        )

    def stream(self, incoming: Incoming) -> StreamedResponse:
        """Return a response that streams the body of what `open` returned."""
        status = incoming.status
        return StreamedResponse(
            status=NOT_MODIFIED if status == NOT_MODIFIED else OK if status == OK else PARTIAL,
            headers=incoming.headers,
            validators=self._next_validators(incoming),
            attempts=self._attempts.number,
            waited_seconds=self._waited_seconds,
            chunks=self._chunks(incoming),
        )

    def _fetch_once(self) -> Response:
        limits = self._resources.limits
        caps = BodyCaps(
            sent_bytes=limits.max_body_bytes,
            decoded_bytes=limits.max_decoded_bytes,
            expansion=limits.max_expansion,
        )
        with closing(self._open_success(limits.total_seconds)) as incoming:
            body = b"" if incoming.status == NOT_MODIFIED else _join(incoming.body(caps))
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
        limits = self._resources.limits
        caps = BodyCaps(
            sent_bytes=limits.max_stream_body_bytes,
            decoded_bytes=limits.max_stream_decoded_bytes,
            expansion=limits.max_expansion,
        )
        try:
            with self._call.mask_errors():
                yield from incoming.body(caps)
        except AttemptFailed as failure:
            # No second attempt: the consumer may have used what was already yielded.
            raise self._attempts.give_up(failure) from failure

    def _open_success(self, total_seconds: float, *, partial: bool = False) -> Incoming:
        """Send requests, following redirects, until one succeeds; accept 206 only if `partial`."""
        url = self._call.url
        for hops in range(redirects.MAX_HOPS + 2):
            incoming = self._send(url, total_seconds)
            try:
                if incoming.status in redirects.STATUSES:
                    target = redirects.follow(url, incoming.headers.get("location", ""), hops=hops)
                    # An upstream may have written the key into the address it redirects to.
                    refuse_keys(target, self._call.secret)
                else:
                    self._require_success(incoming, partial=partial)
                    return incoming
            except BaseException:
                incoming.close()
                raise
            incoming.close()
            url = target
        raise AssertionError("redirects.follow ends every chain")

    def _send(self, url: httpx.URL, total_seconds: float) -> Incoming:
        began = self._resources.clock.monotonic()
        self._resources.limiter.acquire(self._call.bucket)
        self._count_wait(self._resources.clock.monotonic() - began)
        resend_count = self._requests
        self._requests += 1
        return self._resources.wire.send(
            url, self._call.headers, resend_count=resend_count, total_seconds=total_seconds
        )

    def _require_success(self, incoming: Incoming, *, partial: bool) -> None:
        status = incoming.status
        if status == OK or (status == PARTIAL and partial and "range" in self._call.headers):
            return
        if status == NOT_MODIFIED and self._call.validators:
            return
        answer = self._classify(incoming, _read_head(incoming))
        retry_after = self._retry_after(incoming)
        try:
            raise status_policy.judge(
                answer, path=self._call.url.path, retry_after_seconds=retry_after
            )
        except AttemptFailed as failure:
            self._penalize(failure)
            raise

    def _classify(self, incoming: Incoming, head: bytes) -> Answer:
        """Apply the source's classifier; return the answer if it leaves the decision to the status.

        Raises:
            AttemptFailed, RunError: as the classifier decided.
        """
        answer = Answer(
            status=incoming.status, headers=incoming.headers, head=head, host=self._call.host
        )
        verdict = self._call.classify(answer) if self._call.classify else None
        if isinstance(verdict, RunError):
            raise verdict
        if verdict is not None:
            seconds = verdict.retry_after_seconds
            failure = AttemptFailed(
                verdict.reason,
                verdict.detail,
                status=incoming.status,
                retry_after_seconds=self._retry_after(incoming) if seconds is None else seconds,
            )
            self._penalize(failure)
            raise failure
        return answer

    def _retry_after(self, incoming: Incoming) -> float | None:
        return parse_retry_after(incoming.headers, now=self._resources.clock.now())

    def _penalize(self, failure: AttemptFailed) -> None:
        """Block the bucket for all who share it as long as the upstream asks, within a limit."""
        seconds = failure.retry_after_seconds
        if failure.reason is Reason.RATE_LIMITED and seconds is not None:
            wait = min(timedelta(seconds=seconds), MAX_PENALTY)
            self._resources.limiter.penalize(self._call.bucket, self._resources.clock.now() + wait)

    def _next_validators(self, incoming: Incoming) -> Validators | None:
        validators = Validators.from_headers(incoming.headers)
        return validators or (self._call.validators if incoming.status == NOT_MODIFIED else None)

    def _count_retry(self, seconds: float) -> None:
        self._resources.counters.add(retries=1)
        self._count_wait(seconds)

    def _count_wait(self, seconds: float) -> None:
        self._waited_seconds += seconds
        self._resources.counters.add_wait(seconds)


def _join(pieces: Iterator[bytes]) -> bytes:
    # `getvalue` shares the buffer; `bytes.join` would hold a body of up to 128 MiB twice.
    buffer = io.BytesIO()
    for piece in pieces:
        buffer.write(piece)
    return buffer.getvalue()


def _read_head(incoming: Incoming) -> bytes:
    """Return the first bytes of an error's body, or as many as could be read."""
    head = b""
    try:
        for piece in incoming.body(_ERROR_CAPS):
            head += piece
            if len(head) >= status_policy.HEAD_BYTES:
                break
    except (AttemptFailed, RunError):
        pass  # the body of an error is extra information: its status alone is enough to go on
    return head[: status_policy.HEAD_BYTES]
