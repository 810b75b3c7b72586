"""Parsing of the answers of the API's queries, which Postgres has written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from cryptosource_api.http.list_answer import Answer


def parse_answer(answer: Answer) -> dict[str, Any]:
    """Return an answer's members, with exact numbers."""
    # A body ends where its meta would follow, so the object's brace is missing.
    members: dict[str, Any] = json.loads(answer.body + b"}", parse_float=Decimal)
    return members


def parse_times(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a row with the named texts parsed as times."""
    given = ((name, row[name]) for name in names)
    return {**row, **{name: value and datetime.fromisoformat(value) for name, value in given}}
