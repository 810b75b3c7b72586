"""The installed command, run as a person runs it: with the environment it needs and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

COMMAND = Path(sys.executable).with_name("cryptosource")
LOOPBACK = "127.0.0.0/8"


def environment(url: URL | None, data_dir: Path, **variables: str) -> dict[str, str]:
    """Return the environment of a command on this database, or on the embedded one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    if url is not None:
        kept["DATABASE_URL"] = url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
    return {
        **kept,
        "CRYPTOSOURCE_DATA_DIR": str(data_dir),
        "CRYPTOSOURCE_EGRESS_ALLOW": LOOPBACK,
        "LOG_LEVEL": "ERROR",
        **variables,
    }


def cryptosource(
    *arguments: str | Path, env: dict[str, str], timeout_seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


@dataclass(frozen=True)
class StartedCommand:
    """A command that runs; what it prints goes to files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self.out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What it has complained of so far."""
        return self.err.read_text(encoding="utf-8")

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def wait(self, timeout_seconds: float = 60) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(timeout_seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        self.process.send_signal(number)


@contextmanager
def started(
    *arguments: str | Path, env: dict[str, str], folder: Path, name: str = "command"
) -> Iterator[StartedCommand]:
    """Start the command; at the end it is killed with all that it has started, if it still runs.

    Args:
        arguments: of the command.
        env: from `environment`.
        folder: where its output goes.
        name: of the files that hold it.
    """
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [str(COMMAND), *map(str, arguments)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        yield StartedCommand(process, out, err)
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
