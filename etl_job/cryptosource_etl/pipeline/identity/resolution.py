"""Resolve new external ids to assets under the identity lock: pinned, matched, else minted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from sqlalchemy import Connection

from cryptosource_etl.errors import Permanent
from cryptosource_etl.pipeline.copy_text import copy_buffer, copy_into, text_array
from cryptosource_etl.pipeline.identity.matcher import Newcomer, Verdict, match
from cryptosource_etl.pipeline.identity.proposal import (
    Alias,
    Proposal,
    alias_line,
    find_candidates,
    mint_coins,
    verdict_line,
)
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import identity as sql


class IdentityResolver:
    """Decides, under the identity lock, which asset each new external id of one source is.

    Args:
        connection: the claiming session.
        source_id: the source being loaded; changes by its own pages do not outdate a proposal,
            which has taken them into account.
        id_scope: who issues the external ids.
        pins: external id -> `scope:external id` of the coin the user says it is.
        shared_scope: another source has the same scope, so an id may have got an alias since it
            was looked up.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        source_id: int,
        id_scope: str,
        pins: Mapping[str, str],
        shared_scope: bool = True,
    ) -> None:
        self._connection = connection
        self._source_id = source_id
        self._scope = id_scope
        self._pins = pins
        # With pins too: an id that has got an alias since is not pinned any more.
        self._recheck_ids = shared_scope or bool(pins)

    def settle(
        self, newcomers: Sequence[Newcomer], proposal: Proposal, *, recheck: bool = False
    ) -> dict[str, int]:
        """Store the newcomers; return the assets of those that differ from the proposal.

        Must run inside the page's transaction: it takes the identity lock until the commit.

        Args:
            newcomers: those of the proposal, and pinned ones.
            proposal: coins for all that are not pinned.
            recheck: check the proposal even if no other source has changed anything: a page that
                was in flight when it was made got other coins than proposed.

        Raises:
            Permanent: InvalidSpec; a pin contradicts what is stored.
        """
        # One question to the feed of changes instead of a look-up per coin: as a rule no other
        # source has committed anything since the proposal, and then it holds as it is.
        seen = {"version": proposal.version, "source_id": self._source_id}
        changed = bool(self._connection.scalar(sql.LOCK_AND_CHECK_CHANGES, seen))
        outdated = changed or recheck or bool(self._pins)
        decided = {}
        if self._recheck_ids:
            external_ids = [newcomer.external_id for newcomer in newcomers]
            decided = _find_assets(self._connection, self._scope, external_ids)
            self._pin_all(newcomers, decided)
        revised = self._revise(proposal, decided) if outdated or decided else proposal
        if outdated:
            revised = self._with_free_slugs(revised)
        # Assets first: aliases refer to them.
        self._copy(sql.COPY_ASSETS, revised.asset_copy)
        self._copy(sql.COPY_ALIASES, revised.alias_copy)
        return decided | changed_assets(proposal.assets, revised.assets)

    def _pin_all(self, newcomers: Iterable[Newcomer], decided: dict[str, int]) -> None:
        for newcomer in newcomers:
            if newcomer.external_id in self._pins and newcomer.external_id not in decided:
                decided[newcomer.external_id] = self._pin(newcomer)

    def _revise(self, proposal: Proposal, decided: Mapping[str, int]) -> Proposal:
        """Return the proposal by what is stored now, without the ids that are decided."""
        # An id decided in this transaction may have taken a candidate, so then every candidate is
        # read again.
        seen = [] if decided else list(proposal.candidates)
        unseen = find_candidates(self._connection, self._scope, proposal.symbols, seen=seen)
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
        dropped = [each for each in proposal.assets if each in decided]
        return self._apply_verdicts(proposal, verdicts, outdated).without(dropped).with_copies()

    def _with_free_slugs(self, proposal: Proposal) -> Proposal:
        """Return the proposal with other slugs for its new coins where theirs are taken by now."""
        # The answer holds until the commit: only the holder of the identity lock names coins.
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

    def _apply_verdicts(
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
                own, _, lines = mint_coins(self._connection, [newcomer], ())
                assets |= own
                asset_lines |= lines
            alias_lines[external_id] = verdict_line(
                self._scope, external_id, assets[external_id], verdict
            )
        return proposal._replace(assets=assets, asset_lines=asset_lines, alias_lines=alias_lines)

    def _pin(self, newcomer: Newcomer) -> int:
        """Give the coin that the pin names an alias; mint it under both ids if it is unknown."""
        scope, _, target = self._pins[newcomer.external_id].partition(":")
        evidence = {"pin": self._pins[newcomer.external_id]}
        asset_id = _find_assets(self._connection, scope, [target]).get(target)
        aliases = []
        if scope == self._scope:
            raise Permanent(
                Reason.INVALID_SPEC,
                f"spec.identity.pins says that {newcomer.external_id!r} is {target!r}, another id of "
                "this same source; pin it to an id of another source, or remove the pin",
            )
        if asset_id is None:
            asset_id = self._mint(newcomer)
            aliases.append(Alias(scope, target, asset_id, "pinned", Decimal(1), evidence))
        elif self._has_alias(asset_id):
            raise Permanent(
                Reason.INVALID_SPEC,
                f"spec.identity.pins says that {newcomer.external_id!r} is {target!r}, but this "
                "source already has another id for that coin; remove the pin",
            )
        own = Alias(self._scope, newcomer.external_id, asset_id, "pinned", Decimal(1), evidence)
        # Stored at once, so that neither another pin nor evidence of this page takes the coin too.
        self._copy(sql.COPY_ALIASES, copy_buffer(map(alias_line, [*aliases, own])))
        return asset_id

    def _has_alias(self, asset_id: int) -> bool:
        parameters = {"id_scope": self._scope, "asset_id": asset_id}
        return bool(self._connection.scalar(sql.HAS_ALIAS, parameters))

    def _mint(self, newcomer: Newcomer) -> int:
        assets, _, lines = mint_coins(self._connection, [newcomer], ())
        self._copy(sql.COPY_ASSETS, copy_buffer(lines.values()))
        return assets[newcomer.external_id]

    def _copy(self, statement: str, buffer: bytes) -> None:
        if buffer:
            copy_into(self._connection, statement, buffer)


def changed_assets(proposed: Mapping[str, int], found: Mapping[str, int]) -> dict[str, int]:
    """Return, by external id, the found assets that are not the proposed ones."""
    if found is proposed:
        return {}
    return {
        external_id: found[external_id]
        for external_id, asset_id in proposed.items()
        if found.get(external_id, asset_id) != asset_id
    }


def pins_without_effect(
    connection: Connection, *, id_scope: str, pins: Mapping[str, str]
) -> dict[str, str]:
    """Return the pins that contradict what is stored: their ids were seen before they were pinned.

    Observations of a coin are never moved to another one, so such a pin has no effect.

    Args:
        connection: to read with.
        id_scope: who issues the source's ids.
        pins: external id -> `scope:external id` of the coin the user says it is.
    """
    own = _find_assets(connection, id_scope, pins)
    ids_by_scope: dict[str, list[str]] = defaultdict(list)
    for external_id in own:
        scope, _, target = pins[external_id].partition(":")
        ids_by_scope[scope].append(target)
    targets = {
        f"{scope}:{target}": asset_id
        for scope, ids in ids_by_scope.items()
        for target, asset_id in _find_assets(connection, scope, ids).items()
    }
    return {
        external_id: pins[external_id]
        for external_id, asset_id in own.items()
        if targets.get(pins[external_id]) != asset_id
    }


def _find_assets(connection: Connection, scope: str, external_ids: Iterable[str]) -> dict[str, int]:
    """Return the assets of the ids that have an alias."""
    ids = sorted(external_ids)
    if not ids:
        return {}
    parameters = {"id_scope": scope, "external_ids": text_array(ids)}
    found = connection.execute(sql.ALIASES, parameters)
    return {row.external_id: row.asset_id for row in found}
