"""The declared schema. A test proves on a real database that the migrations make the same.

`sources` declares the sources, their checkpoints and runs, `raw` what upstreams sent, `market` the
coins and their quotes, `run_requests` the requests for runs, `api_keys` the keys of the API;
`schema` has the metadata and the column types that they share.
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
from cryptosource_store.tables.raw import (
    listings,
    raw_record_id_seq,
    raw_records,
    rejected_records,
)
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
