"""Hooks of schemathesis: what OpenAPI has no words for, so that a valid case is valid indeed.

OpenAPI describes each parameter by itself. Rules that tie some together, or to what is stored, are
kept here by cases that are meant to be valid; cases that are meant to be wrong are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import requests
import schemathesis
from requests.adapters import HTTPAdapter

from cryptosource_api.coins.queries import MAX_HISTORY
from cryptosource_api.http.pagination import MAX_LIMIT, MAX_OFFSET
from cryptosource_api.http.timestamps import parse_moment
from cryptosource_api.live.parameters import RECORD_PARAMETERS

Query = dict[str, Any]
PAGING = ("page", "page_size", "offset", "cursor")
EARLIEST, LATEST = datetime(2, 1, 2, tzinfo=UTC), datetime(9997, 12, 30, tzinfo=UTC)
"""Nearer to the ends of the calendar no offset and no length of time fits before or behind."""


def moment_of(query: Query, name: str) -> datetime | None:
    """Return a parameter as the API reads it; one that cannot be in UTC is taken away."""
    try:
        return parse_moment(str(query[name])) if name in query else None
    except ValueError:
        del query[name]
        return None


def a_cursor_is_a_place_that_an_answer_gave(query: Query) -> None:
    query.pop("cursor", None)


def there_is_one_way_to_page(query: Query) -> None:
    if "page" in query or "page_size" in query:
        query.pop("limit", None)
        query.pop("offset", None)
    if int(query.get("page", 1)) * int(query.get("page_size", 50)) > MAX_OFFSET:
        del query["page"]


def match_says_how_to_compare_symbol(query: Query) -> None:
    if "symbol" not in query:
        query.pop("match", None)


def runs_have_no_symbols_and_no_place_to_go_on_from(query: Query) -> None:
    if query.get("about") == "runs":
        for name in RECORD_PARAMETERS:
            query.pop(name, None)


def what_was_known_is_told_since_it_is_recorded(query: Query) -> None:
    if "as_of" in query:
        query["as_of"] = datetime.now(UTC).isoformat()
        query.pop("sort", None)


def a_range_begins_before_it_ends(query: Query) -> None:
    for first, last in (("start_date", "end_date"), ("since", "until")):
        start, end = moment_of(query, first), moment_of(query, last)
        if start and end and start > end:
            query[first], query[last] = query[last], query[first]


def an_export_has_no_pages_and_a_page_no_million_rows(most: int) -> Callable[[Query], None]:
    def keep(query: Query) -> None:
        if query.get("format", "json") == "json":
            query.update({"limit": most} if int(query.get("limit", 1)) > most else {})
            return
        for name in PAGING:
            query.pop(name, None)

    return keep


def a_range_has_ten_thousand_intervals_at_most(query: Query) -> None:
    if "interval" in query:
        query.pop("start_date", None)


def a_span_of_time_is_some_days(query: Query) -> None:
    until = moment_of(query, "until")
    if until is not None and not EARLIEST < until < LATEST:
        del query["until"]
        until = None
    if "since" in query:
        query["since"] = ((until or datetime.now(UTC)) - timedelta(hours=1)).isoformat()


def a_run_is_compared_with_another(query: Query) -> None:
    if query.get("a") == query.get("b"):
        query["b"] = str(UUID(int=UUID(query["a"]).int ^ 1))


RULES: dict[str, tuple[Callable[[Query], None], ...]] = {
    "/data": (
        a_cursor_is_a_place_that_an_answer_gave,
        an_export_has_no_pages_and_a_page_no_million_rows(MAX_LIMIT),
        there_is_one_way_to_page,
        match_says_how_to_compare_symbol,
        what_was_known_is_told_since_it_is_recorded,
        a_range_begins_before_it_ends,
    ),
    "/data/{coin_id}": (what_was_known_is_told_since_it_is_recorded,),
    "/data/{coin_id}/history": (
        a_cursor_is_a_place_that_an_answer_gave,
        an_export_has_no_pages_and_a_page_no_million_rows(MAX_HISTORY),
        what_was_known_is_told_since_it_is_recorded,
        a_range_begins_before_it_ends,
        a_range_has_ten_thousand_intervals_at_most,
    ),
    "/data/stream": (
        runs_have_no_symbols_and_no_place_to_go_on_from,
        match_says_how_to_compare_symbol,
    ),
    "/stats/runs": (a_cursor_is_a_place_that_an_answer_gave, a_range_begins_before_it_ends),
    "/stats/drift": (a_cursor_is_a_place_that_an_answer_gave, a_range_begins_before_it_ends),
    "/stats/performance": (a_cursor_is_a_place_that_an_answer_gave, a_span_of_time_is_some_days),
    "/stats/anomalies": (a_span_of_time_is_some_days,),
    "/stats/compare": (a_run_is_compared_with_another,),
}
_bodies: dict[str, str] = {}
"""Idempotency-Key -> the body it came with: with another one it is refused."""


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case, kwargs: Query) -> None:
    """Let a case that is meant to be valid keep the rules of its route, whichever phase made it."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for rule in RULES.get(case.operation.path, ()):
        rule(case.query)
    key = case.headers.get("Idempotency-Key")
    if key is not None and _bodies.setdefault(key, repr(case.body)) != repr(case.body):
        del case.headers["Idempotency-Key"]
    last = case.headers.get("Last-Event-ID", ".")  # it makes headers of letters and digits
    if "." not in last or case.query.get("about") == "runs":
        case.headers.pop("Last-Event-ID", None)


_send = HTTPAdapter.send


def _hang_up_after_the_first_event(
    self: HTTPAdapter, request: requests.PreparedRequest, **options: Any
) -> requests.Response:
    """Send a request; a stream, which has no end, is read to its first chunk."""
    response = _send(self, request, **{**options, "stream": True})
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        response._content = next(response.raw.read_chunked(), b"")
        response._content_consumed = True
        response.raw.close()
    return response


HTTPAdapter.send = _hang_up_after_the_first_event
