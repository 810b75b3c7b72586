"""Counting what the operator asked of the API server, as the API server has written it down."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

READS = frozenset({"get", "list", "watch"})

Calls = Counter[tuple[str, str]]
"""(verb, resource) -> how often."""


def calls_between(log: Path, since: datetime, until: datetime) -> Calls:
    """Return the requests that ended within a span; a watch counts when it ends."""
    found: Calls = Counter()
    for line in _lines(log):
        ended = datetime.fromisoformat(line["stageTimestamp"])
        if since <= ended < until:
            reference = line.get("objectRef") or {}
            parts = (reference.get("resource", "other"), reference.get("subresource", ""))
            found[line["verb"], "/".join(filter(None, parts))] += 1
    return found


def reads(calls: Calls) -> int:
    """Return how many of them changed nothing."""
    return sum(count for (verb, _), count in calls.items() if verb in READS)


def writes(calls: Calls) -> int:
    """Return how many of them were meant to change something."""
    return sum(count for (verb, _), count in calls.items() if verb not in READS)


def now() -> datetime:
    """Return the time as the API server, on this machine, has it."""
    return datetime.now(tz=UTC)


def _lines(log: Path) -> Iterator[dict[str, str | dict[str, str]]]:
    with log.open(encoding="utf-8") as stream:
        for line in stream:
            if line.endswith("\n"):
                yield json.loads(line)
