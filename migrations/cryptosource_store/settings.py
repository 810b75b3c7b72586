"""Settings of the store, parsed once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from cryptosource_store.environment import InvalidSetting

DRIVER = "postgresql+psycopg2"


class InvalidDatabaseURL(InvalidSetting):
    """DATABASE_URL is invalid. The message says why and what is valid, and never quotes the URL."""


@dataclass(frozen=True, kw_only=True)
class SessionTimeouts:
    """Limits of a session, so that neither a lost peer nor a lock makes it wait for ever."""

    statement_seconds: int = 60
    """Longest duration of one statement."""
    lock_seconds: int = 10
    """Longest wait for a row or table lock."""
    idle_in_transaction_seconds: int = 60
    """After so long without a statement inside a transaction the server ends the session."""
    idle_session_seconds: int = 0
    """After so long without a statement the server ends the session, which frees its advisory
    locks. 0: never."""
    connect_seconds: int = 5
    """Longest duration of opening a connection."""
    tcp_user_seconds: int = 20
    """Sent data that stays unacknowledged for so long ends the connection."""


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Which Postgres to use: the one at `url`, else the embedded one in `data_dir`."""

    url: URL | None = field(default=None, repr=False)
    data_dir: Path | None = None
    """Folder of the embedded Postgres and of the files of `up`; CRYPTOSOURCE_DATA_DIR."""

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

    `postgres://`, `postgresql://` and any `postgresql+driver://` are accepted.

    Raises:
        InvalidDatabaseURL: it is not a Postgres URL.
    """
    # Hosters hand out all of these forms, and SQLAlchemy itself knows no `postgres://`.
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
