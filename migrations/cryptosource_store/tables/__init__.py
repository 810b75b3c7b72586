"""The declared schema. The migrations are proven equal to it on a real database.

`sources` holds who is loaded and how far, `market` what was learned, `raw` what was received.
"""

from __future__ import annotations

from cryptosource_store.tables.market import (
    asset_aliases,
    assets,
    dataset_versions,
    quotes,
    quotes_latest,
    ticker_moves,
    tickers,
    unified,
)
from cryptosource_store.tables.raw import raw_record_id_seq, raw_records, rejected_records
from cryptosource_store.tables.schema import metadata
from cryptosource_store.tables.sources import (
    etl_checkpoints,
    etl_runs,
    rate_limits,
    run_requests,
    schema_drifts,
    sources,
)

__all__ = [
    "asset_aliases",
    "assets",
    "dataset_versions",
    "etl_checkpoints",
    "etl_runs",
    "metadata",
    "quotes",
    "quotes_latest",
    "rate_limits",
    "raw_record_id_seq",
    "raw_records",
    "rejected_records",
    "run_requests",
    "schema_drifts",
    "sources",
    "ticker_moves",
    "tickers",
    "unified",
]
