"""Coins, views, observations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import Field

from cryptosource_api.http.models import Amount, Model, Moment


class Amounts(Model):
    """What was observed of a coin. Null is unknown, never 0."""

    rank: int | None
    price_usd: Amount | None
    market_cap_usd: Amount | None
    volume_24h_usd: Amount | None
    percent_change_24h: Amount | None


class Record(Amounts):
    """One coin across sources, or with `source=` one source's newest record of it."""

    id: str = Field(description="The ticker when the coin owns it, else SYMBOL~slug.")
    asset_id: int = Field(description="Never changes.")
    symbol: str | None
    name: str | None
    observed_at: Moment
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
    external_id: str
    symbol: str | None
    name: str | None
    observed_at: Moment
    inferred_time: bool | None = Field(
        description="The source gave no time; the arrival's was taken. Null with `as_of` where "
        "that is not known any more."
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

    observed_at: Moment
    source: str | None
    source_type: str | None
    namespace: str | None
    run_id: UUID


class Bucket(Model):
    """What one source observed of a coin within an interval; null where no price was known."""

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
    last_market_cap_usd: Amount | None
    last_volume_24h_usd: Amount | None


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
