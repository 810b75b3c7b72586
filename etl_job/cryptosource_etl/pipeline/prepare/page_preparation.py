"""Prepare a page: look up its ids, judge its records, propose assets, encode the COPY text.

Nothing here takes a lock or changes a table, so that it can be done while Postgres is busy with
the pages before; see `pipelined_preparation`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from cryptosource_etl.pipeline.copy_text import copy_buffer, is_storable, text_array
from cryptosource_etl.pipeline.identity.matcher import Candidate, Newcomer
from cryptosource_etl.pipeline.identity.proposal import (
    NO_COINS_IN_FLIGHT,
    NO_NEWCOMERS,
    CoinsInFlight,
    Proposal,
    propose,
)
from cryptosource_etl.pipeline.prepare.change_detection import (
    Accepted,
    DetectedChanges,
    StoredState,
    detect_changes,
)
from cryptosource_etl.pipeline.prepare.payloads import PayloadRenderer, safe_payload
from cryptosource_etl.pipeline.prepare.stage_rows import accepted_lines, quote_text
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Quote, RawRecord, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.partitions import months_of
from cryptosource_store.statements import page_load as sql

# Mapped over a page's records: a generator that reads the attribute costs twice as much.
_QUOTE = itemgetter(Accepted._fields.index("quote"))

AcquireConnection = Callable[[], AbstractContextManager[Connection]]
"""Returns a session for look-ups, for the length of a `with` block."""


class PreparedPage(NamedTuple):
    """A page, ready to be committed."""

    changes: DetectedChanges
    newcomers: Sequence[Newcomer]
    """Coins whose external ids have no asset yet, pinned ones included."""
    proposal: Proposal
    assets: Mapping[str, int]
    """External id -> asset, stored or proposed; without pinned newcomers."""
    new_records: int
    """How many external ids of the accepted records had no observation before."""
    months: AbstractSet[tuple[int, int]]
    """(year, month) pairs of the accepted records' observations."""
    observed_at: datetime | None
    """The newest observation among them."""
    texts: Sequence[str]
    """`quote_text` of each accepted record."""
    buffer: bytes | None
    """The COPY of the accepted records under `assets`; None when an asset is still open."""

    def with_payloads(self, render_payload: PayloadRenderer) -> PreparedPage:
        """Return the same page with its payloads rendered by another function."""
        texts = _quote_texts(self.changes.accepted, render_payload)
        return self._replace(texts=texts, buffer=_stage_buffer(self.changes, self.assets, texts))

    def candidates(self, symbols: Collection[str]) -> Iterator[Candidate]:
        """Yield the coins of this page that bear one of the symbols, as they will be stored."""
        for entry in self.changes.accepted:
            quote = entry.quote
            symbol, asset_id = quote.symbol, self.assets.get(quote.external_id)
            if symbol is not None and symbol in symbols and asset_id is not None:
                yield Candidate(
                    asset_id=asset_id,
                    symbol=symbol,
                    name=quote.name,
                    price_usd=quote.price_usd,
                    market_cap_usd=quote.market_cap_usd,
                    rank=quote.rank,
                    observed_at=quote.observed_at,
                    taken=True,
                )

    def with_assets(self, others: Mapping[str, int]) -> PreparedPage:
        """Return the same page with other assets for some of its ids."""
        assets = {**self.assets, **others}
        # The texts do not depend on assets, so only the lines are put together again.
        return self._replace(assets=assets, buffer=_stage_buffer(self.changes, assets, self.texts))


class InFlight(NamedTuple):
    """The effects of pages that are prepared but not committed."""

    states: Mapping[str, StoredState]
    """External id -> its state after those pages."""
    coins: CoinsInFlight


NOTHING_IN_FLIGHT = InFlight({}, NO_COINS_IN_FLIGHT)


class PagePreparer:
    """Prepares the pages of one run.

    Args:
        claim: of the source being loaded.
        reader: judges records and renders payloads.
        pinned: external ids that the user fixed; they are resolved in the page's transaction.
        acquire: returns the session for look-ups.
    """

    def __init__(
        self,
        claim: Claim,
        reader: SourceReader,
        *,
        pinned: Collection[str],
        acquire: AcquireConnection,
    ) -> None:
        self._scope = claim.source.id_scope
        self._source_id = claim.source_id
        self._reader = reader
        self._pinned = pinned
        self._acquire = acquire

    def prepare(
        self,
        records: Sequence[RawRecord],
        received_at: datetime,
        in_flight: InFlight = NOTHING_IN_FLIGHT,
    ) -> PreparedPage:
        """Prepare the records of a page.

        Args:
            records: in the upstream's order.
            received_at: see `Page`.
            in_flight: the effects of pages before this one that are not committed yet.
        """
        reader = self._reader

        def normalize(record: RawRecord) -> Quote | Rejection:
            return reader.normalize(record, received_at=received_at)

        with self._acquire() as connection:
            states = self._read_states(connection, records, in_flight.states)
            changes = detect_changes(records, states, normalize)
            assets, newcomers, new_records = find_newcomers(map(_QUOTE, changes.accepted), states)
            # A pin may name a coin that another source is about to store, so it is looked up under
            # the identity lock only.
            unpinned = [coin for coin in newcomers if coin.external_id not in self._pinned]
            proposal = NO_NEWCOMERS
            if unpinned:
                coins = in_flight.coins
                proposal = propose(connection, unpinned, id_scope=self._scope, in_flight=coins)
        assets |= proposal.assets
        texts = _quote_texts(changes.accepted, safe_payload(reader.payload))
        all_proposed = len(unpinned) == len(newcomers)
        buffer = _stage_buffer(changes, assets, texts) if all_proposed else None
        observed = {entry.quote.observed_at for entry in changes.accepted}
        return PreparedPage(
            changes=changes,
            newcomers=newcomers,
            proposal=proposal,
            assets=assets,
            new_records=new_records,
            months=months_of(observed),
            observed_at=max(observed, default=None),
            texts=texts,
            buffer=buffer,
        )

    def _read_states(
        self,
        connection: Connection,
        records: Sequence[RawRecord],
        in_flight: Mapping[str, StoredState],
    ) -> dict[str, StoredState]:
        """Return the states of the records' ids, those in flight instead of the stored ones."""
        ids = {record.external_id for record in records if is_storable(record.external_id)}
        stored = look_up_stored(
            connection,
            self._source_id,
            self._scope,
            [each for each in ids if each not in in_flight],
        )
        return stored | {each: in_flight[each] for each in ids if each in in_flight}


def look_up_stored(
    connection: Connection, source_id: int, id_scope: str, external_ids: Sequence[str]
) -> dict[str, StoredState]:
    """Return the stored state of each of the ids that has an asset."""
    if not external_ids:
        return {}
    parameters: dict[str, Any] = {
        "source_id": source_id,
        "id_scope": id_scope,
        "external_ids": text_array(external_ids),
    }
    found = connection.execute(sql.KNOWN, parameters).columns("external_id", *StoredState._fields)
    return {external_id: StoredState._make(state) for external_id, *state in found}


def _quote_texts(accepted: Sequence[Accepted], render_payload: PayloadRenderer) -> list[str]:
    return [quote_text(entry.record, entry.quote, render_payload) for entry in accepted]


def _stage_buffer(
    changes: DetectedChanges, assets: Mapping[str, int], texts: Sequence[str]
) -> bytes:
    return copy_buffer(accepted_lines(changes.accepted, assets, texts))


def find_newcomers(
    quotes: Iterable[Quote], states: Mapping[str, StoredState]
) -> tuple[dict[str, int], list[Newcomer], int]:
    """Split the ids of quotes into those that have an asset and newcomers.

    Args:
        quotes: the accepted quotes of a page.
        states: what is stored, by external id.

    Returns:
        External id -> asset; a newcomer for each other id, as its newest quote describes it; how
        many of all ids have no stored observation.
    """
    assets: dict[str, int] = {}
    newest: dict[str, Quote] = {}
    without_quote: set[str] = set()
    for quote in quotes:
        external_id = quote.external_id
        stored = states.get(external_id)
        if stored is None or stored.digest is None:
            without_quote.add(external_id)
        if stored is not None and stored.asset_id is not None:
            assets[external_id] = stored.asset_id
            continue
        earlier = newest.get(external_id)
        if earlier is None or earlier.observed_at <= quote.observed_at:
            newest[external_id] = quote
    newcomers = [
        Newcomer(
            external_id=quote.external_id,
            symbol=quote.symbol,
            name=quote.name,
            price_usd=quote.price_usd,
            market_cap_usd=quote.market_cap_usd,
            rank=quote.rank,
            observed_at=quote.observed_at,
        )
        for quote in newest.values()
    ]
    return assets, newcomers, len(without_quote)
