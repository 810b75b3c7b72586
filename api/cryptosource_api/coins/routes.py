"""`/data`: coins, one coin, its history, the summary."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cryptosource_api.app_state import Reading, app_state_of, exports_of
from cryptosource_api.coins.coin_list import DataParameters, page_reading
from cryptosource_api.coins.export_selection import (
    DataExport,
    HistoryExport,
    select_history,
    select_records,
)
from cryptosource_api.coins.models import Bucket, Coin, Observation, Record, Summary
from cryptosource_api.coins.queries import (
    CoinParameters,
    HistoryParameters,
    coin_reading,
    read_history,
    read_summary,
)
from cryptosource_api.exports.formats import Form, form_of
from cryptosource_api.exports.stream import ExportResponse
from cryptosource_api.http.models import Listing, Single
from cryptosource_api.http.parameters import NoParameters, read_parameters
from cryptosource_api.http.plain_route import PlainRoute
from cryptosource_api.openapi.operations import (
    json_responses,
    query_parameters,
    row_query_parameters,
    row_responses,
)
from cryptosource_api.openapi.problem_kinds import INVALID_CURSOR, NOT_FOUND, QUERIES

router = APIRouter(prefix="/data", tags=["data"], route_class=PlainRoute)

CoinId = Annotated[
    str,
    Path(
        description="A ticker (BTC), or SYMBOL~slug; ids that were, still are",
        examples=["BTC", "BTC~bitcoin"],
    ),
]


@router.get(
    "",
    summary="Coins, one record each, across sources; or one source's own records",
    responses=row_responses(Listing[Record], INVALID_CURSOR, *QUERIES),
    openapi_extra=row_query_parameters(DataParameters),
)
async def list_data(request: Request) -> Response:
    """Filter, sort and page through the newest record of every coin.

    With `source` or `namespace` these are the sources' own records. CSV, NDJSON and Parquet are the
    whole list, or its first `limit` rows, in one stream out of one snapshot.
    """
    form = form_of(request.scope["query_string"], request.headers.get("accept"))
    if form is not Form.JSON:
        parameters = read_parameters(DataExport, request.scope["query_string"])
        select = partial(select_records, parameters=parameters)
        return ExportResponse(exports_of(request), form, select, name="coins")

    def prepare() -> Reading:
        return page_reading(read_parameters(DataParameters, request.scope["query_string"]))

    return await app_state_of(request).answer_by_version(request, prepare)


@router.get(
    "/summary",
    summary="Coins, sources and observations in figures",
    responses=json_responses(Single[Summary], *QUERIES, cached=True),
)
async def show_summary(request: Request) -> Response:
    """Count coins, shared tickers and what each source contributed; list the ten largest coins."""

    def prepare() -> Reading:
        read_parameters(NoParameters, request.scope["query_string"])
        return read_summary

    return await app_state_of(request).answer_by_version(request, prepare)


@router.get(
    "/{coin_id:path}/history",
    summary="What every source observed of one coin, by time",
    responses=row_responses(Listing[Observation | Bucket], INVALID_CURSOR, NOT_FOUND, *QUERIES),
    openapi_extra=row_query_parameters(HistoryParameters),
)
async def list_history(request: Request, coin_id: CoinId) -> Response:
    """Page through a coin's observations, or with `interval` through its candles.

    CSV, NDJSON and Parquet are the whole list, or its first `limit` rows, in one stream out of one
    snapshot.
    """
    form = form_of(request.scope["query_string"], request.headers.get("accept"))
    if form is not Form.JSON:
        parameters = read_parameters(HistoryExport, request.scope["query_string"])
        select = partial(select_history, coin_id=coin_id, parameters=parameters)
        return ExportResponse(exports_of(request), form, select, name=f"{coin_id}-history")

    def prepare() -> Reading:
        parameters = read_parameters(HistoryParameters, request.scope["query_string"])
        return partial(read_history, coin_id=coin_id, parameters=parameters)

    return await app_state_of(request).answer_by_version(request, prepare)


@router.get(
    "/{coin_id:path}",
    summary="One coin: every source's view and how it was matched",
    responses=json_responses(Single[Coin], NOT_FOUND, *QUERIES, cached=True),
    openapi_extra=query_parameters(CoinParameters),
)
async def show_coin(request: Request, coin_id: CoinId) -> Response:
    """Show one coin with every source's newest record and the evidence that matched it.

    Ids of former owners of a ticker go on working as SYMBOL~slug.
    """

    def prepare() -> Reading:
        parameters = read_parameters(CoinParameters, request.scope["query_string"])
        return coin_reading(coin_id, parameters.as_of)

    return await app_state_of(request).answer_by_version(request, prepare)
