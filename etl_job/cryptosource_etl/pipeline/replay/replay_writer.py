"""The statements of a replayed page's transaction, in the load path's order of locks."""

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
        self._bound = {"source_id": claim.source_id, "run_id": claim.run_id}

    def make_stages(self) -> None:
        """Make the session's stage tables."""
        for statement in sql.CREATE_TABLES:
            self._execute(statement)

    def stage(self, buffer: bytes) -> None:
        """COPY judged records into the stage."""
        copy_into(self._connection, sql.COPY_STAGE, buffer)

    def write_quotes(self) -> tuple[set[int], bool]:
        """Bring `quotes` to what was judged.

        Returns:
            The raw ids of records whose observation changed, and whether anything did.
        """
        self._execute(sql.REMOVE_QUOTES)
        changed = set(self._connection.scalars(sql.WRITE_QUOTES, self._bound))
        changed |= set(self._connection.scalars(sql.TOUCH_LATEST, self._bound))
        return changed, bool(self._connection.scalar(sql.ANY_TOUCHED))

    def unnamed(self) -> list[StoredRow]:
        """Return raw records that coins fall back to, to be asked for symbol and name."""
        parameters = {**self._bound, "source_type": self._claim.source.source_type}
        found = self._connection.execute(sql.UNNAMED, parameters).columns(*StoredRow._fields)
        return [StoredRow._make(row) for row in found]

    def name(self, rows: Sequence[tuple[StoredRow, Quote]]) -> None:
        """Say what the raw records of `unnamed` call their coins."""
        self._connection.execute(
            sql.INSERT_NAMES,
            {
                "raw_ids": [row.raw_id for row, _ in rows],
                "inferred_times": [quote.inferred_time for _, quote in rows],
                "symbols": [quote.symbol for _, quote in rows],
                "names": [quote.name for _, quote in rows],
            },
        )

    def follow(self) -> None:
        """Let latest, unified, tickers and the totals follow the quotes, and notify listeners."""
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
        """Note on the raw records what they were judged to be."""
        self._execute(sql.RESTAMP_RAW, source_type=self._claim.source.source_type)

    def settle_quarantine(self, *, contract_version: str) -> None:
        """Release what is accepted now, and hold what is rejected now."""
        self._execute(sql.RELEASE)
        self._execute(sql.KEEP_REJECTED, contract_version=contract_version)
        self._execute(sql.ADD_REJECTED, contract_version=contract_version)

    def _count_latest(self) -> int:
        return int(self._connection.scalar(sql.COUNT_LATEST, self._bound) or 0)

    def _execute(self, statement: TextClause, **parameters: Any) -> None:
        self._connection.execute(statement, {**self._bound, **parameters})
