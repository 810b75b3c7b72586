"""What this process is and uses."""

from __future__ import annotations

import resource
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def resident_bytes(status: Path = STATUS) -> int | None:
    """Return the memory that the process holds now; None where the system does not tell."""
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    held = [line.split() for line in lines if line.startswith("VmRSS:")]
    return int(held[0][1]) * 1024 if held else None


def most_resident_bytes() -> int:
    """Return the most memory that the process ever held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def describe_process(*, began: float) -> dict[str, Any]:
    """Return the process's entry in the detailed health answer.

    Args:
        began: `time.monotonic()` when the application was made.
    """
    return {
        "version": version("cryptosource"),
        "python": ".".join(map(str, sys.version_info[:3])),
        "uptime_seconds": round(time.monotonic() - began, 3),
        "threads": threading.active_count(),
        "resident_bytes": resident_bytes(),
        "most_resident_bytes": most_resident_bytes(),
    }
