"""Know a process by its id and its start time, and end it, and no other."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAT_FIELDS_BEFORE_START = 19
"""proc_pid_stat(5): `starttime` is field 22, and two fields go before the ")" that is split at."""
STAT_STATE = 0


@dataclass(frozen=True)
class ProcessId:
    """A process: its id, and when it started as the kernel says it (ticks since boot on Linux).

    The id alone is not enough: it is given to another process once this one has ended.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the process that has this id now; None when there is none."""
        started = start_time(pid)
        return None if started is None else cls(pid, started)

    @classmethod
    def from_json(cls, record: Any) -> ProcessId | None:
        """Return the process of a record that `to_json` wrote; None when it is not one."""
        try:
            return cls(int(record["pid"]), str(record["started"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return the record."""
        return {"pid": self.pid, "started": self.started}

    @property
    def alive(self) -> bool:
        """Return whether this very process still runs."""
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; return whether the process was there to get it."""
        with _handle(self) as handle:
            if handle is None:
                return False
            with contextlib.suppress(ProcessLookupError):
                _send(self.pid, handle, number)
                return True
        return False

    def stop(self, *, grace_seconds: float = 10, kill_seconds: float = 10) -> bool:
        """End the process: SIGTERM, then SIGKILL; return whether it is gone."""
        steps = ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, kill_seconds))
        for number, seconds in steps:
            if seconds and (not self.signal(number) or self.wait(seconds)):
                return True
        return not self.alive

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended; return whether it has."""
        deadline = time.monotonic() + seconds
        with _handle(self) as handle:
            if handle is not None and handle >= 0:
                select.select([handle], [], [], seconds)
            while self.alive and time.monotonic() < deadline:
                time.sleep(0.02)
        return not self.alive


def start_time(pid: int) -> str | None:
    """Return a process's start time; None when it has ended, reaped or not."""
    if sys.platform != "linux":
        return _start_time_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[STAT_STATE] in "ZX" else fields[STAT_FIELDS_BEFORE_START]


def _start_time_by_ps(pid: int) -> str | None:
    said = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _, started = said.partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


@contextlib.contextmanager
def _handle(process: ProcessId) -> Iterator[int | None]:
    """Yield a pidfd, -1 where there are none, None when the process is gone.

    A pidfd goes on meaning the same process, so that nothing can slip in between the check of
    the start time and the signal.
    """
    try:
        handle = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        yield None
        return
    try:
        yield handle if process.alive else None
    finally:
        if handle >= 0:
            os.close(handle)


def _send(pid: int, handle: int, number: signal.Signals) -> None:
    if handle >= 0:
        signal.pidfd_send_signal(handle, number)
    else:
        os.kill(pid, number)
