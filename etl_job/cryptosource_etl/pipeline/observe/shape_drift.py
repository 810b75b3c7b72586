"""Detect changes in the shape of an upstream's records.

Each pass is compared with the last accepted shape. Differences are stored and reported, and the new
shape is accepted from then on. Nothing is lost by that: raw payloads are stored in full.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.pipeline.run.outcome import Drift
from cryptosource_etl.records import Page
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.statements import upstream as sql

Shape = Mapping[str, frozenset[str]]
"""Field -> JSON types seen, without null."""

# An upstream that sends data as field names must not make the shape grow without end.
MAX_FIELDS = 1000
"""Fields of a shape; further ones are ignored."""

MAX_FIELD_NAME_LENGTH = 200
"""Characters kept of a field's name."""


class ShapeTracker:
    """Collects the shape of a pass.

    Args:
        reader: returns the shape of each record.
    """

    def __init__(self, reader: SourceReader) -> None:
        self._reader = reader
        self._types: dict[str, set[str]] = {}
        self._whole = True

    def observe(self, page: Page) -> None:
        """Add a page to the pass."""
        self._whole &= page.complete
        # One record of a CSV page shows all of its fields.
        records = page.records[:1] if self._reader.uniform else page.records
        for record in records:
            for field, kind in self._reader.shape(record).items():
                types = self._types.get(field)
                if types is None:
                    if len(self._types) >= MAX_FIELDS:
                        continue
                    types = self._types[field] = set()
                # Null is no type: a field that is empty for one coin has not changed.
                if kind != "null":
                    types.add(kind)

    @property
    def whole(self) -> bool:
        """Whether the pass saw every record."""
        return self._whole and bool(self._types)

    @property
    def shape(self) -> Shape:
        """The shape seen so far, under names that Postgres can hold."""
        shape: dict[str, frozenset[str]] = {}
        for field, types in self._types.items():
            name = _storable_name(field)
            shape[name] = shape.get(name, frozenset()) | types
        return shape


def _storable_name(field: str) -> str:
    """Return a field's name, truncated, with U+FFFD for NUL and lone surrogates."""
    short = field[:MAX_FIELD_NAME_LENGTH].replace("\0", "\ufffd")
    return short.encode("utf-8", errors="surrogatepass").decode("utf-8", "replace")


def compare(accepted: Shape, seen: Shape, *, whole: bool) -> list[Drift]:
    """Return what changed, by field name.

    Args:
        accepted: the shape accepted before.
        seen: this pass's shape.
        whole: whether the pass saw every record; if not, nothing counts as vanished.
    """
    drifts = []
    for field in sorted(accepted.keys() | seen.keys()):
        before, after = accepted.get(field), seen.get(field)
        if before is None and after is not None:
            drifts.append(Drift(field, "appeared", [], sorted(after)))
        elif after is None and before is not None:
            if whole:
                drifts.append(Drift(field, "vanished", sorted(before), []))
        # Fewer types than accepted are no change: a field that is sometimes a string need not be
        # one in this pass.
        elif before and after and not after <= before:
            drifts.append(Drift(field, "retyped", sorted(before), sorted(after)))
    return drifts


def _merge_shapes(accepted: Shape, seen: Shape, *, whole: bool) -> Shape:
    # A pass that saw a part of the upstream can add fields, but cannot show that one is gone.
    fields = seen.keys() if whole else accepted.keys() | seen.keys()
    nothing: frozenset[str] = frozenset()
    return {field: accepted.get(field, nothing) | seen.get(field, nothing) for field in fields}


def record_drift(connection: Connection, claim: Claim, tracker: ShapeTracker) -> Sequence[Drift]:
    """Compare a pass with the accepted shape, store the differences and accept the new shape.

    The first pass of a source defines its shape and is no drift.
    """
    source = {"source_id": claim.source_id}
    with connection.begin():
        stored = connection.scalar(sql.ACCEPTED_SHAPE, source)
        accepted = {field: frozenset(types) for field, types in (stored or {}).items()}
        seen = tracker.shape
        drifts = compare(accepted, seen, whole=tracker.whole) if accepted else []
        merged = _merge_shapes(accepted, seen, whole=tracker.whole)
        if merged != accepted:
            shape = json.dumps({field: sorted(types) for field, types in sorted(merged.items())})
            connection.execute(sql.ACCEPT_SHAPE, {**source, "shape": shape})
        for drift in drifts:
            row = {
                "field": drift.field,
                "change": drift.change,
                "before": json.dumps(drift.before),
                "after": json.dumps(drift.after),
            }
            connection.execute(sql.INSERT_DRIFT, {**source, "run_id": claim.run_id, **row})
    return drifts
