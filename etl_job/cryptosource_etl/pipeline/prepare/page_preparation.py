"""Everything about a page that can be done before its transaction: look up, judge, write the text.

Nothing of it takes a lock or changes a table, so it may happen while Postgres is busy with the
pages before; see `preparing_ahead`.
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
from cryptosource_etl.pipeline.identity.resolution import (
    NO_NEWCOMERS,
    NOBODY_IN_FLIGHT,
    OthersInFlight,
    Proposal,
    propose,
)
from cryptosource_etl.pipeline.prepare.change_detection import (
    Accepted,
    DetectedChanges,
    Known,
    sift,
)
from cryptosource_etl.pipeline.prepare.payloads import PayloadOf, safe_payload
from cryptosource_etl.pipeline.prepare.stage_rows import accepted_lines, quote_text
from cryptosource_etl.pipeline.run.claim import Claim
from cryptosource_etl.records import Quote, RawRecord, Rejection
from cryptosource_etl.sources.plugin import SourceReader
from cryptosource_store.partitions import months_of
from cryptosource_store.statements import page_load as sql

_QUOTE = itemgetter(Accepted._fields.index("quote"))
"""Gives the quote of an `Accepted` at the cost of an attribute, where a generator would cost twice that."""

Lend = Callable[[], AbstractContextManager[Connection]]
"""Lends a session for look-ups."""


class PreparedPage(NamedTuple):
    """A page, ready to be committed."""

    sifted: DetectedChanges
    newcomers: Sequence[Newcomer]
    """Coins whose ids nobody had seen."""
    proposal: Proposal
    assets: Mapping[str, int]
    """External id -> asset, as far as it is known or proposed."""
    new_records: int
    """External ids among the accepted that had no observation before."""
    months: AbstractSet[tuple[int, int]]
    """(year, month) pairs that the accepted records were observed in."""
    observed_at: datetime | None
    """The newest observation among them."""
    texts: Sequence[str]
    """`quote_text` of each accepted record."""
    buffer: bytes | None
    """The COPY of the accepted records under `assets`; None when an asset is still open."""

    def with_payloads(self, payload_of: PayloadOf) -> PreparedPage:
        """Return the same page with its payloads written in another way."""
        texts = _texts(self.sifted.accepted, payload_of)
        return self._replace(texts=texts, buffer=_buffer(self.sifted, self.assets, texts))

    def bearing(self, symbols: Collection[str]) -> Iterator[Candidate]:
        """Yield the coins of this page that will bear one of the symbols once it is in."""
        for entry in self.sifted.accepted:
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
        """Return the same page with the assets of some ids decided otherwise."""
        assets = {**self.assets, **others}
        return self._replace(assets=assets, buffer=_buffer(self.sifted, assets, self.texts))


class InFlight(NamedTuple):
    """What pages that are not committed yet are about to store."""

    known: Mapping[str, Known]
    coins: OthersInFlight


NOTHING_IN_FLIGHT = InFlight({}, NOBODY_IN_FLIGHT)


class PagePreparer:
    """Prepares the pages of one run.

    Args:
        claim: whose source it is.
        reader: judges records and renders payloads.
        pinned: external ids that the user fixed, which are decided in the page's transaction.
        lend: gives the session to ask on.
    """

    def __init__(
        self, claim: Claim, reader: SourceReader, *, pinned: Collection[str], lend: Lend
    ) -> None:
        self._scope = claim.source.id_scope
        self._source_id = claim.source_id
        self._reader = reader
        self._pinned = pinned
        self._lend = lend

    def prepare(
        self,
        records: Sequence[RawRecord],
        received_at: datetime,
        in_flight: InFlight = NOTHING_IN_FLIGHT,
    ) -> PreparedPage:
        """Return the page of those records.

        Args:
            records: in the upstream's order.
            received_at: see `Page`.
            in_flight: what will be stored once the pages before this one are committed.
        """
        reader = self._reader

        def normalize(record: RawRecord) -> Quote | Rejection:
            return reader.normalize(record, received_at=received_at)

        with self._lend() as connection:
            known = self._known(connection, records, in_flight.known)
            sifted = sift(records, known, normalize)
            assets, newcomers, new_records = coins_of(map(_QUOTE, sifted.accepted), known)
            free = [coin for coin in newcomers if coin.external_id not in self._pinned]
            proposal = NO_NEWCOMERS
            if free:
                coins = in_flight.coins
                proposal = propose(connection, free, id_scope=self._scope, in_flight=coins)
        assets |= proposal.assets
        texts = _texts(sifted.accepted, safe_payload(reader.payload))
        buffer = _buffer(sifted, assets, texts) if len(free) == len(newcomers) else None
        observed = {entry.quote.observed_at for entry in sifted.accepted}
        return PreparedPage(
            sifted=sifted,
            newcomers=newcomers,
            proposal=proposal,
            assets=assets,
            new_records=new_records,
            months=months_of(observed),
            observed_at=max(observed, default=None),
            texts=texts,
            buffer=buffer,
        )

    def _known(
        self,
        connection: Connection,
        records: Sequence[RawRecord],
        in_flight: Mapping[str, Known],
    ) -> dict[str, Known]:
        ids = {record.external_id for record in records if is_storable(record.external_id)}
        stored = known_of(
            connection,
            self._source_id,
            self._scope,
            [each for each in ids if each not in in_flight],
        )
        return stored | {each: in_flight[each] for each in ids if each in in_flight}


def known_of(
    connection: Connection, source_id: int, id_scope: str, external_ids: Sequence[str]
) -> dict[str, Known]:
    """Return what is stored of the ids that have a coin."""
    if not external_ids:
        return {}
    parameters: dict[str, Any] = {
        "source_id": source_id,
        "id_scope": id_scope,
        "external_ids": text_array(external_ids),
    }
    found = connection.execute(sql.KNOWN, parameters).columns("external_id", *Known._fields)
    return {external_id: Known._make(known) for external_id, *known in found}


def _texts(accepted: Sequence[Accepted], payload_of: PayloadOf) -> list[str]:
    return [quote_text(entry.record, entry.quote, payload_of) for entry in accepted]


def _buffer(sifted: DetectedChanges, assets: Mapping[str, int], texts: Sequence[str]) -> bytes:
    return copy_buffer(accepted_lines(sifted.accepted, assets, texts))


def coins_of(
    quotes: Iterable[Quote], known: Mapping[str, Known]
) -> tuple[dict[str, int], list[Newcomer], int]:
    """Return the assets that are known, a newcomer per other id, and how many ids have no quote.

    A newcomer is what its newest observation shows.
    """
    assets: dict[str, int] = {}
    newest: dict[str, Quote] = {}
    without_quote: set[str] = set()
    for quote in quotes:
        external_id = quote.external_id
        stored = known.get(external_id)
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
