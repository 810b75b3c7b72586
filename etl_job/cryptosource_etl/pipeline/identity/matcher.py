"""Match a coin that is new to one source with the coins of other sources, by evidence. Pure.

A ticker is never enough: 2 413 symbols are shared by 6 998 coins, and even symbol and name together
are ambiguous for 990 (CoinGecko's list of 2026-01). So a match requires all of: the same symbol,
the same name, a price within 5 % at about the same time, a market cap or rank that does not
contradict, and no second coin on either side that fits as well.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

# docs/identity.md states these limits to users.
PRICE_TOLERANCE = Decimal("0.05")
CAP_FACTOR = Decimal("1.5")
RANK_TOLERANCE = Decimal("0.25")
SAME_TIME = timedelta(hours=1)
MAX_CONSIDERED = 5
"""Rivals named in the evidence of a coin that was minted."""

# Below 1 although every test was passed: only a pin and a newly minted coin are certain.
CONFIDENCE_WITH_SIZE = Decimal("0.95")
CONFIDENCE_PRICE_ONLY = Decimal("0.85")


class Newcomer(NamedTuple):
    """A coin whose external id has no asset yet."""

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
    """The asset of a newcomer, and why."""

    asset_id: int | None
    """The coin it matches; None: it is a coin of its own, to be minted."""
    confidence: Decimal
    evidence: dict[str, Any]
    """The reasons, as JSON for people to read."""


def name_key(name: str | None) -> str:
    """Return a name normalized for comparison: Unicode form, case and blanks do not count."""
    return " ".join(unicodedata.normalize("NFKC", name or "").casefold().split())


def _ratio(one: Decimal, other: Decimal) -> Decimal | None:
    low, high = sorted((one, other))
    return high / low if low > 0 else None


def _objection(newcomer: Newcomer, candidate: Candidate) -> str | None:
    """Return why the two cannot be one coin, or None."""
    # A source lists a coin once: a second id of its own is another coin, however alike they look.
    if candidate.taken:
        return "this source already has another id for it"
    name = name_key(newcomer.name)
    if not name or name != name_key(candidate.name):
        return "the names differ"
    # Without a price there is no evidence beyond symbol and name, which copies of a coin share.
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
        # Five ranks always: among the first few a quarter of the rank is less than one place.
        allowed = 5 + RANK_TOLERANCE * min(newcomer.rank, candidate.rank)
        return None if gap <= allowed else "the ranks contradict"
    return None


def _mint_verdict(reason: str, considered: Iterable[tuple[Candidate, str]]) -> Verdict:
    rivals = [
        {"asset_id": candidate.asset_id, "name": candidate.name, "because": because}
        for candidate, because in list(considered)[:MAX_CONSIDERED]
    ]
    return Verdict(None, Decimal(1), {"reason": reason, "considered": rivals})


def _match_verdict(newcomer: Newcomer, candidate: Candidate) -> Verdict:
    size_agrees = bool(newcomer.market_cap_usd and candidate.market_cap_usd) or bool(
        newcomer.rank and candidate.rank
    )
    evidence = {
        "symbol": newcomer.symbol,
        "name": newcomer.name,
        "price_usd": [str(newcomer.price_usd), str(candidate.price_usd)],
        "market_cap_usd": [
            _format_amount(newcomer.market_cap_usd),
            _format_amount(candidate.market_cap_usd),
        ],
        "rank": [newcomer.rank, candidate.rank],
        "observed_at": [newcomer.observed_at.isoformat(), candidate.observed_at.isoformat()],
    }
    confidence = CONFIDENCE_WITH_SIZE if size_agrees else CONFIDENCE_PRICE_ONLY
    return Verdict(candidate.asset_id, confidence, evidence)


def _format_amount(amount: Decimal | None) -> str | None:
    # As text: a JSON number would be read as a float somewhere.
    return None if amount is None else str(amount)


NO_CANDIDATE = _mint_verdict("no known coin fits", [])
"""The verdict on a coin whose symbol no stored coin bears: most coins of a first load."""


def _judge(newcomer: Newcomer, candidates: Sequence[Candidate]) -> Verdict:
    objections = [(candidate, _objection(newcomer, candidate)) for candidate in candidates]
    fitting = [candidate for candidate, objection in objections if objection is None]
    if len(fitting) == 1:
        return _match_verdict(newcomer, fitting[0])
    # What is ambiguous is minted: two coins that should be one still show correct prices, one coin
    # made of two does not.
    considered = [(candidate, objection or "fits as well") for candidate, objection in objections]
    reason = "several known coins fit" if fitting else "no known coin fits"
    return _mint_verdict(reason, considered)


def match(newcomers: Sequence[Newcomer], candidates: Iterable[Candidate]) -> dict[str, Verdict]:
    """Return the verdict on each newcomer whose symbol a candidate bears, by external id.

    Two newcomers of one page never become the same coin: when both fit, both are minted.
    """
    by_symbol: dict[str | None, list[Candidate]] = {}
    for candidate in candidates:
        by_symbol.setdefault(candidate.symbol, []).append(candidate)
    verdicts = {
        newcomer.external_id: _judge(newcomer, by_symbol[newcomer.symbol])
        for newcomer in newcomers
        if newcomer.symbol in by_symbol
    }
    matches = Counter(
        verdict.asset_id for verdict in verdicts.values() if verdict.asset_id is not None
    )
    contested = {
        external_id: _mint_verdict("another coin of this page fits the same known coin", [])
        for external_id, verdict in verdicts.items()
        if verdict.asset_id is not None and matches[verdict.asset_id] > 1
    }
    return verdicts | contested
