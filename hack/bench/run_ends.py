"""Runs that begin and end in Postgres as real ones do, and when each was to be seen to have ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hack.bench.seen import Seen, Source
from sqlalchemy import URL, Engine

from cryptosource_cli.run_factory import identity_of
from cryptosource_crd.v1alpha1 import CryptoSource
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.http.usage import Usage
from cryptosource_etl.pipeline.run.claim import Claim, claim_source, finish_run
from cryptosource_etl.pipeline.run.outcome import Counts, succeeded
from cryptosource_etl.settings import RunSettings
from cryptosource_store.engine import pooled_engine
from cryptosource_store.reasons import RunStatus

THREADS = 4
"""Ends written at a time; more would only measure how they wait for a disk."""


@dataclass
class Ends:
    """When runs ended, and when their sources' statuses said so."""

    committed: dict[str, float] = field(default_factory=dict)
    """Run -> just before its end was committed: what is measured is never too short."""
    shown: dict[str, float] = field(default_factory=dict)

    def lags(self) -> list[float]:
        """Return the seconds from an end to its status, shortest first."""
        return sorted(self.shown[run] - moment for run, moment in self.committed.items())


def quantile(ordered: list[float], share: float) -> float:
    """Return the value that so large a share is not above: a value that was measured."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def measure(url: URL, seen: Seen, *, per_second: float | None) -> Ends:
    """Let each source have a run, which is under way and then ends; return when that was seen.

    Args:
        url: the database.
        seen: the sources.
        per_second: ends a second; None: as fast as Postgres takes them.
    """
    engine = pooled_engine(url, application="cryptosource-bench", size=THREADS, wait_seconds=60)
    with ThreadPoolExecutor(THREADS) as threads:
        loop = asyncio.get_running_loop()
        sources = [_parsed(source) for source in seen.sources.values()]
        claims = await asyncio.gather(
            *(loop.run_in_executor(threads, _claim, engine, source) for source in sources)
        )
        await seen.quiet(3)
        ends = Ends()
        watching = asyncio.create_task(seen.all_of(len(claims), _ended))
        await asyncio.sleep(0)
        await _finish(engine, threads, claims, ends, per_second)
        ends.shown = await watching
    engine.dispose()
    return ends


def _parsed(source: Source) -> CryptoSource:
    return CryptoSource.model_validate({name: source[name] for name in source if name != "status"})


def _claim(engine: Engine, source: CryptoSource) -> Claim:
    settings = RunSettings.from_environ({})
    with engine.connect() as connection:
        claim = claim_source(
            connection, identity_of(source), settings, clock=SystemClock(), trace_id=None
        )
        connection.invalidate()  # a run's session ends with it, and frees the source
    assert isinstance(claim, Claim)  # noqa: S101 - nobody else runs it
    return claim


async def _finish(
    engine: Engine,
    threads: ThreadPoolExecutor,
    claims: Iterable[Claim],
    ends: Ends,
    per_second: float | None,
) -> None:
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    pending = []
    for number, claim in enumerate(claims):
        if per_second is not None:
            await asyncio.sleep(began + number / per_second - time.perf_counter())
        pending.append(loop.run_in_executor(threads, _end, engine, claim, ends))
    await asyncio.gather(*pending)


def _end(engine: Engine, claim: Claim, ends: Ends) -> None:
    with engine.connect() as connection:
        ends.committed[str(claim.run_id)] = time.perf_counter()
        finish_run(
            connection, claim, succeeded(claim.run_id, Counts(loaded=250), "250 records"), Usage()
        )


def _ended(source: Source) -> str | None:
    run: dict[str, Any] = (source.get("status") or {}).get("lastRun") or {}
    return str(run["id"]) if run.get("status") == RunStatus.SUCCESS else None
