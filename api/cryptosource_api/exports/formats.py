"""The format of an answer: by `format=`, else by the Accept header (RFC 9110 12.5.1)."""

from __future__ import annotations

import re
from enum import StrEnum
from importlib.util import find_spec

from cryptosource_api.http.accept import media_ranges, weight_of
from cryptosource_api.http.problems import URN, ApiProblem


class Form(StrEnum):
    """A format of data."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Form.JSON: ("application/json",),
    Form.CSV: ("text/csv",),
    Form.NDJSON: ("application/x-ndjson", "application/ndjson", "application/jsonl"),
    Form.PARQUET: ("application/vnd.apache.parquet", "application/x-parquet"),
}
"""Format -> media types that select it in Accept; it is sent as the first."""

CONTENT_TYPES = {
    Form.CSV: "text/csv; charset=utf-8; header=present",
    Form.NDJSON: MEDIA_TYPES[Form.NDJSON][0],
    Form.PARQUET: MEDIA_TYPES[Form.PARQUET][0],
}

# On the raw query: each list request is checked, and most have no such parameter.
_BY_PARAMETER = re.compile(rb"(?:^|&)format=([^&]*)")
_JSON_ACCEPTS = frozenset({"", "*/*", "application/json"})


def form_of(query: bytes, accept: str | None) -> Form:
    """Return the format that a request asks for.

    Args:
        query: the query string, as sent.
        accept: the Accept header.

    Raises:
        ApiProblem: 406; Accept names no format there is, or Parquet is not installed.
    """
    named = _BY_PARAMETER.search(query)
    if named is not None:
        # An unknown word counts as JSON: the route then refuses it and names the valid ones.
        word = named[1].decode("latin-1")
        form = Form(word) if word in set(Form) else Form.JSON
    else:
        form = Form.JSON if (accept or "").strip() in _JSON_ACCEPTS else _negotiate(accept or "")
    if form is Form.PARQUET and not can_write_parquet():
        raise _not_acceptable(
            "Parquet is not installed here; ask for csv or ndjson, or install cryptosource[parquet]"
        )
    return form


def can_write_parquet() -> bool:
    """Return whether the extra `parquet` is installed."""
    return find_spec("pyarrow") is not None


def _negotiate(accept: str) -> Form:
    ranges = media_ranges(accept)
    best = max(Form, key=lambda form: weight_of(MEDIA_TYPES[form], ranges))
    if weight_of(MEDIA_TYPES[best], ranges) == 0:
        offered = ", ".join(names[0] for names in MEDIA_TYPES.values())
        raise _not_acceptable(f"Accept names nothing that there is: {offered}; or use format=")
    return best


def _not_acceptable(detail: str) -> ApiProblem:
    return ApiProblem(
        status=406,
        detail=detail,
        kind=f"{URN}not-acceptable",
        title="There is no such form",
    )
