"""The states of a source, each with a word, a shape and a place in the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptosource_store.source_state import RunHistory, SourceState, judge


@dataclass(frozen=True, kw_only=True)
class State:
    """How a source is, for a person."""

    key: str
    """Names its icon and its colour."""
    label: str
    meaning: str
    """What it means, and what to do where something is to be done."""
    attention: bool
    """Whether somebody should look."""


STATES = {
    state.key: state
    for state in (
        State(
            key="failing",
            label="failing",
            meaning="The last run that ended did not succeed; its reason says what to do.",
            attention=True,
        ),
        State(
            key="stale",
            label="stale",
            meaning="The last success is older than spec.freshness allows; no run has failed.",
            attention=True,
        ),
        State(
            key="drifted",
            label="drifted",
            meaning="Fresh, but the upstream's records changed shape in the last three days.",
            attention=True,
        ),
        State(
            key="never_run",
            label="never run",
            meaning="Known, but no run has ended yet; it loads when its schedule is due.",
            attention=True,
        ),
        State(
            key="loading",
            label="first run",
            meaning="Its first run is under way.",
            attention=False,
        ),
        State(
            key="fresh",
            label="fresh",
            meaning="The last run succeeded, within the age that is allowed.",
            attention=False,
        ),
        State(
            key="suspended",
            label="suspended",
            meaning="Paused by its owner with spec.suspend; nothing is scheduled.",
            attention=False,
        ),
    )
}
"""In the order of urgency, which is the order of the list."""

URGENCY = {key: place for place, key in enumerate(STATES)}


def state_of(health: Mapping[Any, Any], *, drifts: int) -> State:
    """Return a source's state: the API's verdict, and drift where that finds nothing wrong.

    Args:
        health: its row of `SOURCES_HEALTH`.
        drifts: changes of its upstream's shape that are recent.
    """
    verdict = judge(RunHistory.of_row(health)).state
    if verdict is SourceState.OK:
        return STATES["drifted" if drifts else "fresh"]
    return STATES[verdict]
