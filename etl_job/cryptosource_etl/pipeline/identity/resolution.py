"""External ids to assets: pinned by the user, matched by evidence, else minted."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from cryptosource_etl.errors import Permanent
from cryptosource_etl.pipeline.copy_text import (
    copy_buffer,
    copy_field,
    copy_into,
    copy_text,
    scrub_json,
    text_array,
)
from cryptosource_etl.pipeline.identity.matcher import (
    UNRIVALLED,
    Candidate,
    Newcomer,
    Verdict,
    match,
)
from cryptosource_etl.pipeline.identity.slugs import slug_of, unique_slugs
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import identity as sql


class _Alias(NamedTuple):
    scope: str
    external_id: str
    asset_id: int
    method: str
    confidence: Decimal
    evidence: dict[str, Any]


class Proposal(NamedTuple):
    """What newcomers are, by all that was stored before the identity lock was taken."""

    newcomers: Sequence[Newcomer]
    """Ids that nobody had seen when they were looked up; without those that are pinned."""
    candidates: Sequence[Candidate]
    """Known coins that bear their symbols."""
    assets: Mapping[str, int]
    """External id -> the coin that evidence found, or the id reserved for one of its own."""
    slugs: frozenset[str]
    """What the coins of their own will be called."""
    asset_lines: Mapping[str, str]
    """External id -> line for `COPY_ASSETS`, of the coins of their own."""
    alias_lines: Mapping[str, str]
    """External id -> line for `COPY_ALIASES`."""
    symbols: str
    """Array literal of the newcomers' symbols."""
    version: int
    """Of unified; no older than what `candidates` were read from."""
    asset_copy: bytes
    """`asset_lines` as one COPY."""
    alias_copy: bytes
    """`alias_lines` as one COPY."""

    def without(self, external_ids: Collection[str]) -> Proposal:
        """Return the proposal for the other newcomers."""
        if not external_ids:
            return self
        gone = frozenset(external_ids)

        def kept(lines: Mapping[str, Any]) -> dict[str, Any]:
            return {each: line for each, line in lines.items() if each not in gone}

        return self._replace(
            assets=kept(self.assets),
            asset_lines=kept(self.asset_lines),
            alias_lines=kept(self.alias_lines),
        )

    def with_copies(self) -> Proposal:
        """Return the proposal with its lines as bytes."""
        return self._replace(
            asset_copy=copy_buffer(self.asset_lines.values()),
            alias_copy=copy_buffer(self.alias_lines.values()),
        )


NO_NEWCOMERS = Proposal((), (), {}, frozenset(), {}, {}, "{}", 0, b"", b"")


class OthersInFlight(NamedTuple):
    """Coins that pages ahead are about to store for the same source."""

    slugs: Collection[str]
    bearing: Callable[[Collection[str]], Iterable[Candidate]]
    """Returns those that bear one of the symbols, as they will be found, each of them taken."""


NOBODY_IN_FLIGHT = OthersInFlight((), lambda _: ())


def propose(
    connection: Connection,
    newcomers: Sequence[Newcomer],
    *,
    id_scope: str,
    in_flight: OthersInFlight = NOBODY_IN_FLIGHT,
) -> Proposal:
    """Match newcomers with what is known, and reserve ids and names for the others.

    Args:
        connection: any session; nothing is written but the sequence of ids.
        newcomers: each external id once, none of them pinned.
        id_scope: who issues the external ids.
        in_flight: what pages ahead are about to store.
    """
    if not newcomers:
        return NO_NEWCOMERS
    wanted = {coin.symbol for coin in newcomers if coin.symbol}
    symbols = text_array(sorted(wanted))
    # Read before the look-up: a change between the two is then asked about again, not missed.
    version = int(connection.scalar(sql.VERSION_OF_UNIFIED) or 0)
    stored = _candidates(connection, id_scope, symbols)
    candidates = _as_they_will_be(stored, in_flight.bearing(wanted))
    verdicts = match(newcomers, candidates)
    own = [coin for coin in newcomers if _asset_of(verdicts.get(coin.external_id)) is None]
    assets, slugs, asset_lines = _coins_of_their_own(connection, own, in_flight.slugs)
    assets |= {
        external_id: verdict.asset_id
        for external_id, verdict in verdicts.items()
        if verdict.asset_id is not None
    }
    scope = copy_text(id_scope)
    unrivalled = f"\tminted\t{UNRIVALLED.confidence}\t{_evidence_text(UNRIVALLED.evidence)}"
    alias_lines = {
        coin.external_id: f"{scope}\t{copy_text(coin.external_id)}\t{assets[coin.external_id]}{unrivalled}"
        if coin.external_id not in verdicts
        else _alias_line(
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


def _as_they_will_be(
    stored: Iterable[Candidate], in_flight: Iterable[Candidate]
) -> list[Candidate]:
    """Return the known coins once the pages ahead are in: theirs are taken."""
    coming = {candidate.asset_id: candidate for candidate in in_flight}
    known = [each for each in stored if each.asset_id not in coming]
    return sorted([*known, *coming.values()], key=attrgetter("asset_id"))


def _asset_of(verdict: Verdict | None) -> int | None:
    return verdict.asset_id if verdict is not None else None


def _candidates(
    connection: Connection, id_scope: str, symbols: str, *, seen: Iterable[Candidate] = ()
) -> list[Candidate]:
    """Return the known coins that bear one of the symbols, without those that were seen already."""
    if symbols == text_array(()):
        return []
    parameters = {
        "id_scope": id_scope,
        "symbols": symbols,
        "seen": text_array(str(candidate.asset_id) for candidate in seen),
    }
    found = connection.execute(sql.CANDIDATES, parameters).columns(*Candidate._fields)
    return [Candidate._make(row) for row in found]


def _coins_of_their_own(
    connection: Connection, newcomers: Sequence[Newcomer], slugs_in_flight: Collection[str]
) -> tuple[dict[str, int], frozenset[str], dict[str, str]]:
    """Return, by external id, the assets reserved and their COPY lines, and between them the slugs."""
    if not newcomers:
        return {}, frozenset(), {}
    wanted = [slug_of(newcomer.external_id) for newcomer in newcomers]
    reserved = connection.execute(sql.RESERVE_ASSETS, {"slugs": text_array(wanted)}).all()
    slugs = unique_slugs(wanted, reserved, slugs_in_flight)
    assets: dict[str, int] = {}
    lines: dict[str, str] = {}
    for newcomer, (asset_id, _), slug in zip(newcomers, reserved, slugs, strict=True):
        texts = f"{copy_text(slug)}\t{copy_text(newcomer.symbol)}\t{copy_text(newcomer.name)}"
        assets[newcomer.external_id] = asset_id
        lines[newcomer.external_id] = f"{asset_id}\t{texts}"
    return assets, frozenset(slugs), lines


class IdentityResolver:
    """Decides, under the identity lock, which asset each new external id of one source is.

    Args:
        connection: the claiming session.
        source_id: whose run it is; only its pages in flight may change what was proposed on.
        id_scope: who issues the external ids.
        pins: external id -> `scope:external id` of the coin the user says it is.
        others_may_know: ids of this scope may have become known since they were looked up:
            another source has the same scope, or one id may be pinned.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        source_id: int,
        id_scope: str,
        pins: Mapping[str, str],
        others_may_know: bool = True,
    ) -> None:
        self._connection = connection
        self._source_id = source_id
        self._scope = id_scope
        self._pins = pins
        self._looks_again = others_may_know or bool(pins)

    def settle(
        self, newcomers: Sequence[Newcomer], proposal: Proposal, *, surprised: bool = False
    ) -> dict[str, int]:
        """Store the newcomers; return the assets of those that are not what was proposed.

        Must run inside the page's transaction: it takes the identity lock until the commit.

        Args:
            newcomers: those of the proposal, and pinned ones.
            proposal: coins for all that are not pinned.
            surprised: a page that was in flight then turned out otherwise.

        Raises:
            Permanent: InvalidSpec; a pin contradicts what is stored.
        """
        asked = {"version": proposal.version, "source_id": self._source_id}
        changed = bool(self._connection.scalar(sql.LOCK_AND_ASK, asked))
        outdated = changed or surprised or bool(self._pins)
        decided = {}
        if self._looks_again:
            decided = self._known(self._scope, [newcomer.external_id for newcomer in newcomers])
            self._pin_all(newcomers, decided)
        revised = self._revise(proposal, decided) if outdated or decided else proposal
        if outdated:
            revised = self._with_free_slugs(revised)
        self._copy(sql.COPY_ASSETS, revised.asset_copy)
        self._copy(sql.COPY_ALIASES, revised.alias_copy)
        return decided | not_as_proposed(proposal.assets, revised.assets)

    def _pin_all(self, newcomers: Iterable[Newcomer], decided: dict[str, int]) -> None:
        for newcomer in newcomers:
            if newcomer.external_id in self._pins and newcomer.external_id not in decided:
                decided[newcomer.external_id] = self._pin(newcomer)

    def _revise(self, proposal: Proposal, decided: Mapping[str, int]) -> Proposal:
        """Return the proposal as what is stored by now wants it, without what is decided."""
        # What was decided here may have taken a coin, so nothing that was seen before counts then.
        seen = [] if decided else list(proposal.candidates)
        unseen = _candidates(self._connection, self._scope, proposal.symbols, seen=seen)
        if not decided and not unseen:
            return proposal
        symbols = {candidate.symbol for candidate in unseen}
        outdated = [
            newcomer
            for newcomer in proposal.newcomers
            if newcomer.external_id not in decided and newcomer.symbol in symbols
        ]
        candidates = [each for each in seen if each.symbol in symbols] + unseen
        verdicts = match(outdated, candidates)
        gone = [each for each in proposal.assets if each in decided]
        return self._judged_again(proposal, verdicts, outdated).without(gone).with_copies()

    def _with_free_slugs(self, proposal: Proposal) -> Proposal:
        """Return the proposal with other slugs for its own coins, where somebody else has theirs.

        Nobody can take another one before the commit: only who has the lock names coins.
        """
        own = {each: line.split("\t", 2) for each, line in proposal.asset_lines.items()}
        slugs = text_array(sorted(slug for _, slug, _ in own.values()))
        taken = set(self._connection.scalars(sql.TAKEN_SLUGS, {"slugs": slugs})) if own else set()
        if not taken:
            return proposal
        lines = {
            each: f"{asset_id}\t{slug}{f'--{asset_id}' if slug in taken else ''}\t{texts}"
            for each, (asset_id, slug, texts) in own.items()
        }
        return proposal._replace(asset_lines=lines).with_copies()

    def _judged_again(
        self, proposal: Proposal, verdicts: Mapping[str, Verdict], outdated: Sequence[Newcomer]
    ) -> Proposal:
        assets, asset_lines = dict(proposal.assets), dict(proposal.asset_lines)
        alias_lines = dict(proposal.alias_lines)
        for newcomer in outdated:
            external_id = newcomer.external_id
            verdict = verdicts[external_id]
            if verdict.asset_id is not None:
                assets[external_id] = verdict.asset_id
                asset_lines.pop(external_id, None)
            elif external_id not in asset_lines:
                own, _, lines = _coins_of_their_own(self._connection, [newcomer], ())
                assets |= own
                asset_lines |= lines
            alias_lines[external_id] = _alias_line(
                self._scope, external_id, assets[external_id], verdict
            )
        return proposal._replace(assets=assets, asset_lines=asset_lines, alias_lines=alias_lines)

    def _known(self, scope: str, external_ids: Sequence[str]) -> dict[str, int]:
        parameters = {"id_scope": scope, "external_ids": text_array(external_ids)}
        rows = self._connection.execute(sql.ALIASES, parameters)
        return {row.external_id: row.asset_id for row in rows}

    def _pin(self, newcomer: Newcomer) -> int:
        """Join the coin the user named, or make it under both names when it is not known yet.

        Stored at once, so that neither another pin nor evidence of this page takes the coin too.
        """
        scope, _, target = self._pins[newcomer.external_id].partition(":")
        evidence = {"pin": self._pins[newcomer.external_id]}
        asset_id = self._known(scope, [target]).get(target)
        aliases = []
        if scope == self._scope:
            raise Permanent(
                Reason.INVALID_SPEC,
                f"spec.identity.pins says that {newcomer.external_id!r} is {target!r}, another id of "
                "this same source; pin it to an id of another source, or remove the pin",
            )
        if asset_id is None:
            asset_id = self._mint(newcomer)
            aliases.append(_Alias(scope, target, asset_id, "pinned", Decimal(1), evidence))
        elif self._has_alias(asset_id):
            raise Permanent(
                Reason.INVALID_SPEC,
                f"spec.identity.pins says that {newcomer.external_id!r} is {target!r}, but this "
                "source already has another id for that coin; remove the pin",
            )
        own = _Alias(self._scope, newcomer.external_id, asset_id, "pinned", Decimal(1), evidence)
        self._copy(sql.COPY_ALIASES, copy_buffer(map(_line, [*aliases, own])))
        return asset_id

    def _has_alias(self, asset_id: int) -> bool:
        parameters = {"id_scope": self._scope, "asset_id": asset_id}
        return bool(self._connection.scalar(sql.HAS_ALIAS, parameters))

    def _mint(self, newcomer: Newcomer) -> int:
        assets, _, lines = _coins_of_their_own(self._connection, [newcomer], ())
        self._copy(sql.COPY_ASSETS, copy_buffer(lines.values()))
        return assets[newcomer.external_id]

    def _copy(self, statement: str, buffer: bytes) -> None:
        if buffer:
            copy_into(self._connection, statement, buffer)


def not_as_proposed(proposed: Mapping[str, int], found: Mapping[str, int]) -> dict[str, int]:
    """Return, by external id, the found assets that are not the proposed ones."""
    if found is proposed:
        return {}
    return {
        external_id: found[external_id]
        for external_id, asset_id in proposed.items()
        if found.get(external_id, asset_id) != asset_id
    }


def _evidence_text(evidence: Mapping[str, Any]) -> str:
    return copy_field(scrub_json(json.dumps(evidence))[0])


def _alias_line(id_scope: str, external_id: str, asset_id: int, verdict: Verdict) -> str:
    method = "minted" if verdict.asset_id is None else "evidence"
    return _line(
        _Alias(id_scope, external_id, asset_id, method, verdict.confidence, verdict.evidence)
    )


def _line(alias: _Alias) -> str:
    scope, external_id, asset_id, method, confidence, evidence = alias
    return (
        f"{copy_text(scope)}\t{copy_text(external_id)}\t{asset_id}\t{method}\t{confidence}"
        f"\t{_evidence_text(evidence)}"
    )
