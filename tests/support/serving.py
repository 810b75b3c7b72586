"""The API of a running command, asked over its socket."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from support.commands import StartedCommand, started
from support.waits import eventually

_ADDRESS = re.compile(r"http://localhost:(\d+)")


@dataclass(frozen=True)
class ServedApi:
    """An API that answers on a port of this machine."""

    port: int
    command: StartedCommand

    def finish_first_runs(self) -> None:
        """Wait until every source has made its first run."""
        eventually(lambda: self.command.ended or "Ctrl-C stops." in self.command.stdout)
        assert not self.command.ended, self.command.stderr

    def text(self, path: str, **query: Any) -> tuple[int, str]:
        """Return the status and body of a GET."""
        target = f"{path}?{urlencode(query)}" if query else path
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as link:
            link.request("GET", target)
            answer = link.getresponse()
            return answer.status, answer.read().decode()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a GET that succeeds, numbers exact."""
        status, body = self.text(path, **query)
        assert status == 200, body
        return json.loads(body, parse_float=Decimal)

    def total(self, **query: Any) -> int:
        """Return how many records `/data` has."""
        found: int = self.get("/data", limit=1, **query)["pagination"]["total"]
        return found

    @property
    def stats(self) -> dict[str, Any]:
        """Return the sources of `/stats` by name."""
        return {source["source"]: source for source in self.get("/stats")["data"]["sources"]}


@contextmanager
def serving(
    *arguments: str | Path, env: dict[str, str], folder: Path, name: str = "up"
) -> Iterator[ServedApi]:
    """Start a command that serves the API on a free port, and wait until it says where."""
    given = (*arguments, "--port", "0")
    with started(*given, env=env, folder=folder, name=name) as command:
        eventually(lambda: command.ended or _ADDRESS.search(command.stdout))
        found = _ADDRESS.search(command.stdout)
        assert found, command.stderr
        yield ServedApi(int(found[1]), command)
