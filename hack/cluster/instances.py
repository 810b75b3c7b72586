"""Start, watch, direct and end the supervisor of an instance."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hack.cluster import components, places
from hack.cluster.components import Component, State, Wish
from hack.cluster.errors import ClusterError
from hack.cluster.processes import ProcessId

POLL_SECONDS = 0.02
TAIL_LINES = 6


class Instance:
    """A folder with components, and the supervisor that runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tied: subprocess.Popen[bytes] | None = None

    @property
    def supervisor(self) -> ProcessId | None:
        """Return the supervisor while it lives."""
        process, _ = components.read_states(self.folder)
        return process if process is not None and process.alive else None

    @property
    def states(self) -> dict[str, State]:
        """Return what was last known of the components."""
        return components.read_states(self.folder)[1]

    def start(self, wanted: Iterable[Component], *, tied: bool) -> None:
        """Start a supervisor.

        Args:
            wanted: what it runs.
            tied: end it when this process ends, however that happens.
        """
        (self.folder / components.LOGS).mkdir(parents=True, exist_ok=True)
        for name in (components.STATE, components.WANTED):
            (self.folder / name).unlink(missing_ok=True)
        components.write_components(self.folder, wanted)
        command = [sys.executable, "-m", "hack.cluster.supervising", str(self.folder)]
        with (self.folder / components.LOGS / "supervisor.log").open("ab") as log:
            self._tied = subprocess.Popen(
                [*command, *(["--while-stdin-open"] if tied else [])],
                stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=places.variables() | {"PYTHONPATH": str(places.PROJECT)},
                start_new_session=True,  # Ctrl-C is for the one who started it
            )
        self.wait(lambda: self.supervisor is not None, 10, "the supervisor starts")

    def direct(self, name: str, *, stopped: bool, kill: bool = False) -> None:
        """Hold a component stopped, or let it run, and wait until it is so."""
        self._wish(name, lambda wish: replace(wish, stopped=stopped, kill=kill))
        self.wait(
            lambda: (self.states[name].process is None) == stopped,
            30,
            f"{name} {'stops' if stopped else 'starts'}",
        )

    def restart(self, name: str, *, kill: bool = False) -> None:
        """Have a component stopped and started once, and wait until it has a process again."""
        before = self.states[name].starts
        self._wish(name, lambda wish: Wish(restarts=wish.restarts + 1, kill=kill))
        self.wait(lambda: self.states[name].starts > before, 30, f"{name} starts again")

    def stop(self) -> None:
        """End the supervisor and what it ran; kill what is left of an instance that crashed."""
        supervisor, states = components.read_states(self.folder)
        if supervisor is not None:
            supervisor.stop(grace_seconds=20)
        if self._tied is not None:
            self._tied.communicate()
            self._tied = None
        for state in states.values():
            if state.process is not None:
                state.process.stop(grace_seconds=0)

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until something is true.

        Raises:
            ClusterError: it does not become so; the message carries the ends of the logs.
        """
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise ClusterError(f"waited {seconds:.0f} s until {what}\n{self.log_tails()}")
            time.sleep(POLL_SECONDS)

    def log_tails(self) -> str:
        """Return the last lines of each log, for an error message."""
        tails = []
        for path in sorted((self.folder / components.LOGS).glob("*.log")):
            lines = path.read_text("utf-8", errors="replace").splitlines()[-TAIL_LINES:]
            tails += [f"{path.stem}: {line[:400]}" for line in lines]
        return "\n".join(tails)

    def remove(self) -> None:
        """Remove the folder."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _wish(self, name: str, change: Callable[[Wish], Wish]) -> None:
        wishes = components.read_wishes(self.folder)
        components.write_wishes(self.folder, wishes | {name: change(wishes.get(name, Wish()))})
        supervisor = self.supervisor
        if supervisor is None or not supervisor.signal(signal.SIGHUP):
            raise ClusterError(f"nothing runs in {self.folder}")
