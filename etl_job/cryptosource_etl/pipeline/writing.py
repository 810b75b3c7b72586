"""The statements of a page's transaction, in the order that keeps locks and facts consistent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TextClause

from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.claiming import Claim
from cryptosource_etl.pipeline.copying import copy_into
from cryptosource_etl.records import Cursor
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import claiming, identity
from cryptosource_store.statements import loading as sql


class PageWriter:
    """Runs the named statements of one claim on its session. Opens no transaction itself."""

    def __init__(self, connection: Connection, claim: Claim) -> None:
        self._connection = connection
        self._claim = claim
        self._bound = {"source_id": claim.source_id, "run_id": claim.run_id}

    def make_stages(self) -> None:
        """Make the session's stage tables."""
        self._execute(sql.CREATE_STAGE)
        self._execute(sql.CREATE_REJECT_STAGE)

    def stage(self, buffer: bytes) -> None:
        """COPY accepted records into the stage."""
        self._copy(sql.COPY_STAGE, buffer)

    def drop_unchanged(self) -> int:
        """Take out of the stage what is stored already; return how many."""
        return self._execute(sql.DROP_UNCHANGED)

    def merge(self, *, ingested_at: datetime, new_records: int) -> None:
        """Bring the stage into every table it belongs in, and tell who listens.

        Args:
            ingested_at: time of arrival; decides the raw partition.
            new_records: external ids of the stage that had no observation before.
        """
        source_type = self._claim.source.source_type
        self._execute(sql.INSERT_RAW, source_type=source_type, ingested_at=ingested_at)
        self._execute(sql.UPSERT_QUOTES)
        self._execute(sql.UPSERT_LATEST)
        new_coins = int(self._connection.scalar(sql.LOCK_UNIFIED) or 0)
        self._execute(sql.UPSERT_UNIFIED)
        self._move_tickers()
        self._add_to_dataset(f"source:{self._claim.source_id}", new_records)
        self._tell_change(added=new_coins)

    def quarantine(self, buffer: bytes, *, contract_version: str, ingested_at: datetime) -> None:
        """COPY rejected records and keep each of them once, with its payload."""
        self._copy(sql.COPY_REJECTS, buffer)
        self._execute(
            sql.UPSERT_REJECTS,
            contract_version=contract_version,
            source_type=self._claim.source.source_type,
            ingested_at=ingested_at,
        )

    def move_checkpoint(
        self, cursor: Cursor | None, *, records_committed: int, observed_at: datetime | None
    ) -> None:
        """Move the checkpoint, or with no cursor only prove that it is still ours to move.

        Raises:
            Retryable: Fenced; another run has claimed the source since.
        """
        if cursor is None:
            moved = self._execute(sql.KEEP_CHECKPOINT, epoch=self._claim.epoch)
        else:
            moved = self._execute(
                sql.MOVE_CHECKPOINT,
                cursor=json.dumps(dict(cursor)),
                records_committed=records_committed,
                observed_at=observed_at,
                epoch=self._claim.epoch,
            )
        if not moved:
            message = "Another run has claimed this source; nothing of this page is kept"
            raise Retryable(Reason.FENCED, message)

    def count(self, counters: Mapping[str, int | None]) -> None:
        """Add a page to the run row and tell who listens."""
        self._execute(sql.COUNT_PAGE, **counters)
        self._notify(claiming.RUNS_CHANNEL, self._claim.source.uid)

    def _move_tickers(self) -> None:
        """Give each ticker of the stage to its best coin."""
        self._execute(identity.LOCK_TICKERS)
        self._execute(identity.MOVE_TICKERS)

    def _tell_change(self, *, added: int) -> None:
        """Count a version of unified, record which coins it changed, and tell who listens."""
        version = self._add_to_dataset("unified", added)
        self._execute(sql.RECORD_CHANGE)
        self._notify(claiming.DATA_CHANNEL, f"{self._claim.source_id}:{version}")

    def count_rejects(self, reasons: Mapping[str, int]) -> None:
        """Put the run's rejected records by reason into its row."""
        self._execute(sql.COUNT_REJECTS, reasons=json.dumps(dict(reasons)))

    def _add_to_dataset(self, dataset: str, added: int) -> int:
        parameters = {"dataset": dataset, "added": added}
        return int(self._connection.scalar(sql.ADD_TO_DATASET, parameters) or 0)

    def _execute(self, statement: TextClause, **parameters: Any) -> int:
        return self._connection.execute(statement, {**self._bound, **parameters}).rowcount

    def _notify(self, channel: str, payload: str) -> None:
        self._connection.execute(claiming.NOTIFY, {"channel": channel, "payload": payload})

    def _copy(self, statement: str, buffer: bytes) -> None:
        copy_into(self._connection, statement, buffer)
