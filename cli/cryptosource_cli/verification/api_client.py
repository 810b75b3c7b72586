"""The client of a deployment's API: GET only, bounded in time and size, no redirects."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import SplitResult, urlsplit

MAX_BODY_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
TIMEOUT_SECONDS = 15.0

# OpenSSL's reasons for a response that is plain text; they differ between its versions.
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


class InvalidAddress(ValueError):
    """The URL is not usable. The message says what is valid, and never shows a password in it."""


class NoAnswer(Exception):
    """There is no usable answer. The message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """Return the parsed body, with exact numbers.

        Raises:
            NoAnswer: it is no JSON.
        """
        try:
            return json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise NoAnswer("the answer is no JSON") from error


def parse_address(url: str) -> SplitResult:
    """Return the parsed URL of a deployment.

    Raises:
        InvalidAddress: the URL cannot be that of an API.
    """
    example = "write https://HOST or http://HOST:PORT"
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError as error:
        raise InvalidAddress(f"the URL cannot be read; {example}") from error
    if not usable:
        raise InvalidAddress(f"the URL names no host to ask; {example}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidAddress(
            f"the URL must have no user, query or fragment; {example}, and give a key by --api-key-env"
        )
    return parts


class Deployment:
    """A deployment, by the URL of its API.

    Args:
        address: from `parse_address`.
        key: an API key; None sends none.
        seconds: timeout of each request.
    """

    def __init__(
        self, address: SplitResult, key: str | None, *, seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._address, self._key, self._seconds = address, key, seconds
        self._context = ssl.create_default_context() if address.scheme == "https" else None

    @property
    def secure(self) -> bool:
        """Whether the URL is https."""
        return self._context is not None

    def get(self, path: str, *, accept: str = "application/json", whole: bool = True) -> Answer:
        """Send a GET and return the answer.

        Args:
            path: the path, with its query.
            accept: value of the Accept header.
            whole: read the body; False for a stream, which has no end.

        Raises:
            NoAnswer: no answer in time, or one that is too large.
        """
        headers = {"Accept": accept, "User-Agent": "cryptosource-verify"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        connection = self._connection()
        try:
            connection.request("GET", self._address.path.rstrip("/") + path, headers=headers)
            response = connection.getresponse()
            body = self._read(response) if whole else b""
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(_explain(error)) from error
        finally:
            connection.close()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=named, body=body)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Return the body, read within the timeout and the limit of bytes."""
        # The socket's timeout applies to each part: a body that drips would never end.
        deadline = time.monotonic() + self._seconds
        body = bytearray()
        # `read1` returns what has arrived; `read` would wait for the whole size.
        while part := response.read1(CHUNK_BYTES):
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise NoAnswer(f"the answer has more than {MAX_BODY_BYTES} bytes")
            if time.monotonic() > deadline:
                raise NoAnswer("the answer does not end in time")
        return bytes(body)

    def certificate_ends(self) -> datetime:
        """Return the time at which the certificate expires; it is verified to be valid now.

        Raises:
            NoAnswer: there is no valid certificate.
        """
        assert self._context is not None  # noqa: S101 - asked for https alone
        host, port = self._address.hostname or "", self._address.port or 443
        try:
            with (
                socket.create_connection((host, port), timeout=self._seconds) as plain,
                self._context.wrap_socket(plain, server_hostname=host) as secured,
            ):
                certificate = secured.getpeercert() or {}
        except OSError as error:
            raise NoAnswer(_explain(error)) from error
        return datetime.fromtimestamp(
            ssl.cert_time_to_seconds(str(certificate["notAfter"])), tz=UTC
        )

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=self._seconds)
        return http.client.HTTPSConnection(host, port, timeout=self._seconds, context=self._context)


def _explain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not hold: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        return "what answers there speaks no TLS: is it http:// instead of https://?"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the host's name is not known"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.partition("\n")[0][:200]
