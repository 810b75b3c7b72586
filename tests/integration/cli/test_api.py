"""`cryptosource api`: serves until it is told to stop, and says why when it cannot."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

from sqlalchemy import URL

from support.commands import COMMAND, cryptosource, environment


def test_serves_until_sigterm(database: URL, tmp_path: Path) -> None:
    with subprocess.Popen(
        [COMMAND, "api", "--port", "0"],
        env=environment(database, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("Serving http://"), line
            address = line.split()[1]
            with urllib.request.urlopen(f"{address}/health/live", timeout=30) as answer:
                assert answer.status == 200
                json.load(answer)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_port_in_use_is_one_clear_line(database: URL, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        done = cryptosource("api", "--port", port, env=environment(database, tmp_path))

    assert done.returncode == 78
    assert port in done.stderr
    assert done.stderr.count("\n") == 1


def test_bad_setting_is_named(database: URL, tmp_path: Path) -> None:
    env = environment(database, tmp_path, CRYPTOSOURCE_API_POOL_SIZE="many")

    done = cryptosource("api", env=env)

    assert done.returncode == 78
    assert "CRYPTOSOURCE_API_POOL_SIZE" in done.stderr
