"""When a fault is played: a queue of rules, the first that fits and is not used up wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from hack.market.faults import Fault, parse_fault
from hack.market.http1 import VENDORS, Request


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which requests a rule is about; what is None does not matter."""

    vendor: str | None = None
    """`paprika`, `gecko` or `csv`."""
    path: str | None = None
    """A shell pattern, such as `*/tickers`."""
    page: int | None = None
    """The `page` parameter, which is 1 when it is not sent."""
    method: str | None = None

    def __post_init__(self) -> None:
        """Refuse a vendor that is none: such a rule would never be played."""
        if self.vendor not in (None, *VENDORS):
            raise ValueError(f"no vendor {self.vendor!r}; there are {', '.join(VENDORS)}")

    def fits(self, request: Request) -> bool:
        """Tell whether the rule is about this request."""
        return (
            self.vendor in (None, request.vendor)
            and self.method in (None, request.method)
            and (self.path is None or fnmatchcase(request.path, self.path))
            and self.page in (None, request.whole("page", 1))
        )


@dataclass(kw_only=True)
class Rule:
    """Faults for some requests."""

    faults: Sequence[Fault]
    kinds: Sequence[str]
    """The faults' names, for the log."""
    match: Match = field(default_factory=Match)
    skip: int = 0
    """So many matching requests pass untouched first."""
    times: int | None = 1
    """So many are hit; None is all from then on."""
    hits: int = 0

    def take(self, request: Request) -> bool:
        """Tell whether this request is hit, and count it."""
        if not self.match.fits(request) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        self.hits += 1
        return True


def parse_rule(spec: Mapping[str, Any]) -> Rule:
    """Return the rule of `{match, skip, times, fault | faults}`.

    `times` is a number or `"forever"`.

    Raises:
        ValueError: for what is not a rule, saying why.
    """
    unknown = set(spec) - {"match", "skip", "times", "fault", "faults"}
    if unknown:
        raise ValueError(f"a rule has no {', '.join(sorted(unknown))}")
    faults = [spec["fault"]] if "fault" in spec else list(spec.get("faults", ()))
    if not faults:
        raise ValueError("a rule needs a fault")
    try:
        match = Match(**spec.get("match", {}))
    except TypeError as error:
        raise ValueError(f"match: {error}") from error
    times = spec.get("times", 1)
    return Rule(
        faults=[parse_fault(fault) for fault in faults],
        kinds=[fault["kind"] for fault in faults],
        match=match,
        skip=spec.get("skip", 0),
        times=None if times == "forever" else int(times),
    )


class Rules:
    """The queue."""

    def __init__(self) -> None:
        self.queue: list[Rule] = []

    def take(self, request: Request) -> Rule | None:
        """Return the rule that hits this request.

        Every rule before it that fits and still skips counts the request too.
        """
        return next((rule for rule in self.queue if rule.take(request)), None)
