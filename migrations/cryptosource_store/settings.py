"""What the store can be told, parsed once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from cryptosource_store.environment import InvalidSetting

DRIVER = "postgresql+psycopg2"


class InvalidDatabaseURL(InvalidSetting):
    """DATABASE_URL cannot be used. The message says why and what would be right, never the URL."""


@dataclass(frozen=True, kw_only=True)
class SessionTimeouts:
    """Limits that every session carries, so that a lost peer or a lock never makes it wait for ever."""

    statement_seconds: int = 60
    """One statement may run that long."""
    lock_seconds: int = 10
    """Waiting for a row or table lock ends after that."""
    idle_in_transaction_seconds: int = 60
    """A session that fell silent inside a transaction is ended by the server."""
    idle_session_seconds: int = 0
    """A session that fell silent is ended by the server, which frees its advisory locks. 0: never."""
    connect_seconds: int = 5
    """Opening a connection may take that long."""
    tcp_user_seconds: int = 20
    """Sent data that nobody acknowledges for that long ends the connection."""


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Which Postgres. Without a URL the embedded one under `data_dir` is meant."""

    url: URL | None = field(default=None, repr=False)
    data_dir: Path | None = None
    """Home of the embedded Postgres and of what `up` keeps; CRYPTOSOURCE_DATA_DIR."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> DatabaseSettings:
        """Read DATABASE_URL and CRYPTOSOURCE_DATA_DIR.

        Raises:
            InvalidDatabaseURL: DATABASE_URL is set and cannot be used.
        """
        raw = environ.get("DATABASE_URL", "").strip()
        data_dir = environ.get("CRYPTOSOURCE_DATA_DIR", "").strip()
        return cls(
            url=parse_database_url(raw) if raw else None,
            data_dir=Path(data_dir).expanduser() if data_dir else None,
        )


def parse_database_url(raw: str) -> URL:
    """Return the URL with this project's driver spelled out.

    `postgres://`, `postgresql://` and any `postgresql+driver://` are accepted, because that is
    what hosters hand out.

    Raises:
        InvalidDatabaseURL: it is no Postgres URL.
    """
    try:
        url = make_url(raw)
    except (ArgumentError, ValueError) as error:
        raise InvalidDatabaseURL(
            "DATABASE_URL is not a URL; write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        ) from error
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise InvalidDatabaseURL(
            f"DATABASE_URL names {url.get_backend_name()!r}; only Postgres works: "
            "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        )
    return url.set(drivername=DRIVER)
