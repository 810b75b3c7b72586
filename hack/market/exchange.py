"""From a request to its answer: rule, limit, key, route, validator, in the order of the real thing.

What stands before a vendor (a rule's fault, the rate limit) answers first; a key is judged next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hack.market import access
from hack.market.answers import Answer
from hack.market.clock import stamp
from hack.market.http1 import Request
from hack.market.limits import Refusal, retry_after
from hack.market.log import Entry
from hack.market.rules import Rule
from hack.market.shapes import RATE_LIMITED, error_answer
from hack.market.state import Market
from hack.market.vendors import csv_file, gecko, paprika

_ROUTES: Mapping[str | None, Callable[[Market, Request], Answer]] = {
    "paprika": paprika.answer,
    "gecko": gecko.answer,
    "csv": csv_file.answer,
}
_OK, _NOT_MODIFIED, _BANNED = 200, 304, 418


def exchange(market: Market, request: Request, entry: Entry) -> Answer:
    """Answer one request to a vendor, and note in its log entry what was done to it."""
    rule = market.rules.take(request)
    entry.faults = list(rule.kinds) if rule else []
    faults = rule.faults if rule else ()
    for fault in faults:
        fault.ask(market, request)
    instead = (fault.instead(market, request) for fault in faults)
    answer = next((a for a in instead if a is not None), None)
    if answer is None:
        answer = _vendor(market, request, entry)
        _validate(market, request, answer, rule)
    for fault in faults:
        fault.spoil(market, request, answer)
    entry.status = answer.status
    return answer


def _vendor(market: Market, request: Request, entry: Entry) -> Answer:
    if request.vendor is None:
        return Answer(status=404, headers={"Content-Type": "text/plain"}, body=b"no such route\n")
    gate, caller = market.gates[request.vendor], market.caller(request)
    at, now = market.clock.monotonic(), market.clock.now()
    refusal = gate.admit(caller, at=at, now=now)
    if refusal is not None:
        entry.limited = True
        return _refused(market, request, refusal)
    refused = access.refuse(request, market.keys, now=now)
    answer = refused or _ROUTES[request.vendor](market, request)
    gate.charge(caller, answer.status, at=at, now=now)
    return answer


def _refused(market: Market, request: Request, refusal: Refusal) -> Answer:
    now, vendor = market.clock.now(), request.vendor or "paprika"
    shape = "binance" if refusal.status == _BANNED else f"{vendor}"
    answer = error_answer(
        refusal.status,
        shape={"gecko": "gecko_status", "csv": "cloudflare_text"}.get(shape, shape),
        message=RATE_LIMITED.get(vendor, "slow down"),
        now=now,
    )
    style = market.gates[vendor].limit.retry_after
    answer.headers.update(retry_after(style, refusal.wait_seconds, now))
    return answer


def _validate(market: Market, request: Request, answer: Answer, rule: Rule | None) -> None:
    """Give a snapshot its ETag; empty it when the client has it already."""
    changed = rule is not None and any(fault.changes_content for fault in rule.faults)
    if not market.etags or answer.status != _OK or answer.records is None or changed:
        return
    answer.headers["ETag"] = tag = market.etag(request)
    if request.headers.get("if-none-match") == tag:
        answer.status, answer.records = _NOT_MODIFIED, None
        answer.headers.pop("Content-Type", None)


def log_entry(market: Market, request: Request) -> Entry:
    """Begin the log entry of a request and give the request its number."""
    request.number = len(market.log.entries) + 1
    entry = Entry(
        number=request.number,
        time=stamp(market.clock.now(), milliseconds=True),
        at=market.clock.monotonic(),
        client=request.client,
        method=request.method,
        path=f"/pro{request.path}" if request.pro else request.path,
        query=dict(request.query),
        headers=dict(request.headers),
        key_in_url=_key_in_url(market, request),
        vendor=request.vendor,
        page=request.whole("page", 1) if request.path.endswith("/markets") else None,
    )
    market.log.begin(entry)
    return entry


def _key_in_url(market: Market, request: Request) -> bool:
    named = any(name in request.query for name in access.QUERY_KEYS)
    values = [request.path, *request.query.values()]
    return named or any(key in value for key in market.keys for value in values)
