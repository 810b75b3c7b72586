"""The database session of an export: a snapshot and a server-side cursor.

All methods but `cancel` block and must be called on a thread, one at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from cryptosource_api.database.data_version import EMPTY
from cryptosource_api.exports.formats import Form
from cryptosource_api.exports.row_encoder import Encoder, encoder
from cryptosource_api.http.problems import URN, ApiProblem, database_problems
from cryptosource_store.statements.coins import DATA_VERSION
from cryptosource_store.statements.exports import Rows

logger = logging.getLogger("cryptosource.api")
_FAILED = "export failed"

BATCH_ROWS = 1_000
"""Rows fetched at a time; some 350 KB of JSON."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The rows of an export."""

    rows: Rows
    bound: dict[str, Any] = field(default_factory=dict)
    """Bind parameters of the statement."""
    limit: int | None = None
    """Most rows, as the client asked; None for the whole list."""


Select = Callable[[Connection], Selection]
"""Selects the rows of an export; may raise an ApiProblem."""


class ExportSession:
    """Reads and encodes one export.

    Args:
        engine: of a connection that the export has alone.
        form: the format to encode rows in.
        max_rows: a longer list is refused, not cut.
    """

    def __init__(self, engine: Engine, form: Form, *, max_rows: int) -> None:
        # One snapshot for all statements: the version, the count and the rows have to agree.
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ")
        self._form = form
        self._max_rows = max_rows
        self._connection: Connection | None = None
        self._driver: Any = None
        self._batches: Iterator[Sequence[Row[Any]]] = iter(())
        self._encoder: Encoder | None = None
        self.version = EMPTY
        """Version of the data that is read."""

    def open(self, select: Select) -> None:
        """Begin a snapshot and run the query in it.

        Raises:
            ApiProblem: of `select`; 422 for a list that is too long; 503.
        """
        with database_problems(_FAILED):
            self._connection = connection = self._engine.connect()
            self._driver = connection.connection.driver_connection
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            self.version = str(connection.execute(DATA_VERSION).one().of_sources)
            selection = select(connection)
            self._encoder = encoder(self._form, selection.rows.columns)
            self._check_length(connection, selection)
            row_limit = self._max_rows if selection.limit is None else selection.limit
            result = connection.execution_options(yield_per=BATCH_ROWS).execute(
                selection.rows.statement(as_json=self._encoder.as_json),
                {**selection.bound, "most": row_limit},
            )
            # For a textual statement SQLAlchemy ignores yield_per here: without the size the first
            # batch would be the whole result.
            self._batches = iter(result.partitions(BATCH_ROWS))

    def _check_length(self, connection: Connection, selection: Selection) -> None:
        # Counted before the first byte: an export that is cut off later has cost all its time.
        if selection.limit is not None and selection.limit <= self._max_rows:
            return
        row_limit = self._max_rows + 1
        found = connection.scalar(selection.rows.count(), {**selection.bound, "most": row_limit})
        if int(found or 0) == row_limit:
            raise ApiProblem(
                status=422,
                detail=f"The list has more than the {self._max_rows} rows that an export may "
                "have; narrow it by its filters or dates, or give limit",
                kind=f"{URN}export-too-long",
                title="The export would be too long",
            )

    def next(self) -> bytes | None:
        """Return the next bytes, possibly empty; None at the end.

        Raises:
            ApiProblem: 503; the statement took too long or the database is away.
        """
        if self._encoder is None:
            return None
        with database_problems(_FAILED):
            batch = next(self._batches, None)
            if batch is not None:
                return self._encoder.rows(batch)
            rest = self._encoder.end()
            self._encoder = None
            return rest

    def cancel(self) -> None:
        """Cancel the running statement, from any thread."""
        if self._driver is not None:
            with suppress(Exception):  # the statement may have ended, or its connection be lost
                self._driver.cancel()

    def close(self) -> None:
        """End the session and release its resources."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                # Not reused: after `cancel` its statement and transaction may be in any state.
                self._connection.invalidate()
            self._connection.close()
            self._connection = None
