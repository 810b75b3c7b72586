"""The page of all sources: state, reason, freshness, next run, newest runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.http.parameters import Parameters
from cryptosource_api.page import value_formats
from cryptosource_api.page.charts.run_bars import SLOTS, RunBars, run_bars
from cryptosource_api.page.source_states import STATES, URGENCY, State, state_of
from cryptosource_crd.schedule import next_run
from cryptosource_store.source_state import RunHistory, judge
from cryptosource_store.statements import web_page as sql
from cryptosource_store.statements.source_state import SOURCES_HEALTH

PAGE_SIZE = 50
"""Sources on one page."""

# The reasons of these states, Stale and NeverRun, would only repeat the label.
STATES_WITHOUT_REASON = ("stale", "never_run")


class OverviewParameters(Parameters):
    """Parameters of `/` for browsers."""

    state: str | None = Field(default=None, pattern=f"^({'|'.join(STATES)})$")
    page: int = Field(default=1, ge=1, le=1_000)


@dataclass(frozen=True, kw_only=True)
class ShownSource:
    """A source as pages show it."""

    facts: Mapping[str, Any]
    """Its row of `SOURCES_SHOWN`."""
    health: Mapping[str, Any]
    """Its row of `SOURCES_HEALTH`."""
    state: State
    reason: str | None
    message: str | None
    """Why it is in its state."""
    due: datetime | None
    """Start of the next run."""
    bars: RunBars
    running: Mapping[str, Any] | None
    """The run under way."""

    @property
    def age_share(self) -> float | None:
        """The age as a fraction of the allowed age, at most 1; None without a limit or an age."""
        age, limit = self.health["age_seconds"], self.health["max_age_seconds"]
        return None if age is None or not limit else min(float(age) / limit, 1.0)

    @property
    def drifted_beside(self) -> bool:
        """Whether its upstream drifted while something else decides its state."""
        return bool(self.facts["drifts"]) and self.state.key != "drifted"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The content of the page."""

    now: datetime
    sources: Sequence[ShownSource]
    counts: Sequence[tuple[State, int]]
    """The states that sources are in, and how many."""
    total: int
    """Number of all sources."""
    found: int
    """Number of sources in the chosen state, on all pages."""
    chosen: str | None
    """The state that the list is limited to; None for all."""
    page: int
    states: Sequence[State] = tuple(STATES.values())
    """All states, for the legend."""

    @property
    def attention(self) -> int:
        """Number of sources that need attention."""
        return sum(count for state, count in self.counts if state.attention)

    @property
    def pages(self) -> int:
        """Number of pages."""
        return max(1, -(-self.found // PAGE_SIZE))


def _name_of(row: Mapping[Any, Any]) -> tuple[str, str]:
    return row["namespace"], row["name"]


def read_overview(connection: Connection, parameters: OverviewParameters) -> Overview:
    """Return a page of the sources in the order of urgency, with their newest runs."""
    facts = {_name_of(row): row for row in connection.execute(sql.SOURCES_OVERVIEW).mappings()}
    health = {_name_of(row): row for row in connection.execute(SOURCES_HEALTH).mappings()}
    # The two statements see different snapshots. A source created or deleted between them is left
    # out; the next reading of the page shows it, or does not.
    states = {
        key: state_of(health[key], drifts=row["drifts"])
        for key, row in facts.items()
        if key in health
    }
    ordered = sorted(states, key=lambda key: (URGENCY[states[key].key], key))
    found = [key for key in ordered if parameters.state in {None, states[key].key}]
    first = (parameters.page - 1) * PAGE_SIZE
    shown = found[first : first + PAGE_SIZE]
    runs = read_recent_runs(connection, [facts[key]["source_id"] for key in shown])
    counts = Counter(state.key for state in states.values())
    return Overview(
        now=connection.scalar(sql.NOW),
        sources=[
            shown_source(facts[key], health[key], states[key], runs[facts[key]["source_id"]])
            for key in shown
        ],
        counts=[(state, counts[key]) for key, state in STATES.items() if counts[key]],
        total=len(states),
        found=len(found),
        chosen=parameters.state,
        page=parameters.page,
    )


def read_recent_runs(
    connection: Connection, source_ids: Sequence[int], *, size: int = SLOTS
) -> dict[int, list[Mapping[str, Any]]]:
    """Return the newest runs by source id, oldest first.

    Args:
        connection: to read with.
        source_ids: whose runs.
        size: most runs of a source.
    """
    runs: dict[int, list[Mapping[str, Any]]] = {source_id: [] for source_id in source_ids}
    bound = {"source_ids": list(source_ids), "size": size}
    for row in connection.execute(sql.RECENT_RUNS, bound).mappings():
        runs[row["source_id"]].append({str(name): row[name] for name in row})
    return runs


def shown_source(
    facts: Mapping[Any, Any],
    health: Mapping[Any, Any],
    state: State,
    runs: Sequence[Mapping[str, Any]],
    *,
    slots: int = SLOTS,
) -> ShownSource:
    """Return a source as pages show it.

    Args:
        facts: its row of `SOURCES_OVERVIEW`.
        health: its row of `SOURCES_HEALTH`.
        state: as `state_of` returns it.
        runs: its newest runs, oldest first.
        slots: number of bars that there is room for.
    """
    verdict = judge(RunHistory.of_row(health))
    return ShownSource(
        facts=facts,
        health=health,
        state=state,
        reason=None if state.key in STATES_WITHOUT_REASON else verdict.reason,
        message=_explain(state, facts, health) or verdict.message,
        due=next_due(
            {**facts, "next_attempt_at": health["next_attempt_at"]}, suspended=health["suspended"]
        ),
        bars=run_bars(runs, slots=slots),
        running=next((run for run in runs if run["run_id"] == health["running_run_id"]), None),
    )


def _explain(state: State, facts: Mapping[Any, Any], health: Mapping[Any, Any]) -> str | None:
    if state.key == "drifted":
        return f"{value_formats.plural(facts['drifts'], 'field')} of its records changed"
    if state.key == "stale":
        age, limit = map(value_formats.duration, (health["age_seconds"], health["max_age_seconds"]))
        return f"The last success is {age} old; {limit} is allowed"
    return state.meaning if state.key in {"suspended", "loading", "never_run"} else None


# What a schedule means is said once, beside the resource: Kubernetes' reading of the five fields.


def next_due(row: Mapping[Any, Any], *, suspended: bool) -> datetime | None:
    """Return the next moment at which a source is due, in UTC.

    Args:
        row: with `schedule`, `time_zone`, `now` and, of its newest run, `next_attempt_at`.
        suspended: then nothing is due.

    Returns:
        None where nothing is scheduled, or where the schedule that is stored cannot be read.
    """
    if suspended or not row["schedule"]:
        return None
    earliest = max(row["now"], row.get("next_attempt_at") or row["now"])
    try:
        return next_run(row["schedule"], row["time_zone"] or "Etc/UTC", earliest)
    except (ValueError, StopIteration):
        return None
