"""Run the components of one instance, start again what ends, and end all with itself.

`python -m hack.cluster.supervising FOLDER [--while-stdin-open]`. On Linux the kernel kills the
components when the supervisor dies, however it dies; with `--while-stdin-open` the supervisor ends
when the process at the other end of its standard input does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from hack.cluster import components
from hack.cluster.components import Component, State, Wish
from hack.cluster.processes import ProcessId

TICK_SECONDS = 0.05
"""Between two looks while something is on its way."""
REST_SECONDS = 5.0
"""Between two looks while all is as wanted; a signal wakes the supervisor at once."""
PAUSE_SECONDS = (0.2, 1.0, 5.0)
"""Before each further start of a component that ended by itself; the last goes on."""
GRACE_SECONDS = 10.0
PR_SET_PDEATHSIG = 1
"""prctl(2)."""


class Charge:
    """One component in the supervisor's care."""

    def __init__(self, component: Component, folder: Path) -> None:
        self.component = component
        self.state = State()
        self._log = folder / components.LOGS / f"{component.name}.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._ends = 0
        self._kill_at: float | None = None
        self._wanted_running = True

    def settle(self, wish: Wish, now: float) -> bool:
        """Take one step from what is to what is wanted; return whether anything changed."""
        before = self.state
        self._wanted_running = not wish.stopped
        if self._child is not None and self._child.poll() is not None:
            self._ended(self._child.returncode, wish, now)
        if self._child is None:
            self._start_if_wanted(wish, now)
        elif wish.stopped or wish.restarts > self.state.restarts:
            self.stop(now, kill=wish.kill)
        return self.state != before

    def stop(self, now: float, *, kill: bool) -> None:
        """Ask the component to end, and make it end when it does not."""
        if self._child is None:
            return
        if kill or (self._kill_at is not None and now >= self._kill_at):
            self._child.kill()
        elif self._kill_at is None:
            self._child.terminate()
            self._kill_at = now + GRACE_SECONDS

    @property
    def running(self) -> bool:
        """Return whether the component has a process."""
        return self._child is not None and self._child.poll() is None

    @property
    def settled(self) -> bool:
        """Return whether the last step left nothing to do."""
        return self.running == self._wanted_running and self._kill_at is None

    def _ended(self, code: int, wish: Wish, now: float) -> None:
        self._child, self._kill_at = None, None
        asked = wish.stopped or wish.restarts > self.state.restarts
        if not asked:
            self._not_before = now + PAUSE_SECONDS[min(self._ends, len(PAUSE_SECONDS) - 1)]
            self._ends += 1
        self.state = replace(self.state, process=None, exit_code=code, restarts=wish.restarts)

    def _start_if_wanted(self, wish: Wish, now: float) -> None:
        self.state = replace(self.state, restarts=wish.restarts)
        if wish.stopped or now < self._not_before or not accepts(self.component.needs):
            return
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                self.component.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ) | self.component.environment,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - there is one thread
            )
        process = ProcessId.of(self._child.pid)
        self.state = replace(self.state, process=process, starts=self.state.starts + 1)


class Supervisor:
    """Keeps an instance's components as they are wanted."""

    def __init__(self, folder: Path, *, while_stdin_open: bool = False) -> None:
        self._folder = folder
        self._charges = [Charge(one, folder) for one in components.read_components(folder)]
        self._selector = selectors.DefaultSelector()
        self._ending = False
        (folder / components.LOGS).mkdir(exist_ok=True)
        self._listen_for_signals()
        if while_stdin_open:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._stdin)

    def run(self) -> None:
        """Work until SIGTERM, SIGINT, or the end of standard input; then end everything."""
        self._report()
        while not self._ending:
            self._settle(components.read_wishes(self._folder))
            self._wait()
        deadline = time.monotonic() + GRACE_SECONDS
        for charge in reversed(self._charges):
            while charge.running:
                charge.stop(time.monotonic(), kill=time.monotonic() > deadline)
                time.sleep(TICK_SECONDS / 5)
        self._settle({charge.component.name: Wish(stopped=True) for charge in self._charges})

    def _settle(self, wishes: dict[str, Wish]) -> None:
        now = time.monotonic()
        wish_of = [wishes.get(charge.component.name, Wish()) for charge in self._charges]
        pairs = zip(self._charges, wish_of, strict=True)
        changes = [charge.settle(wish, now) for charge, wish in pairs]
        if any(changes):
            self._report()
        _reap_orphans({charge.state.process for charge in self._charges})

    def _report(self) -> None:
        own = ProcessId.of(os.getpid())
        assert own is not None  # noqa: S101 - we run
        states = {charge.component.name: charge.state for charge in self._charges}
        components.write_states(self._folder, own, states)

    def _listen_for_signals(self) -> None:
        ours, kernels = socket.socketpair()
        ours.settimeout(0)
        kernels.settimeout(0)
        signal.set_wakeup_fd(kernels.fileno(), warn_on_full_buffer=False)
        self._wakers = (ours, kernels)
        self._selector.register(ours, selectors.EVENT_READ, lambda: ours.recv(4096))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        for number in (signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, lambda *_: None)  # waking up is all that is asked

    def _end(self, *_: object) -> None:
        self._ending = True

    def _stdin(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            self._ending = True

    def _wait(self) -> None:
        at_rest = all(charge.settled for charge in self._charges)
        for key, _ in self._selector.select(REST_SECONDS if at_rest else TICK_SECONDS):
            key.data()


def accepts(address: str) -> bool:
    """Return whether something accepts connections at an address; "" needs nothing."""
    if not address:
        return True
    host, _, port = address.rpartition(":")
    family = socket.AF_INET if port.isdigit() else socket.AF_UNIX
    target = (host, int(port)) if port.isdigit() else address
    with socket.socket(family) as client, contextlib.suppress(OSError):
        client.settimeout(1)
        client.connect(target)
        return True
    return False


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies. Linux only; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _reap_orphans(ours: set[ProcessId | None]) -> None:
    """Reap what the first process of a process namespace inherits."""
    if os.getpid() != 1:
        return
    known = {process.pid for process in ours if process}
    with contextlib.suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in known:
                return
            os.waitpid(found.si_pid, 0)


def main() -> None:
    """Supervise the instance in the folder that the command line names."""
    folder, *options = sys.argv[1:]
    tied = "--while-stdin-open" in options
    Supervisor(Path(folder), while_stdin_open=tied).run()
    if tied:  # whoever started us may have been killed and cannot do it
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
