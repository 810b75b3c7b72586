"""External ids to assets: pinned by the user, matched by evidence, else minted."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection

from cryptosource_etl.errors import Permanent
from cryptosource_etl.pipeline.copying import copy_into
from cryptosource_etl.pipeline.encoding import (
    copy_buffer,
    copy_field,
    copy_text,
    scrub_json,
    text_array,
)
from cryptosource_etl.pipeline.matching import UNRIVALLED, Candidate, Newcomer, Verdict, match
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import identity as sql

_NOT_IN_SLUGS = re.compile(r"[^\w.]+")
SLUG_LIMIT = 120


class _Alias(NamedTuple):
    scope: str
    external_id: str
    asset_id: int
    method: str
    confidence: Decimal
    evidence: dict[str, Any]


def slug_of(external_id: str) -> str:
    """Return a URL-safe name for a coin from its first external id; never empty.

    It never holds two hyphens in a row: those stand before the number of a slug that was taken.
    """
    folded = unicodedata.normalize("NFKC", external_id).casefold()
    return _NOT_IN_SLUGS.sub("-", folded).strip("-.")[:SLUG_LIMIT] or "coin"


class IdentityResolver:
    """Finds or makes the asset of each external id of one source.

    Args:
        connection: the claiming session.
        id_scope: who issues the external ids.
        pins: external id -> `scope:external id` of the coin the user says it is.
    """

    def __init__(self, connection: Connection, *, id_scope: str, pins: Mapping[str, str]) -> None:
        self._connection = connection
        self._scope = id_scope
        self._pins = pins

    def resolve(self, newcomers: Sequence[Newcomer]) -> dict[str, int]:
        """Return external id -> asset_id of ids that had no alias when the page was read.

        Must run inside the page's transaction: it takes the identity lock until the commit.

        Raises:
            Permanent: InvalidSpec; a pin contradicts what is stored.
        """
        self._connection.execute(sql.LOCK_IDENTITY)
        known = self._known(self._scope, [newcomer.external_id for newcomer in newcomers])
        rest = [newcomer for newcomer in newcomers if newcomer.external_id not in known]
        pinned = [newcomer for newcomer in rest if newcomer.external_id in self._pins]
        free = [newcomer for newcomer in rest if newcomer.external_id not in self._pins]
        own = {newcomer.external_id: self._pin(newcomer) for newcomer in pinned}
        aliases = self._match_or_mint(free)
        self._insert(aliases)
        return known | own | {alias.external_id: alias.asset_id for alias in aliases}

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
            (asset_id,) = self._mint([newcomer])
            aliases.append(_Alias(scope, target, asset_id, "pinned", Decimal(1), evidence))
        elif self._has_alias(asset_id):
            raise Permanent(
                Reason.INVALID_SPEC,
                f"spec.identity.pins says that {newcomer.external_id!r} is {target!r}, but this "
                "source already has another id for that coin; remove the pin",
            )
        own = _Alias(self._scope, newcomer.external_id, asset_id, "pinned", Decimal(1), evidence)
        self._insert([*aliases, own])
        return asset_id

    def _has_alias(self, asset_id: int) -> bool:
        parameters = {"id_scope": self._scope, "asset_id": asset_id}
        return bool(self._connection.scalar(sql.HAS_ALIAS, parameters))

    def _match_or_mint(self, newcomers: Sequence[Newcomer]) -> list[_Alias]:
        verdicts = match(newcomers, self._candidates(newcomers))
        unknown = [n for n in newcomers if verdicts[n.external_id].asset_id is None]
        minted = dict(zip((n.external_id for n in unknown), self._mint(unknown), strict=True))
        return [
            self._alias(newcomer.external_id, verdicts[newcomer.external_id], minted)
            for newcomer in newcomers
        ]

    def _alias(self, external_id: str, verdict: Verdict, minted: Mapping[str, int]) -> _Alias:
        method = "minted" if verdict.asset_id is None else "evidence"
        asset_id = minted[external_id] if verdict.asset_id is None else verdict.asset_id
        return _Alias(
            self._scope, external_id, asset_id, method, verdict.confidence, verdict.evidence
        )

    def _candidates(self, newcomers: Sequence[Newcomer]) -> list[Candidate]:
        symbols = sorted({n.symbol for n in newcomers if n.symbol})
        if not symbols:
            return []
        parameters = {"id_scope": self._scope, "symbols": text_array(symbols)}
        rows = self._connection.execute(sql.CANDIDATES, parameters)
        return [Candidate(**row._mapping) for row in rows]  # noqa: SLF001 - its public name

    def _mint(self, newcomers: Sequence[Newcomer]) -> list[int]:
        if not newcomers:
            return []
        wanted = [slug_of(newcomer.external_id) for newcomer in newcomers]
        reserved = self._connection.execute(sql.RESERVE_ASSETS, {"slugs": text_array(wanted)}).all()
        asset_ids = [row[0] for row in reserved]
        slugs = _unique_slugs(wanted, reserved)
        lines = map(_asset_line, asset_ids, slugs, newcomers)
        copy_into(self._connection, sql.COPY_ASSETS, copy_buffer(lines))
        return asset_ids

    def _insert(self, aliases: Sequence[_Alias]) -> None:
        if aliases:
            buffer = copy_buffer(map(_alias_line, aliases))
            copy_into(self._connection, sql.COPY_ALIASES, buffer)


def _unique_slugs(wanted: Sequence[str], reserved: Iterable[Any]) -> list[str]:
    """Return a slug for each coin; one that is taken gets the asset's own id behind it."""
    given: set[str] = set()
    slugs = []
    for slug, (asset_id, taken) in zip(wanted, reserved, strict=True):
        slugs.append(f"{slug}--{asset_id}" if taken or slug in given else slug)
        given.add(slug)
    return slugs


def _asset_line(asset_id: int, slug: str, newcomer: Newcomer) -> str:
    texts = map(copy_text, (slug, newcomer.symbol, newcomer.name))
    return "\t".join((str(asset_id), *texts))


def _evidence_text(evidence: Mapping[str, Any]) -> str:
    return copy_field(scrub_json(json.dumps(evidence))[0])


_UNRIVALLED_TEXT = _evidence_text(UNRIVALLED.evidence)


def _alias_line(alias: _Alias) -> str:
    scope, external_id, asset_id, method, confidence, evidence = alias
    unrivalled = evidence is UNRIVALLED.evidence
    evidence_json = _UNRIVALLED_TEXT if unrivalled else _evidence_text(evidence)
    return (
        f"{copy_text(scope)}\t{copy_text(external_id)}\t{asset_id}\t{method}\t{confidence}"
        f"\t{evidence_json}"
    )
