"""What the control API can do: a verb, its JSON arguments, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hack.market.access import KEY_KINDS
from hack.market.book import Drift
from hack.market.clock import stamp
from hack.market.jsontext import fragment_of, text_of
from hack.market.limits import Gate, Limit
from hack.market.rules import parse_rule
from hack.market.state import Market

Arguments = dict[str, Any]


def execute(market: Market, verb: str, arguments: Arguments) -> Any:
    """Carry out one command and return its JSON.

    Raises:
        LookupError: for an unknown verb, vendor or coin.
        ValueError: for arguments that make no sense.
        TypeError: for arguments that are missing or of the wrong type.
    """
    if verb not in COMMANDS:
        raise LookupError(f"no command {verb!r}; there are {', '.join(COMMANDS)}")
    try:
        return COMMANDS[verb](market, **arguments)
    except KeyError as error:
        raise LookupError(f"unknown: {error}") from error


def _universe(market: Market, **settings: Any) -> Any:
    market.restock(replace(market.universe.settings, **settings))
    return _state(market)


def _edit(
    market: Market, *, vendor: str, id: str, set: Mapping[str, Any] | None = None,  # noqa: A002
    drop: list[str] | None = None,
) -> Any:  # fmt: skip
    market.book(vendor).edit(id, set or {}, drop=drop or ())
    return _state(market)


def _add(
    market: Market, *, vendor: str, id: str, record: Any = None, first: bool = False  # noqa: A002
) -> Any:  # fmt: skip
    if record is None:
        market.add_generated(vendor, id, first=first)
        return _state(market)
    fragment = fragment_of({"id": id, **record})
    if isinstance(fragment, dict):
        market.book(vendor).add(id, fragment, first=first)
    return _state(market)


def _delist(market: Market, *, vendor: str, id: str) -> Any:  # noqa: A002
    market.book(vendor).delist(id)
    return _state(market)


def _relist(market: Market, *, vendor: str, id: str) -> Any:  # noqa: A002
    market.book(vendor).relist(id)
    return _state(market)


def _rename(market: Market, *, vendor: str, id: str, to: str) -> Any:  # noqa: A002
    market.book(vendor).rename(id, to)
    return _state(market)


def _drift(market: Market, *, vendor: str, field: str, at: str | None = None, **change: Any) -> Any:
    """Change a field of every record: `value`, `rename_to`, or neither to take it away."""
    unknown = set(change) - {"value", "rename_to"}
    if unknown:
        raise ValueError(f"a drift has no {', '.join(sorted(unknown))}")
    book = market.book(vendor)
    target = change.get("rename_to")
    drift = Drift(
        path=book.path(field),
        value=text_of(change["value"]) if "value" in change else None,
        rename_to=None if target is None else book.path(target),
        at=None if at is None else datetime.fromisoformat(at),
    )
    book.drift(drift)
    return _state(market)


def _rule(market: Market, **spec: Any) -> Any:
    market.rules.queue.append(parse_rule(spec))
    return {"rules": len(market.rules.queue)}


def _calm(market: Market) -> Any:
    market.rules.queue.clear()
    return {"rules": 0}


def _rules(market: Market) -> Any:
    return [
        {"faults": list(rule.kinds), "hits": rule.hits, "times": rule.times, "skip": rule.skip}
        for rule in market.rules.queue
    ]


def _key(market: Market, *, key: str, kind: str) -> Any:
    found = next((known for known in KEY_KINDS if known == kind), None)
    if found is None:
        raise ValueError(f"a key is one of {', '.join(KEY_KINDS)}, not {kind!r}")
    market.keys[key] = found
    return {"keys": len(market.keys)}


def _limit(market: Market, *, vendor: str, **limit: Any) -> Any:
    market.book(vendor)
    numbers = ("requests_per_minute", "ban_seconds")
    exact: dict[str, Any] = {
        k: float(v) if k in numbers and v is not None else v for k, v in limit.items()
    }
    market.gates[vendor] = Gate(Limit(**exact))
    return {"vendor": vendor}


def _etag(market: Market, *, enabled: bool) -> Any:
    market.etags = enabled
    return {"etags": enabled}


def _advance(market: Market, *, seconds: Any) -> Any:
    return {"now": stamp(market.clock.advance(float(seconds)), milliseconds=True)}


def _recording(market: Market, *, vendor: str, path: str) -> Any:
    market.book(vendor)
    market.replay(vendor, Path(path))
    return _state(market)


def _reset(market: Market) -> Any:
    market.reset()
    return _state(market)


def _log(market: Market, *, vendor: str | None = None) -> Any:
    return [e.as_json() for e in market.log.entries if vendor in (None, e.vendor)]


def _served(market: Market, *, vendor: str | None = None, all: str | None = None) -> Any:  # noqa: A002
    """List records served, those of answers cut short only with `all=1`."""
    served = market.log.served(complete=all is None)
    return [s._asdict() for s in served if vendor in (None, s.vendor)]


def _state(market: Market) -> Any:
    settings = market.universe.settings
    return {
        "now": stamp(market.clock.now(), milliseconds=True),
        "coins": {"paprika": len(market.paprika.ids()), "gecko": len(market.gecko.ids())},
        "seed": settings.seed,
        "requests": len(market.log.entries),
        "rules": len(market.rules.queue),
    }


COMMANDS: Mapping[str, Callable[..., Any]] = {
    "add": _add,
    "advance": _advance,
    "calm": _calm,
    "delist": _delist,
    "drift": _drift,
    "edit": _edit,
    "etag": _etag,
    "key": _key,
    "limit": _limit,
    "log": _log,
    "recording": _recording,
    "relist": _relist,
    "rename": _rename,
    "reset": _reset,
    "rule": _rule,
    "rules": _rules,
    "served": _served,
    "state": _state,
    "universe": _universe,
}
"""Verb -> what it does. `log`, `rules`, `served` and `state` are read with GET."""
