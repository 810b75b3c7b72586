"""Example answers, recorded from a served database and shortened; a file an operation.

Each file in `answers/` is a list of cases: `request` as one writes it, `body` where it has one,
`media_type` where that is not JSON, and the `answer`. Tests hold them to the models.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request and its answer."""

    request: str
    answer: Any
    media_type: str = JSON
    body: Any = None


@cache
def cases_of(operation: str) -> tuple[Case, ...]:
    """Return the cases of an operation."""
    recorded = files(__package__).joinpath("answers", f"{operation}.json")
    return tuple(Case(**case) for case in json.loads(recorded.read_text("utf-8")))
