"""The listening server: one task per connection, requests one after another on each."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from hack.market.answers import Answer, json_answer
from hack.market.commands import execute
from hack.market.delivery import Ended, deliver
from hack.market.exchange import exchange, log_entry
from hack.market.http1 import BadRequest, Request, head, read_request
from hack.market.jsontext import text_of
from hack.market.log import Entry
from hack.market.state import Market

CONTROL = "/_control/"
"""Where commands go; they are not in the log."""
_LOST = (ConnectionError, TimeoutError, Ended)


class MarketServer:
    """A market on a TCP port.

    Args:
        market: what it serves.
        host: the address to listen on.
        port: the port; 0 takes a free one.
    """

    def __init__(self, market: Market, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.market = market
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: when the port is taken.
        """
        self._server = await asyncio.start_server(self._accept, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Without a high-water mark, drain() means that the kernel has it: a reset cuts exactly.
        writer.transport.set_write_buffer_limits(high=0)
        client = str(writer.get_extra_info("peername")[0])
        try:
            while await self._next(reader, writer, client):
                pass
        except BadRequest as error:
            body = f"{error}\n".encode()
            length = {"Content-Length": str(len(body)), "Connection": "close"}
            writer.write(head(400, length) + body)
        except _LOST:
            pass
        except asyncio.CancelledError:
            # A plain close would wait for a client that may never read.
            writer.transport.abort()
            raise
        finally:
            writer.close()
        with contextlib.suppress(*_LOST):
            await writer.wait_closed()

    async def _next(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str
    ) -> bool:
        request = await read_request(reader, client=client)
        if request is None:
            return False
        if request.path.startswith(CONTROL):
            answer, entry = self._command(request), _unlogged()
        else:
            entry = log_entry(self.market, request)
            answer = self._answer(request, entry)
        served = partial(self.market.log.serve, entry)
        reusable = await deliver(writer, answer, entry, method=request.method, served=served)
        return reusable and request.keep_alive

    def _answer(self, request: Request, entry: Entry) -> Answer:
        try:
            return exchange(self.market, request, entry)
        except LookupError as error:
            # A scripted change that is impossible by now, such as a new coin that is there.
            entry.status = 500
            text = f"market: {error}\n"
            return Answer(status=500, headers={"Content-Type": "text/plain"}, body=text.encode())

    def _command(self, request: Request) -> Answer:
        verb = request.path.removeprefix(CONTROL)
        try:
            arguments = request.json() if request.method == "POST" else dict(request.query)
            return json_answer(text_of(execute(self.market, verb, arguments)))
        except (LookupError, ValueError, TypeError, OSError, BadRequest) as error:
            return json_answer(text_of({"error": str(error)}), status=400)


def _unlogged() -> Entry:
    return Entry(
        number=0,
        time="",
        at=0,
        client="",
        method="",
        path="",
        query={},
        headers={},
        key_in_url=False,
        vendor=None,
        page=None,
    )
