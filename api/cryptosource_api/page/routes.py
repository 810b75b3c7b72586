"""`/coins`, `/runs`, `/sources/…` and the page's files; `/` itself is shared with the API's index."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from cryptosource_api.app_state import app_state_of
from cryptosource_api.http.parameters import Parameters, read_parameters
from cryptosource_api.http.problems import ApiProblem, NotFound
from cryptosource_api.http.request_context import context_of
from cryptosource_api.page import renderer
from cryptosource_api.page.coin import CoinParameters, read_shown_coin
from cryptosource_api.page.coins import CoinsParameters, read_coins
from cryptosource_api.page.overview import OverviewParameters, read_overview
from cryptosource_api.page.runs import RunListParameters, read_run_list, read_shown_run
from cryptosource_api.page.source import read_source_page
from cryptosource_api.page.static_files import PATH, file_response

router = APIRouter(include_in_schema=False)

T = TypeVar("T")
P = TypeVar("P", bound=Parameters)


async def _shown(
    request: Request, template: str, ask: Callable[[], Callable[[Connection], T]]
) -> Response:
    """Return a page of what is read, or one that says why it cannot be."""
    try:
        found = await app_state_of(request).reads(ask())
    except ApiProblem as problem:
        return problem_page(request, problem)
    return renderer.page(template, view=found, documented=_is_documented(request))


def problem_page(request: Request, problem: ApiProblem) -> Response:
    """Return a problem as a page, with its status and its headers."""
    response = renderer.page(
        "problem.html",
        status=problem.status,
        problem=problem,
        request_id=context_of(request.scope).request_id,
        here=request.scope["path"],
        documented=_is_documented(request),
    )
    response.headers.update(problem.headers)
    return response


def _is_documented(request: Request) -> bool:
    return request.app.openapi_url is not None


def _asked(request: Request, model: type[P]) -> P:
    """Return the parameters of a form: a field that was left empty was not given."""
    pairs = request.scope["query_string"].split(b"&")
    given = b"&".join(pair for pair in pairs if not pair.endswith(b"="))
    return read_parameters(model, given)


async def show_overview(request: Request) -> Response:
    """Show every source."""
    return await _shown(
        request,
        "overview.html",
        lambda: partial(read_overview, parameters=_asked(request, OverviewParameters)),
    )


@router.get("/sources/{namespace}/{name:path}")
async def show_source(request: Request, namespace: str, name: str) -> Response:
    """Show one source."""
    return await _shown(
        request, "source.html", lambda: partial(read_source_page, namespace=namespace, name=name)
    )


@router.get("/coins")
async def show_coins(request: Request) -> Response:
    """Search the coins."""
    return await _shown(
        request,
        "coins.html",
        lambda: partial(read_coins, parameters=_asked(request, CoinsParameters)),
    )


@router.get("/coins/{coin_id:path}")
async def show_coin(request: Request, coin_id: str) -> Response:
    """Show one coin."""
    return await _shown(
        request,
        "coin.html",
        lambda: partial(
            read_shown_coin, coin_id=coin_id, parameters=_asked(request, CoinParameters)
        ),
    )


@router.get("/runs")
async def show_runs(request: Request) -> Response:
    """Show the history of runs."""
    return await _shown(
        request,
        "runs.html",
        lambda: partial(read_run_list, parameters=_asked(request, RunListParameters)),
    )


@router.get("/runs/{run_id}")
async def show_run(request: Request, run_id: str) -> Response:
    """Show one run."""
    return await _shown(request, "run.html", lambda: partial(read_shown_run, run_id=run_id))


@router.get(f"{PATH}/{{name}}")
async def show_file(request: Request, name: str) -> Response:
    """Serve the style sheet, the script or the icon."""
    found = file_response(name)
    return found or problem_page(request, NotFound(f"There is no file {name[:100]!r}"))
