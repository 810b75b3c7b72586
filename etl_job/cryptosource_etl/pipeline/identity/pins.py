"""Pins that come too late: the id was seen before, and what was stored of a coin is not moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from cryptosource_etl.pipeline.copy_text import text_array
from cryptosource_store.statements.identity import ALIASES


def pins_without_effect(
    connection: Connection, *, id_scope: str, pins: Mapping[str, str]
) -> dict[str, str]:
    """Return those of a source's pins that contradict what is known of its ids already.

    Args:
        connection: to read with.
        id_scope: who issues the source's ids.
        pins: external id -> `scope:external id` of the coin the user says it is.
    """
    own = _assets(connection, id_scope, pins)
    wanted: dict[str, list[str]] = defaultdict(list)
    for external_id in own:
        scope, _, target = pins[external_id].partition(":")
        wanted[scope].append(target)
    targets = {
        f"{scope}:{target}": asset_id
        for scope, ids in wanted.items()
        for target, asset_id in _assets(connection, scope, ids).items()
    }
    return {
        external_id: pins[external_id]
        for external_id, asset_id in own.items()
        if targets.get(pins[external_id]) != asset_id
    }


def _assets(connection: Connection, scope: str, external_ids: Iterable[str]) -> dict[str, int]:
    ids = sorted(external_ids)
    if not ids:
        return {}
    found = connection.execute(ALIASES, {"id_scope": scope, "external_ids": text_array(ids)})
    return {row.external_id: row.asset_id for row in found}
