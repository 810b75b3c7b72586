"""The statements of a page's transaction, in the order in which every source takes its locks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TextClause

from cryptosource_etl.pipeline.copy_text import copy_into
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_store.statements import page_load as sql


def change_parameters(claim: Claim, *, new_records: int, new_coins: int) -> dict[str, Any]:
    """Return the parameters of `COUNT_CHANGE`: what a page adds to the totals."""
    return {
        "dataset": f"source:{claim.source_id}",
        "new_records": new_records,
        "new_coins": new_coins,
    }


class PageWriter:
    """Runs the named statements of one claim on its session. Opens no transaction itself."""

    def __init__(self, connection: Connection, claim: Claim) -> None:
        self._connection = connection
        self._claim = claim
        self._parameters = {"source_id": claim.source_id, "run_id": claim.run_id}

    def create_stages(self) -> None:
        """Create the session's stage tables, unless they exist."""
        self._execute(sql.CREATE_STAGE)
        self._execute(sql.CREATE_REJECT_STAGE)

    def stage(self, buffer: bytes) -> None:
        """COPY accepted records into the stage."""
        copy_into(self._connection, sql.COPY_STAGE, buffer)

    def drop_unchanged(self) -> int:
        """Delete staged records that are stored already; return how many."""
        return self._execute(sql.DROP_UNCHANGED)

    def merge(self, *, ingested_at: datetime, new_records: int) -> None:
        """Write the staged records to every table they belong in, and notify listeners.

        Args:
            ingested_at: time of arrival; decides the raw partition.
            new_records: external ids of the stage that had no observation before.
        """
        source_type = self._claim.source.source_type
        # In two messages to the server, not one for each statement: between two the loading thread
        # has to get the interpreter's lock back. MERGE ends where its answer is needed.
        new_coins = self._scalar(sql.MERGE, source_type=source_type, ingested_at=ingested_at)
        self._execute(
            sql.SHARE,
            **change_parameters(self._claim, new_records=new_records, new_coins=new_coins),
        )

    def quarantine(self, buffer: bytes, *, contract_version: str, ingested_at: datetime) -> None:
        """COPY rejected records; keep each payload once, and count how often it was seen."""
        copy_into(self._connection, sql.COPY_REJECTS, buffer)
        self._execute(
            sql.UPSERT_REJECTS,
            contract_version=contract_version,
            source_type=self._claim.source.source_type,
            ingested_at=ingested_at,
        )

    def count_rejects(self, reasons: Mapping[str, int]) -> None:
        """Store the run's count of rejected records by reason in its row."""
        self._execute(sql.COUNT_REJECTS, reasons=json.dumps(dict(reasons)))

    def _scalar(self, statement: TextClause, **parameters: Any) -> int:
        return int(self._connection.scalar(statement, {**self._parameters, **parameters}) or 0)

    def _execute(self, statement: TextClause, **parameters: Any) -> int:
        return self._connection.execute(statement, {**self._parameters, **parameters}).rowcount
