"""The states of a source as pages show them: label, explanation, urgency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptosource_store.source_state import RunHistory, SourceState, judge


@dataclass(frozen=True, kw_only=True)
class State:
    """A state of a source, and how pages show it."""

    key: str
    """Selects the icon and the colour."""
    label: str
    meaning: str
    """What the state means, and what to do about it if anything."""
    attention: bool
    """Whether it counts among the sources that need attention."""


# In the order of urgency, which is the order of the list: what has failed comes first, what its owner
# paused comes last.
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

URGENCY = {key: position for position, key in enumerate(STATES)}
"""State -> its position in the list; 0 is the most urgent."""


def state_of(health: Mapping[Any, Any], *, drifts: int) -> State:
    """Return the state of a source: the store's verdict, or drift if that finds nothing wrong.

    Args:
        health: its row of `SOURCES_HEALTH`.
        drifts: number of recent changes in the shape of its upstream's records.
    """
    verdict = judge(RunHistory.of_row(health)).state
    # The API reports a source that drifted as ok; only pages show it as a state of its own.
    if verdict is SourceState.OK:
        return STATES["drifted" if drifts else "fresh"]
    return STATES[verdict]
