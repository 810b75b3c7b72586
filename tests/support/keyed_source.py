"""A source type of a third party, Keyed: it reads a paid CoinPaprika, and is careless of its key.

It writes the key into its log and into a span: neither may show it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from opentelemetry import trace

from cryptosource_etl.records import Cursor, Page
from cryptosource_etl.sources.coinpaprika import CONTRACT
from cryptosource_etl.sources.json_records import split_array
from cryptosource_etl.sources.plugin import SourceContext, SourcePlugin
from cryptosource_etl.sources.vendor_records import VendorRecords, records_of

log = logging.getLogger(__name__)


class KeyedReader(VendorRecords):
    """Reads `spec.options.url` with the key that the source names."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(replace(CONTRACT, version="keyed/1"))
        self._context = context
        self._url = str((context.source.spec.options or {})["url"])

    def pages(self, cursor: Cursor) -> Iterator[Page]:
        """Yield the whole answer as one page."""
        key = self._context.api_key
        log.error("asking with the key %s", key)
        auth = ("Authorization", key) if key else None
        with trace.get_tracer(__name__).start_as_current_span(f"keyed.ask {key}"):
            response = self._context.http.get(self._url, auth_header=auth)
        yield Page(
            records=records_of(split_array(response.body, what="the answer")),
            cursor_after=lambda _count: {},
            received_at=self._context.clock.now(),
            starts_pass=True,
        )

    def close(self) -> None:
        """Nothing is held open."""


PLUGIN = SourcePlugin(open=KeyedReader)
