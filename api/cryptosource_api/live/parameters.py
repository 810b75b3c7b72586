"""The parameters of a stream."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cryptosource_api.http.parameters import Name, NamespaceFilter, Parameters, SourceFilter
from cryptosource_api.live.change_queries import ID_PATTERN, parse_position


def _check_id(text: str) -> str:
    parse_position(text)
    return text


EventId = Annotated[str, AfterValidator(_check_id)]

RECORD_PARAMETERS = ("ticker", "symbol", "match", "last_event_id")
"""Parameters that apply to records alone, not to runs."""


class StreamParameters(Parameters):
    """Parameters of `GET /data/stream`, and the filters of a subscription to `/ws`."""

    about: Literal["data", "runs"] | None = Field(
        default=None,
        description="`data`, unless given: records that change. `runs`: runs that begin, get on or "
        "end; then `source` and `namespace` are the only filters.",
    )
    ticker: Name = Field(
        default=None,
        description="The one coin that owns the ticker: the best-ranked.",
        examples=["BTC"],
    )
    symbol: Name = Field(
        default=None, description="Every coin with that symbol, in any case.", examples=["btc"]
    )
    match: Literal["exact", "partial"] | None = Field(
        default=None, description="`partial`: every coin whose symbol contains `symbol`."
    )
    source: SourceFilter = Field(
        default=None,
        description="That source's own records: a CryptoSource's name, or a type in lower case.",
    )
    namespace: NamespaceFilter = None
    last_event_id: EventId | None = Field(
        default=None,
        description="Go on behind this event, as the header Last-Event-ID does, which wins.",
        examples=["42.1795255261654321"],
        json_schema_extra={"pattern": ID_PATTERN},
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.match is not None and self.symbol is None:
            raise ValueError("match says how to compare symbol; give symbol too")
        if self.about == "runs" and any(getattr(self, name) for name in RECORD_PARAMETERS):
            raise ValueError("about=runs takes source and namespace, and no other filter or place")
        return self
