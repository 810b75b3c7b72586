"""What a process that was killed leaves in the embedded Postgres' folder, put right before a start.

The wheel counts the processes that use a server, and trusts a pid file when any process has its
number. A killed user would be counted for ever, so that nobody stops the server; and after a
reboot a stranger's process would be taken for it.
"""

from __future__ import annotations

import json
from pathlib import Path

USERS_FILE = ".handle_pids.json"
PID_FILE = "postmaster.pid"
PROCESSES = Path("/proc")


def _command_line(pid: int) -> str | None:
    """Return a process's command line; None when there is no such process."""
    try:
        arguments = (PROCESSES / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return arguments.replace(b"\0", b" ").decode(errors="replace")


def _numbers(text: str) -> list[int]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [pid for pid in found if isinstance(pid, int)] if isinstance(found, list) else []


def forget_dead_users(data_dir: Path) -> None:
    """Take processes that are gone off the list of those that use the server."""
    users = data_dir / USERS_FILE
    if not users.exists():
        return
    listed = _numbers(users.read_text(encoding="utf-8"))
    living = [pid for pid in listed if _command_line(pid) is not None]
    if living != listed:
        users.write_text(json.dumps(living), encoding="utf-8")


def forget_stranger(data_dir: Path) -> None:
    """Drop a pid file whose process is no Postgres of this folder."""
    pid_file = data_dir / PID_FILE
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    first = lines[0].strip() if lines else ""
    command = _command_line(int(first)) if first.isdecimal() else None
    if command is None or "postgres" not in command or str(data_dir) not in command:
        pid_file.unlink(missing_ok=True)


def tidy(data_dir: Path) -> None:
    """Put the folder right, where the system lets processes be looked up (Linux)."""
    if not PROCESSES.joinpath("self").exists():
        return
    forget_dead_users(data_dir)
    forget_stranger(data_dir)
