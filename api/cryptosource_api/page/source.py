"""One source: how it is, why, what to do, and what it has met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from cryptosource_api.http.problems import NotFound
from cryptosource_api.page.advice import Advice, advice_for
from cryptosource_api.page.charts.run_bars import SLOTS
from cryptosource_api.page.overview import ShownSource, read_recent_runs, shown_source
from cryptosource_api.page.runs import shown_drift
from cryptosource_api.page.source_states import state_of
from cryptosource_store.statements import page as sql
from cryptosource_store.statements.runs import SOURCE_HEALTH

DRAWN = 96
"""Runs that are drawn."""
LISTED = 8
"""Runs that are listed."""


@dataclass(frozen=True, kw_only=True)
class SourcePage:
    """The whole page."""

    now: datetime
    source: ShownSource
    advice: Advice | None
    runs: Sequence[Mapping[str, Any]]
    """The newest, newest first."""
    failure: Mapping[Any, Any] | None
    """The last run that did not succeed."""
    cursor: Mapping[str, Any]
    rejects: Sequence[Mapping[Any, Any]]
    drifts: Sequence[Mapping[str, Any]]

    @property
    def failed_last(self) -> bool:
        """Whether the last failure is what decides how the source is."""
        return self.source.state.key == "failing"

    @property
    def quarantined(self) -> int:
        """How many records wait in quarantine."""
        return sum(row["records"] for row in self.rejects)

    @property
    def most_rejected(self) -> int:
        """The largest count among the reasons."""
        return max((row["records"] for row in self.rejects), default=0)


def read_source_page(connection: Connection, *, namespace: str, name: str) -> SourcePage:
    """Return one source.

    Raises:
        NotFound: there is none of that name, or it was deleted.
    """
    named = {"namespace": namespace, "name": name}
    storable = "\x00" not in namespace + name
    facts = None
    if storable:
        facts = connection.execute(sql.SOURCE_SHOWN, named).mappings().one_or_none()
    if facts is None:
        raise NotFound(f"There is no source {namespace[:100]}/{name[:100]}")
    of_source = {"source_id": facts["source_id"]}
    health = connection.execute(SOURCE_HEALTH, of_source).mappings().one_or_none()
    if health is None:
        raise NotFound(f"{namespace[:100]}/{name[:100]} has just been deleted")
    state = state_of(health, drifts=facts["drifts"])
    runs = read_recent_runs(connection, [facts["source_id"]], size=DRAWN)[facts["source_id"]]
    source = shown_source(facts, health, state, runs, slots=max(SLOTS, len(runs)))
    drifts = connection.execute(sql.SOURCE_DRIFTS, of_source).mappings()
    return SourcePage(
        now=facts["now"],
        source=source,
        advice=advice_for(source),
        runs=runs[::-1][:LISTED],
        failure=connection.execute(sql.LAST_FAILURE, of_source).mappings().one_or_none(),
        cursor=connection.scalar(sql.SOURCE_CURSOR, of_source) or {},
        rejects=connection.execute(sql.SOURCE_REJECTS, of_source).mappings().all(),
        drifts=[shown_drift(drift) for drift in drifts],
    )
