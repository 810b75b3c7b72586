"""Two runs side by side."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from cryptosource_api.http.models import Amount, Model
from cryptosource_api.runs.models import Run


class Change(Model):
    """One figure of both runs."""

    metric: Literal[
        "duration_seconds",
        "processed",
        "loaded",
        "unchanged",
        "rejected",
        "pages",
        "requests",
        "retries",
    ]
    a: Amount
    b: Amount
    difference: Amount = Field(description="b less a.")
    difference_percent: Amount | None = Field(description="Of a; null: a is 0.")


class ReasonChange(Model):
    """Records that both runs rejected for one reason."""

    reason: str
    a: int
    b: int
    difference: int


class Pass(Model):
    """The pass over the whole upstream that tells what it listed."""

    run_id: UUID
    listed: int = Field(description="Ids in it, rejected ones among them.")
    is_this_run: bool = Field(
        description="False: the run saw a part alone; this is the last whole pass before it."
    )


class ListedCoin(Model):
    """An id of the upstream, and the coin it stands for."""

    external_id: str
    id: str | None = Field(description="Null: no record of it was ever accepted.")
    asset_id: int | None
    symbol: str | None
    name: str | None


class ListedCoins(Model):
    """Ids that came or went."""

    total: int
    coins: list[ListedCoin] = Field(description="At most 100, best-ranked first.")


class CoinChanges(Model):
    """What the upstream listed in the one pass and not in the other."""

    a: Pass
    b: Pass
    appeared: ListedCoins = Field(description="In b, not in a.")
    vanished: ListedCoins = Field(description="In a, not in b.")


class Comparison(Model):
    """Two runs and their differences."""

    a: Run
    b: Run
    changes: list[Change]
    reject_reasons: list[ReasonChange] | None = Field(
        description="Null: one of the runs did not count them (a replay, or an older version)."
    )
    coins: CoinChanges | None = Field(
        description="Null: before one of the runs no pass was seen whole by one run."
    )
