"""Engines and driver arguments for Postgres sessions, with timeouts that suit their users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool, QueuePool

from cryptosource_store.settings import SessionTimeouts

# A peer that vanished is noticed after 10 + 3 * 5 seconds; the kernel's default is two hours.
KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}

# A page joins its thousand rows to big tables. Only nested loops over indexes make the cost depend
# on the page and not on the tables, and the planner cannot know that: staged rows have no
# statistics, nor has a table that was filled a second ago (docs/adr/0004-page-plans.md).
PAGE_PLANS = " ".join(
    f"-c enable_{node}=off" for node in ("hashjoin", "mergejoin", "seqscan", "bitmapscan")
)
"""Planner settings of sessions that load pages."""

RECYCLE_SECONDS = 600
"""Age at which a reading session is replaced, together with its cached plans."""


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
    """Return arguments of `psycopg2.connect` for a session with the settings of the engines.

    SQLAlchemy's psycopg2 dialect cannot open asynchronous connections, which the API's event loop
    waits on.

    Args:
        url: as `parse_database_url` returns it.
        application: the application_name that pg_stat_activity shows.
        timeouts: limits of the session.
    """
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {**arguments, **_connect_arguments(application, timeouts)}


def session_engine(
    url: URL, *, application: str, timeouts: SessionTimeouts | None = None
) -> Engine:
    """Return an engine that opens a new session for each connection and closes it after use.

    For work that ties state to the session: advisory locks, temporary tables, LISTEN.

    Args:
        url: as `parse_database_url` returns it.
        application: the application_name that pg_stat_activity shows.
        timeouts: limits of each session.
    """
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=_connect_arguments(application, timeouts or SessionTimeouts()),
    )


def _pool(
    url: URL, arguments: dict[str, Any], *, size: int, wait_seconds: float, **options: Any
) -> Engine:
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        # Connections above the pool's size would be opened and closed for each request, which costs
        # more than waiting for one (measured: 855 against 1 430 requests/s).
        max_overflow=0,
        pool_timeout=wait_seconds,
        connect_args=arguments,
        **options,
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

    Args:
        url: as `parse_database_url` returns it.
        application: the application_name that pg_stat_activity shows.
        size: maximum number of connections.
        wait_seconds: how long a request waits for a connection before it fails.
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
    """Return a pooled engine in autocommit, on which a single statement is one round trip.

    Connections are not tested when they are taken from the pool: callers must repeat a read whose
    connection was lost while it was idle (`DBAPIError.connection_invalidated`).

    Args:
        url: as `parse_database_url` returns it.
        application: the application_name that pg_stat_activity shows.
        size: maximum number of connections.
        wait_seconds: how long a request waits for a connection before it fails.
        timeouts: limits of each session.
    """
    # No pool_pre_ping, which is a round trip of its own. And autocommit from the start: setting the
    # level for each request costs two round trips, because psycopg2 asks the server at each change.
    return _pool(
        url,
        _connect_arguments(application, timeouts or SessionTimeouts()),
        size=size,
        wait_seconds=wait_seconds,
        pool_recycle=RECYCLE_SECONDS,
        isolation_level="AUTOCOMMIT",
    )


def loading_engine(url: URL, *, timeouts: SessionTimeouts | None = None) -> Engine:
    """Return an engine for loading: new sessions whose planner uses `PAGE_PLANS`.

    Args:
        url: as `parse_database_url` returns it. It must not lead through a transaction pooler,
            because the source's lock belongs to the session.
        timeouts: limits of each session; by default idle sessions end after 60 seconds.
    """
    # The server ends a session whose client was cut off, which frees the source's lock.
    limits = timeouts or SessionTimeouts(idle_session_seconds=60)
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args=_connect_arguments("cryptosource-etl", limits, PAGE_PLANS),
    )
