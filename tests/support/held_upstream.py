"""A CoinPaprika that keeps every caller waiting until a test lets it answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE_SECONDS = 0.1
"""Between two spaces of an answer that waits; JSON may begin with any number of them."""


@dataclass(frozen=True)
class HeldUpstream:
    """An upstream that is asked, and has not answered yet."""

    url: str
    """What `coinPaprika.baseUrl` is set to."""
    asked: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def held_upstream(body: bytes) -> Iterator[HeldUpstream]:
    """Serve `body`, a JSON text, as the answer to everything, once `released` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            upstream.asked.set()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            with suppress(OSError):
                while not upstream.released.wait(PAUSE_SECONDS):
                    self.wfile.write(b" ")
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        upstream = HeldUpstream(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield upstream
        finally:
            upstream.released.set()
            server.shutdown()
            thread.join()
