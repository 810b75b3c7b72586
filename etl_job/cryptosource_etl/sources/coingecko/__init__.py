"""CoinGecko: `/coins/markets`, 250 coins a page.

Fields and errors are those of CoinGecko's API v3 reference and error page of 2026. Pages are read in
the order of ids, which is the same for every request. Only the top N needs the order of ranks, in
which coins move between two requests: a coin that is on two pages shows that another one was
missed, and the earlier page is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cryptosource_etl.errors import Retryable
from cryptosource_etl.http import Response
from cryptosource_etl.records import Cursor, Page, RawRecord
from cryptosource_etl.sources.coingecko.errors import classify, classify_with_key
from cryptosource_etl.sources.coingecko.paging import (
    NOT_MODIFIED,
    MarketRequests,
    Progress,
    SeenCoins,
)
from cryptosource_etl.sources.cursor_scope import pages_of_question, question_of
from cryptosource_etl.sources.json_records import split_array
from cryptosource_etl.sources.plugin import SourceContext, SourcePlugin
from cryptosource_etl.sources.vendor_access import access_of
from cryptosource_etl.sources.vendor_records import Contract, VendorRecords, records_of
from cryptosource_store.reasons import Reason

CONTRACT = Contract(
    version="coingecko/1",
    fields={
        "external_id": "id",
        "symbol": "symbol",
        "name": "name",
        "rank": "market_cap_rank",
        "observed_at": "last_updated",
        "price_usd": "current_price",
        "market_cap_usd": "market_cap",
        "volume_24h_usd": "total_volume",
        "percent_change_24h": "price_change_percentage_24h",
    },
)


class CoinGeckoReader(VendorRecords):
    """Reads `/coins/markets` page by page."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(CONTRACT)
        access = access_of(context)
        self._context = context
        self._requests = MarketRequests(access.selection)
        self._batch_size = context.source.spec.batch_size
        self._url = f"{access.base_url}/coins/markets"
        self._question = question_of(self._url, access.selection.model_dump_json())
        self._auth = access.auth_header
        self._classify = classify if self._auth is None else classify_with_key

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield CoinGecko's pages, then an empty one that ends the pass; see `SourceReader`."""
        return pages_of_question(self._question, cursor, self._pages)

    def _pages(self, cursor: Cursor) -> Iterator[Page]:
        progress = Progress.resume(cursor)
        # Of this run alone: the coins of pages that an earlier run read are not known here.
        seen = SeenCoins()
        while (parameters := self._requests.page(progress.page)) is not None:
            response, answer = self._fetch(progress, parameters)
            if answer:
                if seen.contains_all(answer):
                    raise Retryable(
                        Reason.MALFORMED_RESPONSE,
                        f"CoinGecko's page {progress.page} holds only coins of earlier pages: its "
                        "paging goes in circles",
                    )
                seen.add(progress.page, answer)
                yield from self._batches(progress, response, answer)
            # A page that is "not modified" has as many coins as when it was read; the count decides
            # whether it is the last.
            count = progress.count_on_page() if response.status == NOT_MODIFIED else len(answer)
            # An empty first page is an outage, not an upstream that has no coins any more.
            if progress.page == 1 and not count:
                raise Retryable(Reason.MALFORMED_RESPONSE, "CoinGecko answered with no coins")
            progress.finish_page(response, count)
            if self._requests.ends_with(count):
                break
        if self._requests.may_reshuffle:
            yield from self._read_again(seen, progress)
        yield progress.end_of_pass(self._context.clock.now())

    def close(self) -> None:
        """Do nothing: no resource is open."""

    def _fetch(
        self, progress: Progress, parameters: Mapping[str, str]
    ) -> tuple[Response, list[RawRecord]]:
        response = self._context.http.get(
            self._url,
            params=parameters,
            auth_header=self._auth,
            validators=progress.validators_of_page(),
            classify=self._classify,
        )
        if response.status == NOT_MODIFIED:
            return response, []
        what = f"the answer to /coins/markets, page {progress.page},"
        return response, records_of(split_array(response.body, what=what))

    def _batches(
        self, progress: Progress, response: Response, answer: Sequence[RawRecord]
    ) -> Iterator[Page]:
        """Yield a page of the upstream in batches of the spec's size, from the cursor on."""
        coins = self._requests.selected(progress.page, answer)
        coins = coins[progress.position_in(coins) :]
        received_at = self._context.clock.now()
        starts_pass = progress.is_new
        for start in range(0, len(coins), self._batch_size):
            batch = coins[start : start + self._batch_size]
            last = start + len(batch) == len(coins)
            yield Page(
                records=batch,
                # Validators only with the last batch: until then the page is not loaded in full.
                cursor_after=progress.cursors(batch, response if last else None, len(answer)),
                received_at=received_at,
                total=self._requests.total,
                starts_pass=start == 0 and starts_pass,
                complete=progress.is_whole,
            )

    def _read_again(self, seen: SeenCoins, progress: Progress) -> Iterator[Page]:
        for page in seen.shifted_pages():
            parameters = self._requests.page(page) or {}
            # Without validators: "not modified" would not show which coins are on the page now.
            response = self._context.http.get(
                self._url,
                params=parameters,
                auth_header=self._auth,
                classify=self._classify,
            )
            answer = records_of(split_array(response.body, what=f"page {page}, read again,"))
            missed = seen.unseen(self._requests.selected(page, answer))
            for start in range(0, len(missed), self._batch_size):
                yield Page(
                    records=missed[start : start + self._batch_size],
                    cursor_after=progress.current_cursor,
                    received_at=self._context.clock.now(),
                    total=self._requests.total,
                    complete=progress.is_whole,
                )


PLUGIN = SourcePlugin(open=CoinGeckoReader)
