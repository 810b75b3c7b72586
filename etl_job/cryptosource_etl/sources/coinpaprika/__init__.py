"""CoinPaprika: one answer to `/tickers` holds every coin.

Fields and errors are those of CoinPaprika's OpenAPI 1.7.10. Coins are yielded in the order of their
ids, so that a run that was cut off goes on where it stopped, however ranks have changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from cryptosource_etl.errors import Permanent, Retryable, RunError
from cryptosource_etl.http import Answer, Response, Validators
from cryptosource_etl.records import Cursor, Page, RawRecord
from cryptosource_etl.sources.cursor_scope import pages_of_question, question_of
from cryptosource_etl.sources.json_records import split_array
from cryptosource_etl.sources.plugin import SourceContext, SourcePlugin
from cryptosource_etl.sources.vendor_access import access_of
from cryptosource_etl.sources.vendor_records import Contract, VendorRecords, records_of
from cryptosource_store.reasons import Reason

CONTRACT = Contract(
    version="coinpaprika/1",
    fields={
        "external_id": "id",
        "symbol": "symbol",
        "name": "name",
        "rank": "rank",
        "observed_at": "last_updated",
        "price_usd": "quotes.USD.price",
        "market_cap_usd": "quotes.USD.market_cap",
        "volume_24h_usd": "quotes.USD.volume_24h",
        "percent_change_24h": "quotes.USD.percent_change_24h",
    },
    nested=("quotes",),
)


def classify(answer: Answer) -> RunError | None:
    """Return the meaning of an error if it differs from the usual one of its status; else None."""
    # 402 is also what a spent quota of a month gives: another try would get the same answer.
    if answer.status == 402:  # noqa: PLR2004
        return Permanent(
            Reason.PLAN_TOO_LOW,
            "CoinPaprika answered 402: the plan does not include this, or its monthly quota is used "
            "up; choose a longer schedule or a higher plan in spec.coinPaprika.plan",
        )
    return None


class CoinPaprikaReader(VendorRecords):
    """Reads `/tickers` once and yields its coins in batches."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(CONTRACT)
        access = access_of(context)
        self._context = context
        self._selection = access.selection
        self._batch_size = context.source.spec.batch_size
        self._url = f"{access.base_url}/tickers"
        self._auth = access.auth_header

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield the coins in the order of their ids; see `SourceReader.pages`."""
        question = question_of(self._url, self._selection.model_dump_json())
        return pages_of_question(question, cursor, self._pages)

    def _pages(self, cursor: Cursor) -> Iterator[Page]:
        after_id = cursor.get("after_id")
        # A pass that is resumed asks without validators: "not modified" would skip its rest. Nor
        # does it keep any: it consists of several answers, and no validator covers them all.
        known = None if after_id else Validators.from_json(cursor.get("validators"))
        response = self._fetch(known)
        validators = None if after_id else response.validators
        received_at = self._context.clock.now()
        if response.status == 304:  # noqa: PLR2004
            return
        answer = records_of(split_array(response.body, what="the answer to /tickers"))
        if not answer:
            raise Retryable(Reason.MALFORMED_RESPONSE, "CoinPaprika answered with no coins at all")
        coins = self._select(answer)
        total = len(coins)
        coins = [coin for coin in coins if not after_id or (coin.external_id or "") > after_id]
        for start in range(0, len(coins), self._batch_size):
            batch = coins[start : start + self._batch_size]
            last = start + len(batch) == len(coins)
            yield Page(
                records=batch,
                cursor_after=partial(_cursor_after, batch, ends_pass=last, validators=validators),
                received_at=received_at,
                total=total,
                starts_pass=start == 0 and not after_id,
                complete=not after_id,
            )

    def close(self) -> None:
        """Do nothing: no resource is open."""

    def _fetch(self, validators: Validators | None) -> Response:
        return self._context.http.get(
            self._url,
            params={"quotes": "USD"},
            auth_header=self._auth,
            validators=validators,
            classify=classify,
        )

    def _select(self, coins: Sequence[RawRecord]) -> list[RawRecord]:
        """Return the coins the spec selects, sorted by id; those without an id come first."""
        # `/tickers` takes neither ids nor a limit, so the selection is made here.
        ids = set(self._selection.ids or ())
        if ids:
            coins = [coin for coin in coins if coin.external_id in ids]
        elif self._selection.top is not None:
            coins = sorted(coins, key=_rank)[: self._selection.top]
        return sorted(coins, key=lambda coin: coin.external_id or "")


def _rank(record: RawRecord) -> int:
    """Return the sort key of a record."""
    # CoinPaprika gives coins without a rank the rank 0. They sort last, with what is no rank.
    value = record.value.value
    rank = value.get("rank") if isinstance(value, dict) else None
    return rank if isinstance(rank, int) and rank > 0 else 2**31


def _cursor_after(
    batch: Sequence[RawRecord], count: int, *, ends_pass: bool, validators: Validators | None
) -> Cursor:
    if ends_pass and count == len(batch):
        return {"validators": validators.as_json()} if validators else {}
    done = [record.external_id for record in batch[:count] if record.external_id]
    return {"after_id": done[-1]} if done else {}


PLUGIN = SourcePlugin(open=CoinPaprikaReader)
