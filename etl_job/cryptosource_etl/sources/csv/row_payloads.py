"""Rows as JSON, and back again: `{column: cell}`, or `{"": why, "cells": […]}` for a broken row.

No column is called "", so the two can be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cryptosource_etl.sources.csv.rows import BrokenRow
from cryptosource_store.reasons import RejectReason

_encode = msgspec.json.Encoder().encode
_MARK = ""
_CELLS = "cells"


def row_json(names: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row as a JSON object."""
    return _encode(dict(zip(names, cells, strict=True))).decode()


def broken_json(row: BrokenRow) -> str:
    """Return a row that cannot be read as a JSON object that says why."""
    return _encode({_MARK: f"{row.reason}: {row.detail}", _CELLS: row.cells}).decode()


def parse_broken(payload: Any) -> BrokenRow | None:
    """Return the broken row that a payload stands for, or None if it stands for a whole one."""
    if not isinstance(payload, Mapping) or not payload:
        detail = f"{type(payload).__name__} {str(payload)[:20]!r} where a row was expected"
        return BrokenRow(RejectReason.NOT_AN_OBJECT, detail, (str(payload)[:256],))
    if _MARK not in payload:
        return None
    reason, _, detail = str(payload[_MARK]).partition(": ")
    known = reason in RejectReason.__members__.values()
    cells = payload.get(_CELLS)
    return BrokenRow(
        RejectReason(reason) if known else RejectReason.NOT_AN_OBJECT,
        detail if known else "not a row that this version wrote",
        tuple(str(cell) for cell in cells) if isinstance(cells, list) else (),
    )
