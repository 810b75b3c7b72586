"""Notice which ids an upstream lists, so that it can be said which came and which went.

What is unchanged is written nowhere else, so what a pass saw must be remembered here: as a row for
each stretch of passes that listed an id. Only a pass that one run saw from its first page to its
last counts; a run that resumes, or that was answered "not modified" for a part, saw too little.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter

from sqlalchemy import Connection

from cryptosource_etl.pipeline.copy_text import is_storable, text_array
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Page, RawRecord, digest_of
from cryptosource_store.statements import upstream_inventory as sql

MAX_IDS = 50_000
"""Of a pass with more nothing is kept: memory has to stay flat. Vendors list 20 000 coins."""

MAX_ID_LENGTH = 512
"""Characters of an id that is remembered: an index of Postgres takes no more than 2 700 bytes."""

_EXTERNAL_ID = itemgetter(RawRecord._fields.index("external_id"))
"""A third of the cost of an attribute."""


class UpstreamInventory:
    """Collects the ids of a pass."""

    def __init__(self) -> None:
        self._ids: set[str | None] = set()
        self._whole = False

    def observe(self, page: Page) -> None:
        """Take a page in."""
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
        """What the whole upstream lists, sorted; None when this run did not see that."""
        ids = sorted(
            external_id
            for external_id in self._ids
            if external_id is not None and len(external_id) <= MAX_ID_LENGTH
        )
        text = "".join(ids)
        if "\0" in text or not text.isascii():  # asking of all at once is far cheaper
            ids = [external_id for external_id in ids if is_storable(external_id)]
        return ids if self._whole and ids else None


def record_listing(connection: Connection, claim: Claim, listing: UpstreamInventory) -> None:
    """Write down which ids came and which went since the last pass that was seen whole.

    As a rule nothing did: then a digest says so, and the ids that are stored are not even read.
    """
    ids = listing.ids
    if ids is None:
        return
    bound = {"source_id": claim.source_id, "epoch": claim.epoch}
    digest = digest_of("\0".join(ids).encode())
    with connection.begin():
        stored = connection.scalar(sql.FENCE, bound)
        if stored is None:
            return  # whoever has claimed the source since sees for itself
        if stored.replace("-", "") != digest:
            _store(connection, bound, set(ids))
            connection.execute(sql.KEEP_DIGEST, {**bound, "digest": digest})
        connection.execute(sql.COUNT_LISTED, {"run_id": claim.run_id, "listed": len(ids)})


def _store(connection: Connection, bound: Mapping[str, int], ids: set[str]) -> None:
    before = set(connection.scalars(sql.LISTED, bound))
    for statement, changed in ((sql.LIST, ids - before), (sql.DELIST, before - ids)):
        if changed:
            values = {**bound, "external_ids": text_array(sorted(changed))}
            connection.execute(statement, values)
