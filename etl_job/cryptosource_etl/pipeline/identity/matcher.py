"""Is this the coin another source already told us of? Evidence, never the ticker alone.

2 413 symbols are shared by 6 998 coins, and even symbol and name together are ambiguous for 990
(CoinGecko's list of 2026-01). So a match takes all of: the same symbol, the same name, a price
within 5 % at about the same time, a market cap or rank that does not contradict, and nobody else
on either side who fits as well.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

PRICE_TOLERANCE = Decimal("0.05")
CAP_FACTOR = Decimal("1.5")
RANK_TOLERANCE = Decimal("0.25")
SAME_TIME = timedelta(hours=1)
MAX_CONSIDERED = 5
"""Rivals named in the evidence of a coin that was minted."""

CONFIDENCE_WITH_SIZE = Decimal("0.95")
CONFIDENCE_PRICE_ONLY = Decimal("0.85")


class Newcomer(NamedTuple):
    """A coin whose external id nobody has seen."""

    external_id: str
    symbol: str | None
    name: str | None
    price_usd: Decimal | None
    market_cap_usd: Decimal | None
    rank: int | None
    observed_at: datetime


class Candidate(NamedTuple):
    """A known coin with the same symbol."""

    asset_id: int
    symbol: str
    name: str | None
    price_usd: Decimal | None
    market_cap_usd: Decimal | None
    rank: int | None
    observed_at: datetime
    taken: bool
    """The newcomer's own source already has an id for this coin."""


class Verdict(NamedTuple):
    """What a newcomer is."""

    asset_id: int | None
    """None: a coin of its own."""
    confidence: Decimal
    evidence: dict[str, Any]
    """Why, for people: JSON."""


def name_key(name: str | None) -> str:
    """Return the form in which two spellings of one name are equal."""
    return " ".join(unicodedata.normalize("NFKC", name or "").casefold().split())


def _ratio(one: Decimal, other: Decimal) -> Decimal | None:
    low, high = sorted((one, other))
    return high / low if low > 0 else None


def _objection(newcomer: Newcomer, candidate: Candidate) -> str | None:
    """Return why the two cannot be one coin, or None."""
    if candidate.taken:
        return "this source already has another id for it"
    name = name_key(newcomer.name)
    if not name or name != name_key(candidate.name):
        return "the names differ"
    if newcomer.price_usd is None or candidate.price_usd is None:
        return "a price is unknown"
    if abs(newcomer.observed_at - candidate.observed_at) > SAME_TIME:
        return "the prices are not of the same hour"
    ratio = _ratio(newcomer.price_usd, candidate.price_usd)
    if ratio is None or ratio > 1 + PRICE_TOLERANCE:
        return "the prices differ by more than 5 %"
    return _size_objection(newcomer, candidate)


def _size_objection(newcomer: Newcomer, candidate: Candidate) -> str | None:
    if newcomer.market_cap_usd and candidate.market_cap_usd:
        ratio = _ratio(newcomer.market_cap_usd, candidate.market_cap_usd)
        return None if ratio is not None and ratio <= CAP_FACTOR else "the market caps contradict"
    if newcomer.rank and candidate.rank:
        gap = abs(newcomer.rank - candidate.rank)
        allowed = 5 + RANK_TOLERANCE * min(newcomer.rank, candidate.rank)
        return None if gap <= allowed else "the ranks contradict"
    return None


def _minted(reason: str, considered: Iterable[tuple[Candidate, str]]) -> Verdict:
    rivals = [
        {"asset_id": candidate.asset_id, "name": candidate.name, "because": because}
        for candidate, because in list(considered)[:MAX_CONSIDERED]
    ]
    return Verdict(None, Decimal(1), {"reason": reason, "considered": rivals})


def _matched(newcomer: Newcomer, candidate: Candidate) -> Verdict:
    sized = bool(newcomer.market_cap_usd and candidate.market_cap_usd) or bool(
        newcomer.rank and candidate.rank
    )
    evidence = {
        "symbol": newcomer.symbol,
        "name": newcomer.name,
        "price_usd": [str(newcomer.price_usd), str(candidate.price_usd)],
        "market_cap_usd": [_text(newcomer.market_cap_usd), _text(candidate.market_cap_usd)],
        "rank": [newcomer.rank, candidate.rank],
        "observed_at": [newcomer.observed_at.isoformat(), candidate.observed_at.isoformat()],
    }
    confidence = CONFIDENCE_WITH_SIZE if sized else CONFIDENCE_PRICE_ONLY
    return Verdict(candidate.asset_id, confidence, evidence)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


UNRIVALLED = _minted("no known coin fits", [])
"""The verdict on a coin whose symbol nobody knows: most of a first load."""


def _judge(newcomer: Newcomer, candidates: Sequence[Candidate]) -> Verdict:
    objections = [(candidate, _objection(newcomer, candidate)) for candidate in candidates]
    fitting = [candidate for candidate, objection in objections if objection is None]
    if len(fitting) == 1:
        return _matched(newcomer, fitting[0])
    considered = [(candidate, objection or "fits as well") for candidate, objection in objections]
    reason = "several known coins fit" if fitting else "no known coin fits"
    return _minted(reason, considered)


def match(newcomers: Sequence[Newcomer], candidates: Iterable[Candidate]) -> dict[str, Verdict]:
    """Return what each newcomer is whose symbol a candidate bears, by external id.

    Two newcomers of one batch never become the same coin: when both fit, both are minted.
    """
    by_symbol: dict[str | None, list[Candidate]] = {}
    for candidate in candidates:
        by_symbol.setdefault(candidate.symbol, []).append(candidate)
    verdicts = {
        newcomer.external_id: _judge(newcomer, by_symbol[newcomer.symbol])
        for newcomer in newcomers
        if newcomer.symbol in by_symbol
    }
    claims = Counter(
        verdict.asset_id for verdict in verdicts.values() if verdict.asset_id is not None
    )
    contested = {
        external_id: _minted("another coin of this page fits the same known coin", [])
        for external_id, verdict in verdicts.items()
        if verdict.asset_id is not None and claims[verdict.asset_id] > 1
    }
    return verdicts | contested
