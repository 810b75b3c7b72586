"""What the kernel has counted of a process: processor time and memory."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""proc_pid_stat(5): fields 14 and 15, and two go before the ")" that is split at."""


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    numbers = fields.rpartition(")")[2].split()
    return (int(numbers[_USER]) + int(numbers[_SYSTEM])) / _TICKS


def peak_rss_bytes(pid: int) -> int:
    """Return the most memory that a process has held (VmHWM); what its parent held does not count."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
