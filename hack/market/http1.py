"""As much of HTTP/1.1 as a server must read, and nothing that would keep it from lying."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hack.market.jsontext import load_command

VENDORS = {"paprika": "/v1/", "gecko": "/api/v3/", "csv": "/csv/"}
"""Who is here, and what their paths begin with."""
MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_HEADERS = 100


class BadRequest(Exception):
    """What arrived is no request that can be answered."""


@dataclass(kw_only=True)
class Request:
    """One request. Header names are lower-case."""

    method: str
    path: str
    """Decoded, without the query and without the `/pro` in front."""
    query: dict[str, str]
    headers: Mapping[str, str]
    client: str
    """The address it came from."""
    body: bytes = b""
    pro: bool = False
    """It was sent to the paid host, which here is the path prefix `/pro`."""
    number: int = 0
    """Its number in the log."""
    reshuffle: int = 0
    """Over how many ranks this answer's order is mixed up."""
    keep_alive: bool = True
    vendor: str | None = field(init=False)
    """`paprika`, `gecko`, `csv`, or None for what no vendor has."""

    def __post_init__(self) -> None:
        """Tell the vendors apart by path."""
        found = (name for name, prefix in VENDORS.items() if self.path.startswith(prefix))
        self.vendor = next(found, None)

    def whole(self, name: str, default: int) -> int:
        """Return a query parameter that must be a whole number; `default` where it is none."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else default

    def json(self) -> dict[str, Any]:
        """Return the body of a control command; an empty body is an empty command."""
        command = load_command(self.body) if self.body else {}
        if not isinstance(command, dict):
            raise BadRequest("a control command is a JSON object")
        return command


async def read_request(reader: asyncio.StreamReader, *, client: str) -> Request | None:
    """Read one request; None when the client has closed.

    Raises:
        BadRequest: for anything malformed.
    """
    line = await _line(reader)
    if not line:
        return None
    try:
        method, target, version = line.decode("ascii").split()
    except ValueError as error:
        raise BadRequest("no request line") from error
    headers = await _read_headers(reader)
    parts = urlsplit(target)
    pro = parts.path.startswith("/pro/")
    return Request(
        method=method,
        path=unquote(parts.path.removeprefix("/pro") if pro else parts.path),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=headers,
        client=client,
        body=await _read_body(reader, headers),
        pro=pro,
        keep_alive=version == "HTTP/1.1" and headers.get("connection", "").lower() != "close",
    )


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError as error:
        raise BadRequest("a line is longer than 64 KiB") from error


async def _read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MAX_HEADERS):
        line = (await _line(reader)).decode("latin-1").strip()
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raise BadRequest(f"more than {_MAX_HEADERS} headers")


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    text = headers.get("content-length", "0")
    if not text.isdigit() or int(text) > MAX_BODY_BYTES:
        raise BadRequest("a body needs a Content-Length of at most 64 MiB")
    try:
        return await reader.readexactly(int(text))
    except asyncio.IncompleteReadError as error:
        raise BadRequest("the body ended early") from error


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the status line and the headers as bytes, the empty line included."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {v}" for name, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; empty data ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
