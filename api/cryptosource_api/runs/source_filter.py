"""Parameters that several statistics share: the sources, and the range of time."""

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
    """Parameters that choose sources."""

    source: SourceFilter = None
    namespace: NamespaceFilter = None

    def chosen(self) -> dict[str, Any]:
        """Return the bind values of `CHOSEN_SOURCES`."""
        return {"source": self.source, "namespace": self.namespace}


class TimeSpan(Parameters):
    """Parameters that choose a range of time."""

    since: Start | None = Field(default=None, description="Then or later; a date is its start.")
    until: End | None = Field(
        default=None, description="Then or earlier; a date is all of it. Now, when left out."
    )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A bounded range of time, both ends included."""

    since: datetime
    until: datetime


def bounded_span(
    connection: Connection, parameters: TimeSpan, *, usual: timedelta, longest: timedelta
) -> Span:
    """Return the range of time that parameters choose, by the database's clock.

    Args:
        connection: to read the time with if `until` is left out.
        parameters: may leave either end open.
        usual: length if `since` is left out.
        longest: greatest length.

    Raises:
        InvalidRequest: the range is longer than that, or ends before it begins.
    """
    until = parameters.until or connection.scalar(NOW)
    if until is None:
        raise AssertionError("Postgres always knows the time")
    if not DAWN + longest < until < DUSK - longest:
        raise InvalidRequest(Mistake(parameter="until", detail="lies beyond all that is stored"))
    since = parameters.since or until - usual
    if since > until:
        detail = "is after until, or in the future"
        raise InvalidRequest(Mistake(parameter="since", detail=detail))
    if until - since > longest:
        detail = f"at most {longest.days} days can be asked for at once; move since or until"
        raise InvalidRequest(Mistake(parameter="since", detail=detail))
    return Span(since=since, until=until)
