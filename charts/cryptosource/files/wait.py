# ruff: noqa: INP001, T201 - a program for `python -c`, whose output is for people
"""Wait until Postgres answers, or has the schema this version needs: init containers run this.

Arguments: `database` or `schema`, seconds to wait, and `required` or `optional`: whether the time's
end is a failure.
"""

from __future__ import annotations

import os
import sys
import time

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from cryptosource_store.migrating import current_revision, head_revision, serves
from cryptosource_store.settings import DatabaseSettings

EVERY_SECONDS = 2.0
UNAVAILABLE_EXIT_CODE = 69
"""EX_UNAVAILABLE of sysexits."""


def missing(goal: str) -> str:
    """Return what is missing for `database` or `schema`; empty: nothing."""
    url = DatabaseSettings.from_environ(os.environ).url
    if url is None:
        return "DATABASE_URL is not set"
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            revision = current_revision(connection)
    except DBAPIError as error:
        return str(error.orig).strip().partition("\n")[0]
    if goal == "database" or serves(revision):
        return ""
    return f"the schema is at {revision or 'nothing'} and must be at {head_revision()}"


def wait(goal: str, seconds: float) -> str:
    """Return what is still missing after so many seconds, telling each change."""
    end, told = time.monotonic() + seconds, ""
    while reason := missing(goal):
        if reason != told:
            print(f"waiting: {reason}", flush=True)
            told = reason
        if time.monotonic() + EVERY_SECONDS > end:
            return reason
        time.sleep(EVERY_SECONDS)
    return ""


def main(goal: str, seconds: str, need: str) -> int:
    """Return the exit code."""
    reason = wait(goal, float(seconds))
    if not reason:
        return 0
    print(f"gave up after {seconds} s: {reason}", file=sys.stderr, flush=True)
    return 0 if need == "optional" else UNAVAILABLE_EXIT_CODE


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
