from __future__ import annotations

import asyncio
import contextlib

from cryptosource_operator.workqueue import WorkQueue


def run_queue(scenario, work, **options):
    """Run a scenario beside a queue's workers and end them with it."""

    async def main():
        queue = WorkQueue(work, **{"workers": 3} | options)
        running = asyncio.create_task(queue.run())
        try:
            await asyncio.wait_for(scenario(queue), 10)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    asyncio.run(main())


def test_a_key_added_often_is_looked_at_once():
    seen = []
    done = asyncio.Event()

    async def work(key):
        seen.append(key)
        if key == "last":
            done.set()

    async def scenario(queue):
        for _ in range(5):
            queue.add("a")
        queue.add("last")
        await done.wait()

    run_queue(scenario, work, workers=1)

    assert seen == ["a", "last"]


def test_a_key_is_never_worked_on_twice_at_a_time_and_is_looked_at_again():
    active, most, rounds = 0, 0, []
    gate, finished = asyncio.Event(), asyncio.Event()

    async def work(key):
        nonlocal active, most
        active += 1
        most = max(most, active)
        await gate.wait()
        active -= 1
        rounds.append(key)
        if len(rounds) == 2:
            finished.set()

    async def scenario(queue):
        queue.add("a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        queue.add("a")
        queue.add("a")
        gate.set()
        await finished.wait()

    run_queue(scenario, work)

    assert (most, rounds) == (1, ["a", "a"])


def test_what_fails_is_tried_again_and_does_not_stop_the_others(caplog):
    tries, done = [], asyncio.Event()

    async def work(key):
        tries.append(key)
        if key == "bad" and tries.count("bad") < 3:
            raise ValueError
        if tries.count("bad") == 3 and "good" in tries:
            done.set()

    async def scenario(queue):
        queue.add("bad")
        queue.add("good")
        await done.wait()

    run_queue(scenario, work)

    assert tries.count("bad") == 3
    assert tries.count("good") == 1


def test_work_says_when_to_look_again():
    count, done = 0, asyncio.Event()

    async def work(key):
        nonlocal count
        count += 1
        if count == 3:
            done.set()
            return None
        return 0.01

    async def scenario(queue):
        queue.add("a")
        await done.wait()

    run_queue(scenario, work)

    assert count == 3


def test_the_earliest_wish_to_look_again_counts():
    async def scenario():
        queue = WorkQueue(lambda _: None, workers=1)
        loop = asyncio.get_running_loop()
        queue.add_later("a", 50)
        queue.add_later("a", 5)
        queue.add_later("a", 500)
        left = queue._timers["a"].when() - loop.time()
        queue.forget("a")
        return left, dict(queue._timers)

    left, timers = asyncio.run(scenario())

    assert 4 < left <= 5
    assert timers == {}
