"""The models of the answers on coins, their views, and observations."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import Field, create_model

from cryptosource_api.http.models import Amount, Model, Moment
from cryptosource_store.quote_fields import BUCKETED, BY_NAME, FIGURES, FieldKind, QuoteField

_TYPES: dict[FieldKind, Any] = {
    FieldKind.RANK: int | None,
    FieldKind.AMOUNT: Amount | None,
    FieldKind.PERCENT: Amount | None,
}


_EXACT = " Every digit is given: read it as a decimal."
_WRITTEN = " RFC 3339 in UTC, ending in Z."


def _describe_field(name: str, more: str = "") -> Any:
    """Return the `Field` of a member, with what the table of fields says of it."""
    return Field(description=f"{BY_NAME[name].description}{more}")


def _members(fields: Iterable[QuoteField], *, prefix: str = "", more: str = "") -> dict[str, Any]:
    """Return the members of a model, as `create_model` takes them, one for each field."""
    return {
        f"{prefix}{field.name}": (
            _TYPES[field.kind],
            _describe_field(field.name, more + _EXACT * field.is_figure),
        )
        for field in fields
    }


if TYPE_CHECKING:  # a type checker cannot see the members; no code of ours reads them by name

    class Amounts(Model):
        """What was observed of a coin. Null is unknown, never 0."""

else:
    Amounts = create_model(
        "Amounts", __base__=Model, **_members((BY_NAME["rank"], *FIGURES)), __module__=__name__
    )


class Record(Amounts):
    """One coin across sources, or with `source=` one source's newest record of it."""

    id: str = Field(description="The ticker when the coin owns it, else SYMBOL~slug.")
    asset_id: int = Field(description="Never changes.")
    symbol: str | None = _describe_field("symbol")
    name: str | None = _describe_field("name")
    observed_at: Moment = _describe_field("observed_at", _WRITTEN)
    source: str | None = Field(description="The CryptoSource whose observation this is.")
    source_type: str | None
    namespace: str | None
    sources: list[str] = Field(description="All sources that know the coin.")
    spread_percent: Amount | None = Field(
        description="Highest over lowest price among the sources within an hour."
    )
    updated_at: Moment


class Match(Model):
    """How a source's id was recognised as this coin."""

    id_scope: str
    method: str = Field(description="pinned, evidence or minted.")
    confidence: Decimal = Field(json_schema_extra={"type": "number"})
    evidence: Any
    matched_at: Moment


class View(Amounts):
    """What one source says of the coin."""

    source: str
    source_type: str
    namespace: str
    external_id: str = _describe_field("external_id")
    symbol: str | None = _describe_field("symbol")
    name: str | None = _describe_field("name")
    observed_at: Moment = _describe_field("observed_at", _WRITTEN)
    inferred_time: bool | None = _describe_field(
        "inferred_time", " Null with `as_of` where that is not known any more."
    )
    run_id: UUID
    match: Match | None


class TickerMove(Model):
    """The ticker went from one coin to another."""

    ticker: str
    from_asset_id: int
    to_asset_id: int
    moved_at: Moment
    run_id: UUID


class Coin(Record):
    """One coin with everything that is known of it."""

    slug: str = Field(description="ANY~slug means this coin for ever.")
    first_seen_at: Moment
    views: list[View]
    ticker_moves: list[TickerMove] = Field(description="Newest first.")


class Observation(Amounts):
    """One observation of a coin by a source."""

    observed_at: Moment = _describe_field("observed_at", _WRITTEN)
    source: str | None
    source_type: str | None
    namespace: str | None
    run_id: UUID


class _Bucket(Model):
    bucket_start: Moment
    bucket_end: Moment = Field(description="The first moment behind it.")
    source: str | None
    source_type: str | None
    namespace: str | None
    open: Amount | None = Field(description="The first known price.")
    high: Amount | None
    low: Amount | None
    close: Amount | None = Field(description="The last known price.")
    last: Amount | None = Field(description="The last observation's price, known or not.")
    count: int = Field(description="Observations with a price.")
    last_observed_at: Moment


if TYPE_CHECKING:

    class Bucket(_Bucket):
        """What one source observed of a coin within an interval; null where no price was known."""

else:
    Bucket = create_model(
        "Bucket",
        __base__=_Bucket,
        __doc__="What one source observed of a coin within an interval; null where no price was "
        "known.",
        __module__=__name__,
        **_members(BUCKETED, prefix="last_", more=" Of the last observation."),
    )


class SourceSummary(Model):
    """What a source contributed."""

    source: str
    source_type: str
    namespace: str
    records: int = Field(description="Coins it knows.")
    quotes: int = Field(description="Observations its runs ever loaded.")
    changed_at: Moment | None


class TopCoin(Model):
    """A coin in a ranking."""

    id: str
    asset_id: int
    symbol: str | None
    name: str | None
    rank: int | None
    price_usd: Amount | None
    market_cap_usd: Amount


class Summary(Model):
    """All coins and sources in figures."""

    coins: int
    shared_tickers: int = Field(description="Symbols that more than one coin bears.")
    oldest_observation: Moment | None
    newest_observation: Moment | None
    sources: list[SourceSummary]
    top_by_market_cap: list[TopCoin]
