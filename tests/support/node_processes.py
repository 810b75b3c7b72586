"""Processes of pods, on a node that is this machine: what `kill -9` reaches and no API call does."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

POD_VARIABLE = "CRYPTOSOURCE_POD_NAME"


def processes_of(pod: str) -> list[int]:
    """Return the processes of one of our pods that can be seen from here."""
    wanted = f"{POD_VARIABLE}={pod}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return sorted(found)


def kill(pod: str) -> None:
    """End the processes of a pod as the kernel does; skip the test where they are out of reach."""
    found = processes_of(pod)
    if not found:
        pytest.skip(f"the processes of {pod} are not on this machine, or not ours to kill")
    for number in found:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
