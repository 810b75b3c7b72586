"""Floor 1: everything a run sent to Postgres, byte for byte, sent again by a client that only sends.

The recording is taken from a real run on a fresh database; another fresh database hands out the
same ids, so the same bytes are right there. What is left out of the floor are the look-ups by
which the client learns what is stored: a server alone would not need to tell anyone.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as DriverConnection  # noqa: N812 - it is a class
from psycopg2.extensions import cursor as DriverCursor  # noqa: N812
from sqlalchemy import URL, Engine, TextClause, event

from cryptosource_store.engine import loading_engine
from cryptosource_store.statements import identity

LOADER = "cryptosource-etl"


def _start(statement: TextClause) -> bytes:
    return str(statement).strip().split(":")[0][:60].encode()


LOOK_UPS = tuple(map(_start, (identity.ALIASES, identity.CANDIDATES)))


@dataclass(frozen=True)
class Sent:
    """One thing that went to the server; a commit when there is no statement."""

    statement: bytes
    copied: bytes | None = None
    beside: bool = False
    """Asked on the session for look-ups, outside the pages' transactions."""

    @property
    def is_look_up(self) -> bool:
        """Whether it only asks what is stored."""
        return self.beside or self.statement.strip().startswith(LOOK_UPS)


_sent: list[Sent] = []


class _Cursor(DriverCursor):
    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - the driver's name
        _sent.append(Sent(self.mogrify(query, vars), beside=self.connection.autocommit))
        super().execute(query, vars)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        _sent.append(Sent(sql.encode(), file.getvalue()))
        super().copy_expert(sql, file, size)


class _Connection(DriverConnection):
    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("cursor_factory", _Cursor)
        return super().cursor(*args, **kwargs)

    def commit(self) -> None:
        if not self.autocommit:
            _sent.append(Sent(b""))
        super().commit()


def _connect_recording(_: Any, __: Any, ___: Any, parameters: dict[str, Any]) -> None:
    if parameters.get("application_name") == LOADER:
        parameters["connection_factory"] = _Connection


@contextmanager
def recording() -> Iterator[list[Sent]]:
    """Record what loading sessions of this process send, into the list that is yielded."""
    _sent.clear()
    event.listen(Engine, "do_connect", _connect_recording)
    try:
        yield _sent
    finally:
        event.remove(Engine, "do_connect", _connect_recording)


def replay(url: URL, sent: list[Sent], *, look_ups: bool) -> float:
    """Send it all again on a session with the same settings; return the seconds it took.

    Args:
        url: a fresh database.
        sent: the recording.
        look_ups: also ask what the run asked.
    """
    wanted = [entry for entry in sent if look_ups or not entry.is_look_up]
    with loading_engine(url).connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - it is connected
        cursor = driver.cursor()
        started = time.perf_counter()
        for entry in wanted:
            if entry.copied is not None:
                cursor.copy_expert(entry.statement.decode(), io.BytesIO(entry.copied))
            elif entry.statement:
                cursor.execute(entry.statement)
            else:
                driver.commit()
        return time.perf_counter() - started
