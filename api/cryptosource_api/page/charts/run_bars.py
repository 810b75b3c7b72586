"""The bars of a source's newest runs: successes up, failures down, by duration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from cryptosource_api.page.charts import pixels

SLOTS = 36
SLOT, BAR = 7, 5
UP, DOWN = 20, 12
"""Pixels above and below the zero line."""
MIN_HEIGHT = 3

RISING = ("success", "running")
HANGING = ("failure", "interrupted")


@dataclass(frozen=True, kw_only=True)
class RunBar:
    """One run."""

    run: Mapping[str, Any]
    x: str
    y: str
    height: str


@dataclass(frozen=True, kw_only=True)
class RunBars:
    """The geometry of the newest runs, oldest first, the newest at the right edge."""

    bars: Sequence[RunBar]
    summary: str
    """The runs by status, in words."""
    width: int
    height: int = UP + DOWN + 2
    line: int = UP + 1
    bar: int = BAR


def run_bars(runs: Sequence[Mapping[str, Any]], *, slots: int = SLOTS) -> RunBars:
    """Return the bars of a source's runs.

    Args:
        runs: oldest first, with `status` and `seconds`; the newest are drawn.
        slots: most bars.
    """
    runs = runs[-slots:]
    longest = max((float(run["seconds"]) for run in runs), default=0.0)
    first = slots - len(runs)
    bars = [_bar(run, first + place, longest) for place, run in enumerate(runs)]
    return RunBars(bars=bars, summary=_summary(runs), width=slots * SLOT)


def _bar(run: Mapping[str, Any], slot: int, longest: float) -> RunBar:
    # The square root: one long run must not flatten all others.
    share = sqrt(max(float(run["seconds"]), 0.0) / longest) if longest > 0 else 0.0
    rising = run["status"] in RISING
    room = UP if rising else DOWN
    height = max(MIN_HEIGHT, share * room) if run["status"] in RISING + HANGING else MIN_HEIGHT
    line = UP + 1
    y = line - height if rising else line + 1 if run["status"] in HANGING else line - MIN_HEIGHT / 2
    return RunBar(run=run, x=pixels(slot * SLOT + 1), y=pixels(y), height=pixels(height))


def _summary(runs: Sequence[Mapping[str, Any]]) -> str:
    if not runs:
        return "No runs yet"
    counts = Counter(run["status"] for run in runs)
    parts = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return f"Last {len(runs)} runs: {parts}" if len(runs) > 1 else f"One run: {parts}"
