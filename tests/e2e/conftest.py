"""What every test of the command has at hand: a database, a market, the command on both."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import URL

from support.commands import cryptosource, environment
from support.market import RunningMarket, running_market


class RunCommand(Protocol):
    """Runs `cryptosource run -f MANIFEST` to its end on the test's database."""

    def __call__(
        self, manifest: Path, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def env(database: URL, tmp_path: Path) -> dict[str, str]:
    """The environment of a command on the test's database."""
    return environment(database, tmp_path / "data")


@pytest.fixture
def run(env: dict[str, str]) -> RunCommand:
    """Return what runs a source once."""

    def run(manifest: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        ran = cryptosource("run", "-f", manifest, *arguments, env={**env, **variables})
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran

    return run


@pytest.fixture
def market() -> Iterator[RunningMarket]:
    """A market of 25 coins whose clock stands still."""
    with running_market(coins=25) as market:
        yield market
