"""External ids to assets: pinned by the user, matched by evidence, else minted."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection

from cryptosource_etl.errors import Permanent
from cryptosource_etl.pipeline.encoding import scrub_json
from cryptosource_etl.pipeline.matching import Candidate, Newcomer, Verdict, match
from cryptosource_store.reasons import Reason
from cryptosource_store.statements import identity as sql

_NOT_IN_SLUGS = re.compile(r"[^\w.-]+")
SLUG_LIMIT = 120


class _Alias(NamedTuple):
    scope: str
    external_id: str
    asset_id: int
    method: str
    confidence: Decimal
    evidence: dict[str, Any]


def slug_of(external_id: str) -> str:
    """Return a URL-safe name for a coin from its first external id; never empty."""
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
        aliases = [alias for newcomer in pinned for alias in self._pin(newcomer)]
        aliases += self._match_or_mint(free)
        self._insert(aliases)
        own = {a.external_id: a.asset_id for a in aliases if a.scope == self._scope}
        return known | own

    def _known(self, scope: str, external_ids: Sequence[str]) -> dict[str, int]:
        parameters = {"id_scope": scope, "external_ids": list(external_ids)}
        rows = self._connection.execute(sql.ALIASES, parameters)
        return {row.external_id: row.asset_id for row in rows}

    def _pin(self, newcomer: Newcomer) -> list[_Alias]:
        """Join the coin the user named, or make it under both names when it is not known yet."""
        scope, _, target = self._pins[newcomer.external_id].partition(":")
        evidence = {"pin": self._pins[newcomer.external_id]}
        asset_id = self._known(scope, [target]).get(target)
        aliases = []
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
        return [*aliases, own]

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
        parameters = {"id_scope": self._scope, "symbols": symbols}
        rows = self._connection.execute(sql.CANDIDATES, parameters)
        return [Candidate(**row._mapping) for row in rows]  # noqa: SLF001 - its public name

    def _mint(self, newcomers: Sequence[Newcomer]) -> list[int]:
        if not newcomers:
            return []
        parameters = {
            "slugs": [slug_of(newcomer.external_id) for newcomer in newcomers],
            "symbols": [newcomer.symbol for newcomer in newcomers],
            "names": [newcomer.name for newcomer in newcomers],
        }
        return list(self._connection.scalars(sql.MINT_ASSETS, parameters))

    def _insert(self, aliases: Sequence[_Alias]) -> None:
        if not aliases:
            return
        columns = list(zip(*aliases, strict=True))
        names = ("scopes", "external_ids", "asset_ids", "methods", "confidences")
        parameters: dict[str, Any] = dict(zip(names, map(list, columns[:5]), strict=True))
        parameters["evidence"] = [scrub_json(json.dumps(alias.evidence))[0] for alias in aliases]
        self._connection.execute(sql.INSERT_ALIASES, parameters)
