"""One Postgres for a whole benchmark, and fresh databases on it."""

from __future__ import annotations

import itertools
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import URL, text

from cryptosource_store.embedded import embedded_postgres
from cryptosource_store.engine import session_engine
from cryptosource_store.schema_migration import migrate

APPLICATION = "cryptosource-bench"


def _execute(url: URL, statement: str) -> None:
    engine = session_engine(url, application=APPLICATION)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


def scalar(url: URL, statement: str) -> object:
    """Return the one value that a query answers with."""
    engine = session_engine(url, application=APPLICATION)
    with engine.connect() as connection:
        return connection.scalar(text(statement))


class Server:
    """An embedded Postgres that hands out fresh, migrated databases.

    Args:
        maintenance: URL of the database it came with.
    """

    def __init__(self, maintenance: URL) -> None:
        self._maintenance = maintenance
        self._numbers = itertools.count()
        _execute(maintenance, "CREATE DATABASE bench_template")
        migrate(maintenance.set(database="bench_template"))

    @contextmanager
    def database(self) -> Iterator[URL]:
        """Yield a database that is dropped afterwards."""
        name = f"bench_{next(self._numbers)}"
        _execute(self._maintenance, f"CREATE DATABASE {name} TEMPLATE bench_template")
        try:
            yield self._maintenance.set(database=name)
        finally:
            _execute(self._maintenance, f"DROP DATABASE {name} WITH (FORCE)")

    def wal_bytes(self) -> int:
        """Return how much WAL this server has ever written."""
        position = "SELECT CAST(pg_current_wal_lsn() - '0/0'::pg_lsn AS bigint)"
        return int(str(scalar(self._maintenance, position)))

    def machine(self) -> str:
        """Return what the figures were measured on, in one line."""
        postgres = scalar(self._maintenance, "SHOW server_version")
        return (
            f"{os.cpu_count()} cores shared by client and server, {platform.machine()}, Python "
            f"{platform.python_version()}, PostgreSQL {postgres} (embedded, default settings, "
            f"fsync {scalar(self._maintenance, 'SHOW fsync')}), psycopg2-binary "
            f"{version('psycopg2-binary')}, SQLAlchemy {version('sqlalchemy')}"
        )


@contextmanager
def bench_server() -> Iterator[Server]:
    """Start an embedded Postgres in a temporary folder and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="cryptosource-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as a user of its own
        with embedded_postgres(Path(folder) / "postgres") as url:
            yield Server(url)
