"""The statements of a replayed page's transaction, with locks in the order of the load path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, TextClause

from cryptosource_etl.pipeline.copy_text import copy_into
from cryptosource_etl.pipeline.load.page_writer import change_parameters
from cryptosource_etl.pipeline.replay.stored_pages import StoredRow
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Quote
from cryptosource_store.statements import replay as sql


class ReplayWriter:
    """Runs the named statements of one claim on its session. Opens no transaction itself."""

    def __init__(self, connection: Connection, claim: Claim) -> None:
        self._connection = connection
        self._claim = claim
        self._parameters = {"source_id": claim.source_id, "run_id": claim.run_id}

    def create_stages(self) -> None:
        """Create the session's stage tables, unless they exist."""
        for statement in sql.CREATE_TABLES:
            self._execute(statement)

    def stage(self, buffer: bytes) -> None:
        """COPY judged records into the stage."""
        copy_into(self._connection, sql.COPY_STAGE, buffer)

    def write_quotes(self) -> tuple[set[int], bool]:
        """Update `quotes` to the staged verdicts.

        Returns:
            The raw ids of records whose observation changed; whether any coin has to be derived
            anew.
        """
        # Removed first: a record that now has another coin or time may take the place of one that
        # gives it up in the same page.
        self._execute(sql.REMOVE_QUOTES)
        changed = set(self._connection.scalars(sql.WRITE_QUOTES, self._parameters))
        changed |= set(self._connection.scalars(sql.TOUCH_LATEST, self._parameters))
        return changed, bool(self._connection.scalar(sql.ANY_TOUCHED))

    def read_fallbacks(self) -> list[StoredRow]:
        """Return the raw records of older quotes that coins fall back to."""
        parameters = {**self._parameters, "source_type": self._claim.source.source_type}
        found = self._connection.execute(sql.UNNAMED, parameters).columns(*StoredRow._fields)
        return [StoredRow._make(row) for row in found]

    def write_names(self, rows: Sequence[tuple[StoredRow, Quote]]) -> None:
        """Store the symbol and the name that each record of `read_fallbacks` has."""
        self._connection.execute(
            sql.INSERT_NAMES,
            {
                "raw_ids": [row.raw_id for row, _ in rows],
                "inferred_times": [quote.inferred_time for _, quote in rows],
                "symbols": [quote.symbol for _, quote in rows],
                "names": [quote.name for _, quote in rows],
            },
        )

    def update_derived(self) -> None:
        """Derive latest, unified, tickers and the totals from the quotes, and notify listeners."""
        # Unified, then tickers, then the versions, as a page of the load path does: two sources
        # that change the same coins wait for each other instead of deadlocking.
        before = self._count_latest()
        self._execute(sql.WRITE_LATEST, id_scope=self._claim.source.id_scope)
        self._execute(sql.DROP_LATEST)
        missing = int(self._connection.scalar(sql.LOCK_UNIFIED) or 0)
        self._execute(sql.UPSERT_UNIFIED)
        self._execute(sql.DROP_UNIFIED)
        still_missing = int(self._connection.scalar(sql.COUNT_UNKNOWN) or 0)
        self._execute(sql.LOCK_TICKERS)
        self._execute(sql.MOVE_TICKERS)
        self._execute(sql.DROP_TICKERS)
        change = change_parameters(
            self._claim,
            new_records=self._count_latest() - before,
            new_coins=missing - still_missing,
        )
        self._execute(sql.ANNOUNCE, **change)

    def restamp(self) -> None:
        """Update external id and time of the raw records to their verdicts."""
        self._execute(sql.RESTAMP_RAW, source_type=self._claim.source.source_type)

    def settle_quarantine(self, *, contract_version: str) -> None:
        """Remove from quarantine what is accepted now, and add what is rejected now."""
        self._execute(sql.RELEASE)
        self._execute(sql.KEEP_REJECTED, contract_version=contract_version)
        self._execute(sql.ADD_REJECTED, contract_version=contract_version)

    def _count_latest(self) -> int:
        return int(self._connection.scalar(sql.COUNT_LATEST, self._parameters) or 0)

    def _execute(self, statement: TextClause, **parameters: Any) -> None:
        self._connection.execute(statement, {**self._parameters, **parameters})
