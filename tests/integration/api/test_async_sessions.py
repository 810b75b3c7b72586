"""What the event loop reads by itself is what a thread would have read, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Engine, text

from cryptosource_api.database.async_pool import AsyncPool
from cryptosource_api.database.async_session import SessionLost, StatementCanceled
from cryptosource_api.database.query_runner import OneRow, QueryRunner, api_engine, async_pool
from cryptosource_api.http.problems import ApiProblem
from cryptosource_api.settings import ApiSettings
from cryptosource_store.prepared_statements import prepared
from support.api import ApiClient, Market, api_client

ECHO = text("SELECT CAST(:word AS text) AS word, pg_sleep(:seconds)")
OF_LOOP = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cryptosource-api'"


def echo(word: str, seconds: float = 0.0) -> OneRow[str]:
    return OneRow(
        statement=ECHO,
        parameters={"word": word, "seconds": seconds},
        finish=lambda row: "" if row is None else row["word"],
    )


def on_thread(read: OneRow[Any]) -> Callable[[Any], Any]:
    """The same reading, which the loop does not recognise as its own."""
    return partial(_read, read)


def _read(read: OneRow[Any], connection: Connection) -> Any:
    return read(connection)


class Watched(QueryRunner):
    """Counts what was read on threads."""

    on_threads = 0

    async def _run_on_thread(self, run: Callable[[], Any]) -> Any:
        self.on_threads += 1
        return await super()._run_on_thread(run)


def settings(**given: Any) -> ApiSettings:
    return ApiSettings(**{"pool_size": 4, "pool_wait_seconds": 5.0, **given})


@contextmanager
def reading(url: URL, chosen: ApiSettings | None = None) -> Iterator[Watched]:
    chosen = chosen or settings()
    engine = api_engine(url, chosen)
    reads = Watched(
        engine,
        turns=chosen.thread_connections,
        wait_seconds=chosen.pool_wait_seconds,
        pool=async_pool(url, chosen),
    )
    try:
        yield reads
    finally:
        reads.close()
        engine.dispose()


async def opened(reads: Watched) -> AsyncPool:
    """Return what the loop reads with, once it reads by itself."""
    assert reads._pool is not None
    for _ in range(200):
        before = reads.on_threads
        await reads(echo("open"))
        if reads.on_threads == before:
            return reads._pool
        await asyncio.sleep(0.02)
    pytest.fail("the loop got no session")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_the_loop_reads_by_itself_once_it_has_a_session(database: URL):
    async def work(reads: Watched) -> None:
        assert await reads(echo("first")) == "first"
        assert reads.on_threads == 1, "nobody waits for a session to be opened"
        await opened(reads)
        before = reads.on_threads
        assert [await reads(echo(word)) for word in "abc"] == ["a", "b", "c"]
        assert reads.on_threads == before

    with reading(database) as reads:
        run(work(reads))


def test_each_reader_gets_its_own_answer_when_many_ask_at_once(database: URL):
    async def work(reads: Watched) -> None:
        await opened(reads)
        words = [str(number) for number in range(300)]
        assert await asyncio.gather(*(reads(echo(word)) for word in words)) == words

    with reading(database) as reads:
        run(work(reads))


def test_an_answer_that_nobody_waited_for_is_nobody_elses(database: URL):
    async def work(reads: Watched) -> None:
        await opened(reads)
        for _ in range(5):
            left = [asyncio.create_task(reads(echo("mine", 0.3))) for _ in range(2)]
            await asyncio.sleep(0.05)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            assert await asyncio.gather(*(reads(echo(word)) for word in "yours")) == list("yours")

    with reading(database) as reads:
        run(work(reads))


def test_sessions_that_are_ended_meanwhile_cost_nobody_an_answer(database: URL, engine: Engine):
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'cryptosource-api'"
    )

    async def work(reads: Watched) -> None:
        for _ in range(3):
            await opened(reads)
            under_way = [asyncio.create_task(reads(echo("waited for", 0.3))) for _ in range(2)]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(_execute, engine, end)
            assert await asyncio.gather(*under_way) == ["waited for", "waited for"]
            assert await reads(echo("next")) == "next"

    with reading(database) as reads:
        run(work(reads))


def _execute(engine: Engine, statement: Any) -> Any:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.execute(statement).scalar()


def test_no_more_sessions_are_opened_than_the_pool_has(database: URL, engine: Engine):
    async def work(reads: Watched) -> int:
        await opened(reads)
        await asyncio.gather(*(reads(echo(str(number), 0.01)) for number in range(100)))
        await asyncio.gather(*(reads(on_thread(echo("t", 0.01))) for _ in range(20)))
        await asyncio.gather(*(reads(echo(str(number), 0.01)) for number in range(100)))
        return int(await asyncio.to_thread(_execute, engine, text(OF_LOOP)))

    with reading(database, settings(pool_size=5)) as reads:
        assert run(work(reads)) <= 5


def test_a_statement_that_takes_too_long_is_said_to(database: URL):
    async def work(reads: Watched) -> None:
        await opened(reads)
        before = reads.on_threads
        with pytest.raises(ApiProblem, match="took too long"):
            await reads(echo("late", 3))
        assert reads.on_threads == before, "it is not tried a second time"
        assert await reads(echo("next")) == "next"

    with reading(database, settings(statement_timeout_seconds=1)) as reads:
        run(work(reads))


def test_who_gets_no_session_in_time_is_told_that_all_are_busy(database: URL):
    async def work(reads: Watched) -> None:
        await opened(reads)
        busy = [asyncio.create_task(reads(echo("busy", 1.0))) for _ in range(4)]
        await asyncio.sleep(0.2)
        with pytest.raises(ApiProblem, match="busy"):
            await reads(echo("late"))
        assert "busy" in await asyncio.gather(*busy, return_exceptions=True)
        assert await reads(echo("next")) == "next"

    with reading(database, settings(pool_size=2, pool_wait_seconds=0.3)) as reads:
        run(work(reads))


def test_a_session_that_forgot_its_statements_is_left_for_a_thread(database: URL):
    async def work(reads: Watched) -> None:
        pool = await opened(reads)
        forget = prepared(text("SELECT 1"), {})
        for session in pool._idle:
            # As behind a pooler: the session that executes is not the one that has prepared.
            session._prepared.add(forget.name)
        with pytest.raises(SessionLost):
            await pool.row(forget, ())
        assert await reads(echo("next")) == "next"

    with reading(database) as reads:
        run(work(reads))


def test_a_cancelled_statement_and_a_lost_session_are_told_apart(database: URL):
    async def work(reads: Watched) -> None:
        pool = await opened(reads)
        with pytest.raises(StatementCanceled):
            await pool.row(prepared(text("SELECT pg_sleep(3)"), {}), ())
        with pytest.raises(SessionLost):
            await pool.row(prepared(text("SELECT 1 / 0"), {}), ())

    with reading(database, settings(statement_timeout_seconds=1)) as reads:
        run(work(reads))


def test_who_waits_when_the_pool_is_closed_is_not_left_waiting(database: URL):
    async def work(reads: Watched) -> None:
        pool = await opened(reads)
        slow = prepared(text("SELECT pg_sleep(3)"), {})
        asked = [asyncio.create_task(pool.row(slow, ())) for _ in range(8)]
        await asyncio.sleep(0.2)
        pool.close()
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 2)
        assert {type(each) for each in answers} == {SessionLost}
        assert await reads(echo("next")) == "next"

    with reading(database) as reads:
        run(work(reads))


def test_another_event_loop_gets_sessions_of_its_own(database: URL):
    with reading(database) as reads:
        run(opened(reads))
        run(opened(reads))


def test_without_a_database_the_loop_says_what_a_thread_would(database: URL):
    nowhere = database.set(database="not_there")

    async def work(reads: Watched) -> None:
        for _ in range(3):
            with pytest.raises(ApiProblem, match="cannot be reached"):
                await reads(echo("first"))

    with reading(nowhere) as reads:
        run(work(reads))


@pytest.mark.parametrize(
    "path",
    [
        "/data",
        "/data?limit=1",
        "/data?symbol=eth",
        "/data?ticker=BTC",
        "/data?source=gecko",
        "/data?symbol=none",
        "/data?limit=200&order=asc",
        "/data/BTC",
        "/data/ETH~coin-2",
    ],
)
def test_the_loop_and_a_thread_answer_the_same(database: URL, market: Market, path: str):
    gecko, paprika = market.source("gecko"), market.source("paprika", "coinpaprika")
    for number, symbol in enumerate(["BTC", "ETH", "ETH", "XRP", None]):
        source = paprika if number % 2 else gecko
        market.coin(symbol, source, f"coin-{number}", rank=number + 1, price_usd=number)
    with api_client(database, cache_bytes=0) as mine, api_client(database, pool_size=1) as other:
        threads = other.get(path).json()
        for _ in range(3):  # before the loop has a session, and after
            assert _without_meta(mine, path) == {**threads, "meta": None}


def _without_meta(api: ApiClient, path: str) -> dict[str, Any]:
    return {**api.get(path).json(), "meta": None}
