"""The declared schema. The migrations are proven equal to it on a real database.

`sources` holds who is loaded and how far, `market` what was learned, `raw` what was received,
`access` who may ask the API, `listings` what upstreams list, `requests` the runs that were asked for.
"""

from __future__ import annotations

from cryptosource_store.tables.api_keys import api_keys
from cryptosource_store.tables.market import (
    asset_aliases,
    assets,
    data_changes,
    dataset_versions,
    knowledge,
    quotes,
    quotes_latest,
    superseded_quotes,
    ticker_moves,
    tickers,
    unified,
)
from cryptosource_store.tables.raw import raw_record_id_seq, raw_records, rejected_records
from cryptosource_store.tables.run_requests import run_request_jobs, run_request_keys, run_requests
from cryptosource_store.tables.schema import metadata
from cryptosource_store.tables.sources import (
    etl_checkpoints,
    etl_run_totals,
    etl_runs,
    rate_limits,
    schema_drifts,
    sources,
)
from cryptosource_store.tables.upstream_inventory import listings

__all__ = [
    "api_keys",
    "asset_aliases",
    "assets",
    "data_changes",
    "dataset_versions",
    "etl_checkpoints",
    "etl_run_totals",
    "etl_runs",
    "knowledge",
    "listings",
    "metadata",
    "quotes",
    "quotes_latest",
    "rate_limits",
    "raw_record_id_seq",
    "raw_records",
    "rejected_records",
    "run_request_jobs",
    "run_request_keys",
    "run_requests",
    "schema_drifts",
    "sources",
    "superseded_quotes",
    "ticker_moves",
    "tickers",
    "unified",
]
