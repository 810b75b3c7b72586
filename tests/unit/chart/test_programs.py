"""The programs that pods run by `python -c`, run in the same way."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from support.chart import CHART

CANARY = "hunter2-canary"


def run(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    text = (CHART / "files" / program).read_text("utf-8")
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", text, *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def address() -> Iterator[str]:
    """A server that is ready."""

    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("need", "code"), [("required", 69), ("optional", 0)])
def test_an_absent_database_fails_only_those_who_need_it(closed_port, need, code):
    url = f"postgresql://someone:{CANARY}@127.0.0.1:{closed_port}/prices"

    done = run("wait.py", "schema", "0", need, DATABASE_URL=url)

    assert done.returncode == code, done.stderr
    assert "gave up after 0 s" in done.stderr
    assert "refused" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_missing_url_is_said(closed_port):
    done = run("wait.py", "database", "0", "required")

    assert done.returncode == 69
    assert "DATABASE_URL is not set" in done.stderr


def test_the_test_pod_succeeds_once_the_api_is_ready(address):
    done = run("ready.py", f"{address}/health/ready")

    assert (done.returncode, done.stdout.strip()) == (0, "/health/ready"), done.stderr
