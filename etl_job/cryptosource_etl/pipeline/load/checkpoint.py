"""The end of a page's transaction: move the checkpoint, unless another run has claimed the source."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TextClause

from cryptosource_etl.errors import Retryable
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.outcome import Counts
from cryptosource_etl.pipeline.run.ports import Batch
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import page_load as sql
from cryptosource_store.statements.claim import RUNS_CHANNEL


class Checkpoint:
    """The checkpoint of one claimed source. Opens no transaction itself.

    Args:
        connection: the claiming session.
        claim: its epoch fences each page.
    """

    def __init__(self, connection: Connection, claim: Claim) -> None:
        self._connection = connection
        self._parameters = {
            "source_id": claim.source_id,
            "run_id": claim.run_id,
            "epoch": claim.epoch,
            "channel": RUNS_CHANNEL,
            "payload": claim.source.uid,
        }

    def move(self, batch: Batch[Any], counts: Counts, *, observed_at: datetime | None) -> None:
        """Move to the batch's cursor, or stay where it has none; add the page to the run's row.

        Args:
            batch: what is being committed.
            counts: its records by outcome.
            observed_at: the newest observation of the page.

        Raises:
            Retryable: Fenced; another run has claimed the source since.
        """
        if batch.cursor is None:
            self.keep(batch, counts)
            return
        self._execute(
            sql.ADVANCE,
            batch,
            counts,
            cursor=json.dumps(dict(batch.cursor)),
            records_committed=batch.records_committed,
            observed_at=observed_at,
        )

    def keep(self, batch: Batch[Any], counts: Counts) -> None:
        """Keep the cursor; add the page to the run's row.

        Raises:
            Retryable: Fenced; another run has claimed the source since.
        """
        self._execute(sql.STAY, batch, counts)

    def _execute(
        self, statement: TextClause, batch: Batch[Any], counts: Counts, **checkpoint: Any
    ) -> None:
        parameters = {
            **self._parameters,
            **checkpoint,
            "processed": counts.processed,
            "loaded": counts.loaded,
            "unchanged": counts.unchanged,
            "rejected": counts.rejected,
            # The empty page that ends a pass carries a cursor only, and is no page of records.
            "pages": 1 if counts.processed else 0,
            "requests": batch.requests,
            "retries": batch.retries,
            "records_total": batch.records_total,
        }
        # False: the epoch is not ours any more. The exception rolls the page's transaction back, so
        # a run that was frozen and taken over leaves nothing behind.
        if not self._connection.scalar(statement, parameters):
            message = "Another run has claimed this source; nothing of this page is kept"
            raise Retryable(Reason.FENCED, message)
