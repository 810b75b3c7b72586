"""The format of an answer: by `format=`, else by the Accept header (RFC 9110 12.5.1)."""

from __future__ import annotations

import re
from enum import StrEnum
from importlib.util import find_spec

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
_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_JSON_ACCEPTS = frozenset({"", "*/*", "application/json"})
MAX_RANGES = 50
"""Most ranges of an Accept header that are read; the others are ignored."""


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
    weights = dict(_parse_range(each) for each in accept.split(",")[:MAX_RANGES])
    best = max(Form, key=lambda form: _weight(form, weights))
    if _weight(best, weights) == 0:
        offered = ", ".join(names[0] for names in MEDIA_TYPES.values())
        raise _not_acceptable(f"Accept names nothing that there is: {offered}; or use format=")
    return best


def _parse_range(media_range: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    matches = [_WEIGHT.fullmatch(each) for each in parameters]
    return name, next((float(match[1]) for match in matches if match), 1.0)


def _weight(form: Form, weights: dict[str, float]) -> float:
    """Return the weight of a format: the most specific range that matches decides."""
    exact = [weights[name] for name in MEDIA_TYPES[form] if name in weights]
    if exact:
        return max(exact)
    kind = MEDIA_TYPES[form][0].partition("/")[0]
    return weights.get(f"{kind}/*", weights.get("*/*", 0.0))


def _not_acceptable(detail: str) -> ApiProblem:
    return ApiProblem(
        status=406,
        detail=detail,
        kind=f"{URN}not-acceptable",
        title="There is no such form",
    )
