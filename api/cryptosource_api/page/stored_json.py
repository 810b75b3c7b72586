"""Answers of the API's own queries, as values: they are JSON that Postgres has written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from cryptosource_api.http.list_answer import Answer


def unwrapped(answer: Answer) -> dict[str, Any]:
    """Return an answer's members, numbers exact; its body goes up to where the meta would follow."""
    members: dict[str, Any] = json.loads(answer.body + b"}", parse_float=Decimal)
    return members


def times(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a row with its times as times."""
    given = ((name, row[name]) for name in names)
    return {**row, **{name: value and datetime.fromisoformat(value) for name, value in given}}
