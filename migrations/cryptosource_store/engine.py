"""Connections to Postgres, each with the timeouts its user can live with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool, QueuePool

from cryptosource_store.settings import SessionTimeouts

KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


PAGE_PLANS = " ".join(
    f"-c enable_{node}=off" for node in ("hashjoin", "mergejoin", "seqscan", "bitmapscan")
)
"""For sessions that load: a page joins its thousand rows to big tables, and only nested loops over
indexes make that cost depend on the page and not on the tables. The planner cannot know: staged
rows have no statistics, and neither has a table that was filled a second ago."""


RECYCLE_SECONDS = 600
"""Age at which a reading session is replaced, and with it the plans it has kept."""


def _options(timeouts: SessionTimeouts, extra: str = "") -> str:
    milliseconds = {
        "statement_timeout": timeouts.statement_seconds,
        "lock_timeout": timeouts.lock_seconds,
        "idle_in_transaction_session_timeout": timeouts.idle_in_transaction_seconds,
        "idle_session_timeout": timeouts.idle_session_seconds,
    }
    flags = [f"-c {name}={seconds * 1000}" for name, seconds in milliseconds.items()]
    return " ".join([*flags, "-c TimeZone=UTC", "-c jit=off", extra]).rstrip()


def _connect_arguments(
    application: str, timeouts: SessionTimeouts, extra: str = ""
) -> dict[str, Any]:
    return {
        "application_name": application,
        "connect_timeout": timeouts.connect_seconds,
        "options": _options(timeouts, extra),
        "tcp_user_timeout": timeouts.tcp_user_seconds * 1000,
        **KEEPALIVE,
    }


def driver_arguments(url: URL, *, application: str, timeouts: SessionTimeouts) -> dict[str, Any]:
    """Return what psycopg2 itself is called with for a session such as those of the engines.

    For what SQLAlchemy cannot do: a session whose answers an event loop waits for.

    Args:
        url: as `parse_database_url` returns it.
        application: what pg_stat_activity shows.
        timeouts: limits of the session.
    """
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {**arguments, **_connect_arguments(application, timeouts)}


def session_engine(
    url: URL, *, application: str, timeouts: SessionTimeouts | None = None
) -> Engine:
    """Return an engine whose every connection is a fresh session, closed after use.

    For work that ties something to the session: advisory locks, temporary tables, LISTEN.

    Args:
        url: as `parse_database_url` returns it.
        application: what pg_stat_activity shows.
        timeouts: limits of each session.
    """
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=_connect_arguments(application, timeouts or SessionTimeouts()),
    )


def _pool(
    url: URL, arguments: dict[str, Any], *, size: int, wait_seconds: float, **own: Any
) -> Engine:
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        connect_args=arguments,
        **own,
    )


def pooled_engine(
    url: URL,
    *,
    application: str,
    size: int,
    wait_seconds: float,
    timeouts: SessionTimeouts | None = None,
) -> Engine:
    """Return an engine that keeps up to `size` connections open, for many short reads.

    No overflow: connections above the pool's size would be opened and closed for each request,
    which costs more than waiting for one (measured: 855 against 1 430 requests/s).

    Args:
        url: as `parse_database_url` returns it.
        application: what pg_stat_activity shows.
        size: connections at most.
        wait_seconds: how long a request waits for one before it fails.
        timeouts: limits of each session.
    """
    arguments = _connect_arguments(application, timeouts or SessionTimeouts())
    return _pool(url, arguments, size=size, wait_seconds=wait_seconds, pool_pre_ping=True)


def reading_engine(
    url: URL,
    *,
    application: str,
    size: int,
    wait_seconds: float,
    timeouts: SessionTimeouts | None = None,
) -> Engine:
    """Return a `pooled_engine` for single statements, each of which is one round trip.

    Its sessions are in autocommit from the start: psycopg2 asks the server whenever the level is
    changed, so setting it for each request costs two round trips. And no connection is tried
    before its use, which costs another one: whoever reads with it must be ready to read again on a
    connection that was lost while it lay in the pool (`DBAPIError.connection_invalidated`).

    Args:
        url: as `parse_database_url` returns it.
        application: what pg_stat_activity shows.
        size: connections at most.
        wait_seconds: how long a request waits for one before it fails.
        timeouts: limits of each session.
    """
    return _pool(
        url,
        _connect_arguments(application, timeouts or SessionTimeouts()),
        size=size,
        wait_seconds=wait_seconds,
        pool_recycle=RECYCLE_SECONDS,
        isolation_level="AUTOCOMMIT",
    )


def loading_engine(url: URL, *, timeouts: SessionTimeouts | None = None) -> Engine:
    """Return a `session_engine` whose sessions plan for loading pages; see `PAGE_PLANS`.

    Args:
        url: as `parse_database_url` returns it; no transaction pooler in between, because the
            source's lock belongs to the session.
        timeouts: limits of each session; by default one that frees the lock of a run which the
            network has swallowed.
    """
    limits = timeouts or SessionTimeouts(idle_session_seconds=60)
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=_connect_arguments("cryptosource-etl", limits, PAGE_PLANS),
    )
