"""A supervisor keeps its components running, and takes them with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hack.cluster import ports
from hack.cluster.components import Component
from hack.cluster.errors import ClusterError
from hack.cluster.instances import Instance
from hack.cluster.processes import ProcessId
from hack.cluster.supervising import accepts

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
FAIL = [sys.executable, "-S", "-c", "import sys; sys.exit('the disk is full')"]
SECONDS = 20


@pytest.fixture
def instance(tmp_path) -> Iterator[Instance]:
    one = Instance(tmp_path / "instance")
    yield one
    one.stop()


def started(instance: Instance, *components: Component, tied: bool = True) -> Instance:
    instance.start(components, tied=tied)
    return instance


def process_of(instance: Instance, name: str = "a") -> ProcessId:
    instance.wait(lambda: instance.states[name].process is not None, SECONDS, f"{name} runs")
    process = instance.states[name].process
    assert process is not None
    return process


def test_a_killed_component_is_started_again(instance) -> None:
    started(instance, Component(name="a", argv=SLEEP))
    first = process_of(instance)

    first.signal(signal.SIGKILL)

    instance.wait(lambda: instance.states["a"].starts == 2, SECONDS, "it starts again")
    assert process_of(instance) != first
    assert instance.states["a"].exit_code == -signal.SIGKILL


def test_a_component_that_is_held_stopped_stays_so_until_it_is_let_go(instance) -> None:
    started(instance, Component(name="a", argv=SLEEP), Component(name="b", argv=SLEEP))
    other = process_of(instance, "b")
    process_of(instance)

    instance.direct("a", stopped=True)
    assert instance.states["a"].process is None
    assert instance.states["b"].process == other

    instance.direct("a", stopped=False)
    assert process_of(instance).alive


def test_a_restart_gives_one_new_process(instance) -> None:
    started(instance, Component(name="a", argv=SLEEP))
    first = process_of(instance)

    instance.restart("a", kill=True)

    assert not first.alive
    assert process_of(instance) != first
    assert instance.states["a"].starts == 2


def test_a_component_waits_for_what_it_needs(instance) -> None:
    (port,) = ports.free(1)
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    server = Component(name="server", argv=[sys.executable, "-S", "-c", listen])
    started(instance, Component(name="a", argv=SLEEP, needs=f"127.0.0.1:{port}"), server)

    process_of(instance)

    assert accepts(f"127.0.0.1:{port}")


def test_stop_ends_everything(instance) -> None:
    started(instance, Component(name="a", argv=SLEEP), tied=False)
    process, supervisor = process_of(instance), instance.supervisor

    instance.stop()

    assert supervisor is not None
    assert not supervisor.alive
    assert not process.alive


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it, on Linux alone")
def test_components_die_with_a_killed_supervisor(instance) -> None:
    started(instance, Component(name="a", argv=SLEEP), tied=False)
    process = process_of(instance)

    instance.supervisor.signal(signal.SIGKILL)

    assert process.wait(SECONDS)


def test_a_tied_supervisor_ends_and_tidies_up_when_its_starter_is_gone(instance) -> None:
    started(instance, Component(name="a", argv=SLEEP))
    process, supervisor = process_of(instance), instance.supervisor

    instance._tied.stdin.close()  # as the kernel does when the starter is killed

    assert supervisor.wait(SECONDS)
    assert not process.alive
    assert not instance.folder.exists()
    instance._tied.wait()
    instance._tied = None


def test_an_error_carries_the_last_words_of_the_logs(instance) -> None:
    started(instance, Component(name="a", argv=FAIL))
    instance.wait(lambda: instance.states["a"].exit_code == 1, SECONDS, "it fails")

    with pytest.raises(ClusterError, match="a: the disk is full"):
        instance.wait(lambda: False, 0, "never")


def test_directing_what_does_not_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "idle").mkdir()

    with pytest.raises(ClusterError, match="nothing runs"):
        Instance(tmp_path / "idle").direct("a", stopped=True)


def test_nothing_listens_on_a_port_that_is_free() -> None:
    first, second = ports.free(2)

    assert first != second
    assert not accepts(f"127.0.0.1:{first}")
    assert not accepts("/nowhere/at/all.sock")
