"""A client of the API server with the verbs that the operator's role grants, and no others.

Kopf watches (see `informer`). Writes go through this client, because Kopf supports neither
server-side apply nor preconditions; so do the lists that `resync` compares with the watches.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from cryptosource_operator.adapters.kopf import kopf
from cryptosource_operator.metrics import Metrics
from cryptosource_operator.names import FIELD_MANAGER
from cryptosource_operator.reconcile_tracing import trace_request

log = logging.getLogger(__name__)

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
PLAIN = "application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
MAX_CONNECTIONS = 20
"""Requests at a time, without Kopf's."""
# A thousand CronJobs in one page would take 80 MiB while they are parsed.
PAGE_SIZE = 100
"""Objects per page of a list."""

NOT_FOUND, CONFLICT, UNAUTHORIZED, INVALID, FORBIDDEN = 404, 409, 401, 422, 403
BAD_REQUEST = 400
TOO_MANY, SERVER_ERROR = 429, 500


class ApiError(Exception):
    """The API server answered with an error status."""

    def __init__(self, code: int, message: str, *, reason: str = "", causes: Any = ()) -> None:
        super().__init__(f"{code} {reason}: {message[:256]}")
        self.code = code
        self.message = message
        self.reason = reason
        self.causes = tuple(causes)
        """`details.causes` of the answer: fields and what is wrong with each."""

    @property
    def transient(self) -> bool:
        """Return whether the same request may succeed later."""
        return self.code in {TOO_MANY, CONFLICT} or self.code >= SERVER_ERROR


class ApiUnreachableError(Exception):
    """The API server could not be reached, or did not answer in time."""


class ApiClient:
    """Requests to one API server.

    Args:
        login: returns credentials; called again when the API server no longer accepts them.
        metrics: counts the requests.
        crash_after_calls: for tests: SIGKILL to this process right after so many calls while
            `counting` is set; 0: never.
    """

    def __init__(
        self,
        login: Callable[[], kopf.ConnectionInfo],
        metrics: Metrics,
        *,
        crash_after_calls: int = 0,
    ) -> None:
        self._login = login
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        self._server = ""
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._crash_after = crash_after_calls
        self.counting = False

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> dict[str, Any] | None:
        """Return an object; None when it does not exist."""
        try:
            return await self.request("GET", path)
        except ApiError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def apply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an object server-side; return it as stored.

        Forced: the operator becomes the owner of each field in `body`, whichever manager had it.
        """
        query = f"?fieldManager={FIELD_MANAGER}&force=true"
        return await self.request("PATCH", path + query, body, content_type=APPLY)

    async def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; return it as stored."""
        return await self.request("POST", f"{path}?fieldManager={FIELD_MANAGER}", body)

    async def merge(self, path: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a JSON merge patch; return the object as stored."""
        query = f"?fieldManager={FIELD_MANAGER}"
        return await self.request("PATCH", path + query, patch, content_type=MERGE)

    async def list(
        self, path: str, *, selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the objects of a list, read in pages."""
        accept = METADATA_LIST if metadata_only else PLAIN
        token = ""
        while True:
            query = {"limit": str(PAGE_SIZE)}
            query |= {"labelSelector": selector} if selector else {}
            query |= {"continue": token} if token else {}
            page = await self.request("GET", f"{path}?{urlencode(query)}", accept=accept)
            for item in page.get("items") or ():
                yield item
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = PLAIN,
        accept: str = PLAIN,
    ) -> dict[str, Any]:
        """Send a request and return the answer's object.

        Raises:
            ApiError: the API server answered with an error status.
            ApiUnreachableError: no answer came.
        """
        headers = {"Content-Type": content_type, "Accept": accept}
        data = None if body is None else msgspec.json.encode(body)
        try:
            with trace_request(method, path) as codes:
                code, text = await self._send(method, path, data, headers)
                if code == UNAUTHORIZED:
                    # A service account's token is replaced every hour: log in again, once.
                    await self.close()
                    code, text = await self._send(method, path, data, headers)
                codes.append(code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._metrics.api_requests.labels(method, "none").inc()
            raise ApiUnreachableError(f"{method}: {type(error).__name__}") from error
        self._metrics.api_requests.labels(method, str(code)).inc()
        self._crash_if_due()
        if code >= BAD_REQUEST:
            raise _parse_error(code, text)
        document: dict[str, Any] = msgspec.json.decode(text)
        return document

    async def _send(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        async with self._slots:
            session = self._open_session()
            url = self._server + path
            async with session.request(method, url, data=data, headers=headers) as answer:
                return answer.status, await answer.read()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            credentials = self._login()
            self._server = credentials.server.rstrip("/")
            # No limit here: `_slots` limits requests, and unlike aiohttp's queue it holds none of
            # a request's time limit while the request waits.
            connector = aiohttp.TCPConnector(ssl=credentials.as_ssl_context(), limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=credentials.as_http_headers() | {"User-Agent": FIELD_MANAGER},
                timeout=TIMEOUT,
            )
        return self._session

    def _crash_if_due(self) -> None:
        if self._crash_after and self.counting:
            self._crash_after -= 1
            if not self._crash_after:
                os.kill(os.getpid(), signal.SIGKILL)


def _parse_error(code: int, text: bytes) -> ApiError:
    try:
        status = msgspec.json.decode(text)
        details = status.get("details") or {}
        return ApiError(
            code,
            str(status.get("message", "")),
            reason=str(status.get("reason", "")),
            causes=details.get("causes") or (),
        )
    except (ValueError, AttributeError):
        # Not a `Status` object, but what a proxy before the API server says in HTML or plain text.
        return ApiError(code, text[:256].decode("utf-8", errors="replace"))


async def retry(work: Callable[[], Any], *, pause_seconds: float = 1.0) -> Any:
    """Call `work` until it raises no API error; return its result. For the start alone."""
    while True:
        try:
            return await work()
        except (ApiUnreachableError, ApiError) as error:
            log.warning("the API server does not answer yet", extra={"error": str(error)[:256]})
            await asyncio.sleep(pause_seconds)
