"""The page of a source: its state with reason and advice, its runs, rejected records and drifts."""

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
from cryptosource_api.page.runs import format_drift
from cryptosource_api.page.source_states import state_of
from cryptosource_store.statements import page as sql
from cryptosource_store.statements.source_state import SOURCE_HEALTH

MAX_BARS = 96
"""Most runs that are drawn as bars."""
MAX_LISTED = 8
"""Most runs that are listed."""


@dataclass(frozen=True, kw_only=True)
class SourcePage:
    """The content of the page."""

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
        """Whether the last failure decides the state of the source."""
        return self.source.state.key == "failing"

    @property
    def quarantined(self) -> int:
        """Number of records in quarantine."""
        return sum(row["records"] for row in self.rejects)

    @property
    def most_rejected(self) -> int:
        """The largest count among the reasons."""
        return max((row["records"] for row in self.rejects), default=0)


def read_source_page(connection: Connection, *, namespace: str, name: str) -> SourcePage:
    """Return the page of a source.

    Raises:
        NotFound: no source has that name, or it was deleted.
    """
    named = {"namespace": namespace, "name": name}
    storable = "\x00" not in namespace + name  # Postgres refuses such a text
    facts = None
    if storable:
        facts = connection.execute(sql.SOURCE_OVERVIEW, named).mappings().one_or_none()
    if facts is None:
        raise NotFound(f"There is no source {namespace[:100]}/{name[:100]}")
    of_source = {"source_id": facts["source_id"]}
    health = connection.execute(SOURCE_HEALTH, of_source).mappings().one_or_none()
    # The source may be deleted between the two statements.
    if health is None:
        raise NotFound(f"{namespace[:100]}/{name[:100]} has just been deleted")
    state = state_of(health, drifts=facts["drifts"])
    runs = read_recent_runs(connection, [facts["source_id"]], size=MAX_BARS)[facts["source_id"]]
    source = shown_source(facts, health, state, runs, slots=max(SLOTS, len(runs)))
    drifts = connection.execute(sql.SOURCE_DRIFTS, of_source).mappings()
    return SourcePage(
        now=facts["now"],
        source=source,
        advice=advice_for(source),
        runs=runs[::-1][:MAX_LISTED],
        failure=connection.execute(sql.LAST_FAILURE, of_source).mappings().one_or_none(),
        cursor=connection.scalar(sql.SOURCE_CURSOR, of_source) or {},
        rejects=connection.execute(sql.SOURCE_REJECTS, of_source).mappings().all(),
        drifts=[format_drift(drift) for drift in drifts],
    )
