"""Parameters that several statistics share: which sources, and from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.http.parameters import NamespaceFilter, Parameters, SourceFilter
from cryptosource_api.http.problems import InvalidRequest, Mistake
from cryptosource_api.http.timestamps import DAWN, DUSK, End, Start
from cryptosource_store.statements.run_statistics import NOW


class SourceChoice(Parameters):
    """Which sources."""

    source: SourceFilter = None
    namespace: NamespaceFilter = None

    def chosen(self) -> dict[str, Any]:
        """Return what `CHOSEN_SOURCES` binds."""
        return {"source": self.source, "namespace": self.namespace}


class TimeSpan(Parameters):
    """From when to when."""

    since: Start | None = Field(default=None, description="Then or later; a date is its start.")
    until: End | None = Field(
        default=None, description="Then or earlier; a date is all of it. Now, when left out."
    )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A bounded stretch of time, both ends inside."""

    since: datetime
    until: datetime


def bounded_span(
    connection: Connection, asked: TimeSpan, *, usual: timedelta, longest: timedelta
) -> Span:
    """Return the stretch that is asked for, by the database's clock.

    Args:
        connection: tells what time it is, where `until` is left out.
        asked: may leave either end open.
        usual: length where `since` is left out.
        longest: more is refused.

    Raises:
        InvalidRequest: the stretch is longer than that, or ends before it begins.
    """
    until = asked.until or connection.scalar(NOW)
    if until is None:
        raise AssertionError("Postgres always knows the time")
    if not DAWN + longest < until < DUSK - longest:
        raise InvalidRequest(Mistake(parameter="until", detail="lies beyond all that is stored"))
    since = asked.since or until - usual
    if since > until:
        detail = "is after until, or in the future"
        raise InvalidRequest(Mistake(parameter="since", detail=detail))
    if until - since > longest:
        detail = f"at most {longest.days} days can be asked for at once; move since or until"
        raise InvalidRequest(Mistake(parameter="since", detail=detail))
    return Span(since=since, until=until)
