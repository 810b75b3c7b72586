"""The peak memory of one command, exactly as the kernel counted it.

`python -m support.process_memory FILE COMMAND…` runs the command and writes its peak to FILE. It
stands between the test and the command because a child's count begins with the size of the process
that started it, and this one is small.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Measured:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    peak_mib: float
    """Largest resident set, in MiB."""


def measure(
    command: list[str], *, env: dict[str, str], folder: Path, timeout_seconds: float = 120
) -> Measured:
    """Run a command to its end and return what it took."""
    report = folder / "peak-kib"
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "support.process_memory", str(report), *command],
        env={**env, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    kibibytes = int(report.read_text(encoding="ascii"))
    return Measured(ended.returncode, ended.stdout, ended.stderr, kibibytes / 1024)


def _main(report: str, *command: str) -> int:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(command, env=environ)
    _, status, usage = os.wait4(process.pid, 0)
    Path(report).write_text(str(usage.ru_maxrss), encoding="ascii")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
