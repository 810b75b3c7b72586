"""Propose an asset for each new external id, before the page's transaction and without a lock.

A proposal matches the ids with the coins that are stored and reserves ids and slugs for the rest.
`resolution` checks it under the identity lock and stores it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from cryptosource_etl.pipeline.copy_text import (
    copy_buffer,
    copy_field,
    copy_text,
    scrub_json,
    text_array,
)
from cryptosource_etl.pipeline.identity.matcher import (
    NO_CANDIDATE,
    Candidate,
    Newcomer,
    Verdict,
    match,
)
from cryptosource_store.statements import identity as sql

MAX_SLUG_LENGTH = 120
"""Characters of a slug without the number that may follow it."""

_NOT_IN_SLUGS = re.compile(r"[^\w.]+")


class Alias(NamedTuple):
    """A row of `asset_aliases`: an external id, the asset it means, and how that was decided."""

    scope: str
    external_id: str
    asset_id: int
    method: str
    confidence: Decimal
    evidence: dict[str, Any]


class Proposal(NamedTuple):
    """The assets of a page's newcomers, by what was stored before the identity lock was taken."""

    newcomers: Sequence[Newcomer]
    """Ids that no alias had when they were looked up, without those that are pinned."""
    candidates: Sequence[Candidate]
    """Known coins that bear their symbols."""
    assets: Mapping[str, int]
    """External id -> the coin that evidence found, or the id reserved for a new one."""
    slugs: frozenset[str]
    """Slugs of the new coins."""
    asset_lines: Mapping[str, str]
    """External id -> line for `COPY_ASSETS`, of the new coins."""
    alias_lines: Mapping[str, str]
    """External id -> line for `COPY_ALIASES`."""
    symbols: str
    """Array literal of the newcomers' symbols."""
    version: int
    """Version of unified, no newer than the state that `candidates` were read from."""
    asset_copy: bytes
    """`asset_lines` as one COPY."""
    alias_copy: bytes
    """`alias_lines` as one COPY."""

    def without(self, external_ids: Collection[str]) -> Proposal:
        """Return the proposal for the other newcomers."""
        if not external_ids:
            return self
        dropped = frozenset(external_ids)

        def remaining(lines: Mapping[str, Any]) -> dict[str, Any]:
            return {each: line for each, line in lines.items() if each not in dropped}

        return self._replace(
            assets=remaining(self.assets),
            asset_lines=remaining(self.asset_lines),
            alias_lines=remaining(self.alias_lines),
        )

    def with_copies(self) -> Proposal:
        """Return the proposal with its lines as bytes."""
        return self._replace(
            asset_copy=copy_buffer(self.asset_lines.values()),
            alias_copy=copy_buffer(self.alias_lines.values()),
        )


NO_NEWCOMERS = Proposal((), (), {}, frozenset(), {}, {}, "{}", 0, b"", b"")


class CoinsInFlight(NamedTuple):
    """Coins that earlier pages of the same source have prepared but not committed."""

    slugs: Collection[str]
    candidates: Callable[[Collection[str]], Iterable[Candidate]]
    """Returns those that bear one of the symbols, as they will be stored, each of them taken."""


NO_COINS_IN_FLIGHT = CoinsInFlight((), lambda _: ())


def propose(
    connection: Connection,
    newcomers: Sequence[Newcomer],
    *,
    id_scope: str,
    in_flight: CoinsInFlight = NO_COINS_IN_FLIGHT,
) -> Proposal:
    """Match newcomers with the stored coins, and reserve ids and slugs for those without a match.

    Args:
        connection: any session; nothing is written, but ids are taken from the sequence.
        newcomers: each external id once, none of them pinned.
        id_scope: who issues the external ids.
        in_flight: coins of pages that are not committed yet.
    """
    if not newcomers:
        return NO_NEWCOMERS
    distinct_symbols = {coin.symbol for coin in newcomers if coin.symbol}
    symbols = text_array(sorted(distinct_symbols))
    # Read before the look-up: a change between the two is then looked at again, not missed.
    version = int(connection.scalar(sql.VERSION_OF_UNIFIED) or 0)
    stored = find_candidates(connection, id_scope, symbols)
    candidates = _merge_in_flight(stored, in_flight.candidates(distinct_symbols))
    verdicts = match(newcomers, candidates)
    unmatched = [coin for coin in newcomers if _matched_asset(verdicts, coin) is None]
    assets, slugs, asset_lines = mint_coins(connection, unmatched, in_flight.slugs)
    assets |= {
        external_id: verdict.asset_id
        for external_id, verdict in verdicts.items()
        if verdict.asset_id is not None
    }
    scope = copy_text(id_scope)
    # On a first load nearly every coin has no candidate, so that verdict is serialized once.
    no_candidate = f"\tminted\t{NO_CANDIDATE.confidence}\t{_evidence_text(NO_CANDIDATE.evidence)}"
    alias_lines = {
        coin.external_id: f"{scope}\t{copy_text(coin.external_id)}\t{assets[coin.external_id]}{no_candidate}"
        if coin.external_id not in verdicts
        else verdict_line(
            id_scope, coin.external_id, assets[coin.external_id], verdicts[coin.external_id]
        )
        for coin in newcomers
    }
    proposal = NO_NEWCOMERS._replace(
        newcomers=newcomers,
        candidates=candidates,
        assets=assets,
        slugs=slugs,
        asset_lines=asset_lines,
        alias_lines=alias_lines,
        symbols=symbols,
        version=version,
    )
    return proposal.with_copies()


def _matched_asset(verdicts: Mapping[str, Verdict], coin: Newcomer) -> int | None:
    verdict = verdicts.get(coin.external_id)
    return verdict.asset_id if verdict is not None else None


def _merge_in_flight(
    stored: Iterable[Candidate], in_flight: Iterable[Candidate]
) -> list[Candidate]:
    """Return the stored coins with those in flight in place of their stored state."""
    coming = {candidate.asset_id: candidate for candidate in in_flight}
    others = [each for each in stored if each.asset_id not in coming]
    # Sorted, so that the evidence names the same rivals whether they are stored or in flight.
    return sorted([*others, *coming.values()], key=attrgetter("asset_id"))


def find_candidates(
    connection: Connection, id_scope: str, symbols: str, *, seen: Iterable[Candidate] = ()
) -> list[Candidate]:
    """Return the stored coins that bear one of the symbols, without those in `seen`."""
    if symbols == text_array(()):
        return []
    parameters = {
        "id_scope": id_scope,
        "symbols": symbols,
        "seen": text_array(str(candidate.asset_id) for candidate in seen),
    }
    found = connection.execute(sql.CANDIDATES, parameters).columns(*Candidate._fields)
    return [Candidate._make(row) for row in found]


def mint_coins(
    connection: Connection, newcomers: Sequence[Newcomer], slugs_in_flight: Collection[str]
) -> tuple[dict[str, int], frozenset[str], dict[str, str]]:
    """Reserve an asset for each newcomer.

    Returns:
        External id -> asset; the slugs of all; external id -> line for `COPY_ASSETS`.
    """
    if not newcomers:
        return {}, frozenset(), {}
    preferred = [make_slug(newcomer.external_id) for newcomer in newcomers]
    # The sequence gives out ids outside of any transaction: a reserved id that is not used leaves
    # a gap, which costs nothing.
    reserved = connection.execute(sql.RESERVE_ASSETS, {"slugs": text_array(preferred)}).all()
    slugs = _unique_slugs(preferred, reserved, slugs_in_flight)
    assets: dict[str, int] = {}
    lines: dict[str, str] = {}
    for newcomer, (asset_id, _), slug in zip(newcomers, reserved, slugs, strict=True):
        texts = f"{copy_text(slug)}\t{copy_text(newcomer.symbol)}\t{copy_text(newcomer.name)}"
        assets[newcomer.external_id] = asset_id
        lines[newcomer.external_id] = f"{asset_id}\t{texts}"
    return assets, frozenset(slugs), lines


def make_slug(external_id: str) -> str:
    """Return a URL-safe name for a coin from its first external id; never empty."""
    folded = unicodedata.normalize("NFKC", external_id).casefold()
    # Never two hyphens in a row: those separate the number from a slug that was taken.
    return _NOT_IN_SLUGS.sub("-", folded).strip("-.")[:MAX_SLUG_LENGTH] or "coin"


def _unique_slugs(
    preferred: Sequence[str], reserved: Iterable[Any], in_flight: Collection[str]
) -> list[str]:
    """Return a slug for each coin; a taken one is followed by the asset's own id."""
    used: set[str] = set()
    slugs = []
    for slug, (asset_id, stored) in zip(preferred, reserved, strict=True):
        taken = stored or slug in used or slug in in_flight
        slugs.append(f"{slug}--{asset_id}" if taken else slug)
        used.add(slug)
    return slugs


def verdict_line(id_scope: str, external_id: str, asset_id: int, verdict: Verdict) -> str:
    """Return the line for `COPY_ALIASES` of an id that was matched or minted."""
    method = "minted" if verdict.asset_id is None else "evidence"
    return alias_line(
        Alias(id_scope, external_id, asset_id, method, verdict.confidence, verdict.evidence)
    )


def alias_line(alias: Alias) -> str:
    """Return the line for `COPY_ALIASES` of an alias."""
    scope, external_id, asset_id, method, confidence, evidence = alias
    return (
        f"{copy_text(scope)}\t{copy_text(external_id)}\t{asset_id}\t{method}\t{confidence}"
        f"\t{_evidence_text(evidence)}"
    )


def _evidence_text(evidence: Mapping[str, Any]) -> str:
    # Evidence repeats an upstream's names, which may hold what JSONB refuses.
    return copy_field(scrub_json(json.dumps(evidence))[0])
