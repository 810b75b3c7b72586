"""What a supervisor runs, and the files by which it is told and tells.

An instance is a folder: `components.json` (what to run), `wanted.json` (which of them to hold
stopped, and how often to restart), `state.json` (what runs now), `logs/`. Wishes are levels, not
messages: whoever writes `wanted.json` and sends SIGHUP, or fails to, does no harm by repeating it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hack.cluster.processes import ProcessId

COMPONENTS, WANTED, STATE, LOGS = "components.json", "wanted.json", "state.json", "logs"


@dataclass(frozen=True, kw_only=True)
class Component:
    """One program of a cluster."""

    name: str
    argv: list[str]
    needs: str = ""
    """Start only when this accepts connections: HOST:PORT, or the path of a unix socket."""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody wants of a component."""

    stopped: bool = False
    restarts: int = 0
    """Raised by one to have it stopped and started once."""
    kill: bool = False
    """Stop by SIGKILL, at once, instead of SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What a component does now."""

    process: ProcessId | None = None
    """None while it does not run. The id is of the supervisor's own process namespace."""
    starts: int = 0
    restarts: int = 0
    """The `Wish.restarts` that has been fulfilled."""
    exit_code: int | None = None
    """Of its last end."""


def write_components(folder: Path, components: Iterable[Component]) -> None:
    """Write down what to run."""
    replace_json(folder / COMPONENTS, [asdict(component) for component in components])


def read_components(folder: Path) -> list[Component]:
    """Return what to run."""
    return [Component(**record) for record in read_json(folder / COMPONENTS) or []]


def write_wishes(folder: Path, wishes: Mapping[str, Wish]) -> None:
    """Write down what is wanted, by component."""
    replace_json(folder / WANTED, {name: asdict(wish) for name, wish in wishes.items()})


def read_wishes(folder: Path) -> dict[str, Wish]:
    """Return what is wanted; a component that is not named is wanted running."""
    return {name: Wish(**record) for name, record in (read_json(folder / WANTED) or {}).items()}


def write_states(folder: Path, supervisor: ProcessId, states: Mapping[str, State]) -> None:
    """Write down what runs."""
    records = {
        name: asdict(state) | {"process": state.process.to_json() if state.process else None}
        for name, state in states.items()
    }
    replace_json(folder / STATE, {"supervisor": supervisor.to_json(), "components": records})


def read_states(folder: Path) -> tuple[ProcessId | None, dict[str, State]]:
    """Return the supervisor that wrote last, and what it ran."""
    document = read_json(folder / STATE) or {}
    states = {
        name: State(**(record | {"process": ProcessId.from_json(record["process"])}))
        for name, record in document.get("components", {}).items()
    }
    return ProcessId.from_json(document.get("supervisor")), states


def replace_json(path: Path, document: Any) -> None:
    """Write a file in one step: a reader sees the old or the new one."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(document, indent=1), "utf-8")
    unfinished.replace(path)


def read_json(path: Path) -> Any:
    """Return a file's content; None when it is absent or not JSON."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads(path.read_text("utf-8"))
    return None
