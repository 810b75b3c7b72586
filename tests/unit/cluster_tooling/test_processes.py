"""A process is its id and its start time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hack.cluster.processes import ProcessId

STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()


@pytest.fixture
def deaf() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def test_a_process_that_runs_is_found_by_its_id() -> None:
    own = ProcessId.of(os.getpid())

    assert own is not None
    assert own.alive


def test_stop_ends_a_process_that_obeys(sleeper) -> None:
    process = ProcessId.of(sleeper.pid)

    assert process.stop()
    assert not process.alive
    assert sleeper.wait() == -signal.SIGTERM


def test_stop_kills_a_process_that_ignores_the_request(deaf) -> None:
    process = ProcessId.of(deaf.pid)

    assert process.stop(grace_seconds=0.05)
    assert deaf.wait() == -signal.SIGKILL


def test_a_reused_id_is_never_signalled(sleeper) -> None:
    earlier = ProcessId(sleeper.pid, "started long ago")

    assert not earlier.alive
    assert not earlier.signal(signal.SIGKILL)
    assert earlier.stop()
    assert sleeper.poll() is None


def test_a_zombie_counts_as_ended(sleeper) -> None:
    process = ProcessId.of(sleeper.pid)
    sleeper.kill()

    assert process.wait(10)
    assert ProcessId.of(sleeper.pid) is None


def test_a_record_survives_its_file() -> None:
    process = ProcessId(17, "4711")

    assert ProcessId.from_json(process.to_json()) == process


@pytest.mark.parametrize("record", [None, {}, {"pid": "x", "started": "1"}, [1, 2], "17"])
def test_what_is_no_record_names_no_process(record) -> None:
    assert ProcessId.from_json(record) is None
