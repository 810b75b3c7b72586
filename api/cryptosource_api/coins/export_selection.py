"""The selection of an export: the parameters of a list without paging."""

from __future__ import annotations

from pydantic import Field
from sqlalchemy import Connection

from cryptosource_api.coins.as_of import check_as_of
from cryptosource_api.coins.coin_list import DataFilters
from cryptosource_api.coins.intervals import bucket_range
from cryptosource_api.coins.queries import HistoryFilters, find_asset, history_sources
from cryptosource_api.exports.session import Selection
from cryptosource_api.http.pagination import Paging
from cryptosource_store.statements import exports as sql

MAX_LIMIT = 10_000_000
"""Upper bound of `limit`; the setting `export_rows` of a process may be lower."""


_NO_PAGES = "an export has no pages; leave it away, or give limit for the first rows"
_PAGING = dict.fromkeys(sorted(Paging.model_fields.keys() - {"limit"}), _NO_PAGES)


class DataExport(DataFilters):
    """Parameters of `GET /data` in a format other than JSON."""

    out_of_place = _PAGING

    limit: int | None = Field(default=None, ge=1, le=MAX_LIMIT)


class HistoryExport(HistoryFilters):
    """Parameters of `GET /data/{id}/history` in a format other than JSON."""

    out_of_place = _PAGING

    limit: int | None = Field(default=None, ge=1, le=MAX_LIMIT)


def select_records(connection: Connection, parameters: DataExport) -> Selection:
    """Return the records of a list."""
    rows = sql.records(parameters.shape())
    if parameters.as_of is not None:
        check_as_of(connection, parameters.as_of)
        rows = sql.records_as_of(parameters.shape())
    return Selection(rows=rows, bound=parameters.bound(), limit=parameters.limit)


def select_history(connection: Connection, coin_id: str, parameters: HistoryExport) -> Selection:
    """Return one coin's observations.

    Raises:
        NotFound: no coin has that id.
    """
    asset_id = find_asset(connection, coin_id)
    sources = history_sources(connection, asset_id, parameters)
    bound = parameters.bound(asset_id, sources)
    descending, as_of = parameters.order == "desc", parameters.as_of is not None
    if parameters.as_of is not None:
        check_as_of(connection, parameters.as_of)
    if parameters.interval is None:
        rows = sql.observations(descending=descending, as_of=as_of)
    else:
        bound = bucket_range(connection, bound, parameters.interval)
        rows = sql.bucket_rows(descending=descending, as_of=as_of)
    return Selection(rows=rows, bound=bound, limit=parameters.limit)
