"""Record which ids an upstream lists, and since and until when.

An id has one row for each stretch of passes that listed it. Only a pass that one run read from its
first page to its last counts; a run that resumes a pass, or that was answered "not modified" for a
part of it, has not seen all ids.
"""

# The load path cannot answer this: it writes nothing for an unchanged record, so an id that is gone
# looks there like one that does not change.

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

from sqlalchemy import Connection

from cryptosource_etl.pipeline.copy_text import is_storable, text_array
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Page, RawRecord, digest_of
from cryptosource_store.statements import upstream as sql

# Memory has to stay flat whatever the size of a source. Vendors list 20 000 coins.
MAX_IDS = 50_000
"""Ids of a pass; of a pass with more no inventory is kept."""

# A B-tree index of Postgres takes no more than about 2 700 bytes for an entry.
MAX_ID_LENGTH = 512
"""Characters of an id; longer ones are left out."""

# By position: a third of the cost of an attribute, for each record of a pass.
_EXTERNAL_ID = itemgetter(RawRecord._fields.index("external_id"))


class UpstreamInventory:
    """Collects the ids of a pass."""

    def __init__(self) -> None:
        self._ids: set[str | None] = set()
        self._whole = False

    def observe(self, page: Page) -> None:
        """Add a page to the pass."""
        if page.starts_pass:
            self._ids.clear()
            self._whole = True
        self._whole &= page.complete
        if self._whole:
            self._ids.update(map(_EXTERNAL_ID, page.records))
            self._whole = len(self._ids) <= MAX_IDS
        if not self._whole:
            self._ids.clear()

    @property
    def ids(self) -> list[str] | None:
        """All ids that the upstream lists, sorted; None if this run has not seen the whole pass."""
        ids = sorted(
            external_id
            for external_id in self._ids
            if external_id is not None and len(external_id) <= MAX_ID_LENGTH
        )
        # One test of the joined text is far cheaper than one of each id, and nearly always enough.
        text = "".join(ids)
        if "\0" in text or not text.isascii():
            ids = [external_id for external_id in ids if is_storable(external_id)]
        return ids if self._whole and ids else None


def record_inventory(connection: Connection, claim: Claim, inventory: UpstreamInventory) -> None:
    """Store which ids were added and removed since the last pass that was seen whole."""
    ids = inventory.ids
    if ids is None:
        return
    bound = {"source_id": claim.source_id, "epoch": claim.epoch}
    digest = digest_of("\0".join(ids).encode())
    with connection.begin():
        stored = connection.scalar(sql.LOCK_LISTING_DIGEST, bound)
        # Fenced: the run that has claimed the source since records its own pass.
        if stored is None:
            return
        # As a rule no id has come or gone. Equal digests show that without reading all stored ids.
        if stored.replace("-", "") != digest:
            _store_changes(connection, bound, set(ids))
            connection.execute(sql.STORE_LISTING_DIGEST, {**bound, "digest": digest})
        connection.execute(sql.STORE_LISTED_COUNT, {"run_id": claim.run_id, "listed": len(ids)})


def _store_changes(connection: Connection, bound: Mapping[str, int], ids: set[str]) -> None:
    before = set(connection.scalars(sql.LISTED_IDS, bound))
    for statement, changed in (
        (sql.INSERT_LISTINGS, ids - before),
        (sql.CLOSE_LISTINGS, before - ids),
    ):
        if changed:
            values = {**bound, "external_ids": text_array(sorted(changed))}
            connection.execute(statement, values)
