"""The last word of a run, on its own session or, when that is lost, on a new one."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.run.claim import Claim, finish_run
from cryptosource_etl.pipeline.run.outcome import RunOutcome

log = logging.getLogger(__name__)


def end_run(connection: Connection, claim: Claim, outcome: RunOutcome, usage: Usage) -> None:
    """Write the outcome into the run's row."""
    finish_run(
        connection,
        claim,
        status=outcome.status,
        reason=outcome.reason,
        message=outcome.message,
        retry_after_seconds=outcome.retry_after_seconds,
        requests=usage.requests,
        retries=usage.retries,
    )


def end_on_new_session(engine: Engine, claim: Claim, outcome: RunOutcome, usage: Usage) -> None:
    """Write the outcome although the run's session is gone, if the database is back.

    Where it is not, the row stays `running` and the next run declares it interrupted.
    """
    try:
        with engine.connect() as connection:
            end_run(connection, claim, outcome, usage)
    except DBAPIError:
        log.warning("the outcome could not be written down; the next run will see to it")
