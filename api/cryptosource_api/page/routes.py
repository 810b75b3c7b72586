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
from cryptosource_api.page.coin import CoinParameters, read_coin_page
from cryptosource_api.page.coins import CoinsParameters, read_coins
from cryptosource_api.page.overview import OverviewParameters, read_overview
from cryptosource_api.page.runs import RunListParameters, read_run_list, read_run_page
from cryptosource_api.page.source import read_source_page
from cryptosource_api.page.static_files import PATH, file_response

router = APIRouter(include_in_schema=False)

T = TypeVar("T")
P = TypeVar("P", bound=Parameters)


async def _render(
    request: Request, template: str, ask: Callable[[], Callable[[Connection], T]]
) -> Response:
    """Read the content of a page and render it, or render the problem."""
    try:
        view = await app_state_of(request).reads(ask())
    except ApiProblem as problem:
        return problem_page(request, problem)
    return renderer.page(template, view=view, documented=_is_documented(request))


def problem_page(request: Request, problem: ApiProblem) -> Response:
    """Return the page of a problem, with its status and headers."""
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


def _read_form(request: Request, model: type[P]) -> P:
    """Return the parameters of a form."""
    # Browsers send the fields that were left empty too; here they count as not given.
    pairs = request.scope["query_string"].split(b"&")
    given = b"&".join(pair for pair in pairs if not pair.endswith(b"="))
    return read_parameters(model, given)


async def show_overview(request: Request) -> Response:
    """Show every source."""
    return await _render(
        request,
        "overview.html",
        lambda: partial(read_overview, parameters=_read_form(request, OverviewParameters)),
    )


@router.get("/sources/{namespace}/{name:path}")
async def show_source(request: Request, namespace: str, name: str) -> Response:
    """Show one source."""
    return await _render(
        request, "source.html", lambda: partial(read_source_page, namespace=namespace, name=name)
    )


@router.get("/coins")
async def show_coins(request: Request) -> Response:
    """Search the coins."""
    return await _render(
        request,
        "coins.html",
        lambda: partial(read_coins, parameters=_read_form(request, CoinsParameters)),
    )


@router.get("/coins/{coin_id:path}")
async def show_coin(request: Request, coin_id: str) -> Response:
    """Show one coin."""
    return await _render(
        request,
        "coin.html",
        lambda: partial(
            read_coin_page, coin_id=coin_id, parameters=_read_form(request, CoinParameters)
        ),
    )


@router.get("/runs")
async def show_runs(request: Request) -> Response:
    """Show the history of runs."""
    return await _render(
        request,
        "runs.html",
        lambda: partial(read_run_list, parameters=_read_form(request, RunListParameters)),
    )


@router.get("/runs/{run_id}")
async def show_run(request: Request, run_id: str) -> Response:
    """Show one run."""
    return await _render(request, "run.html", lambda: partial(read_run_page, run_id=run_id))


@router.get(f"{PATH}/{{name}}")
async def show_file(request: Request, name: str) -> Response:
    """Serve the style sheet, the script or the icon."""
    response = file_response(name)
    return response or problem_page(request, NotFound(f"There is no file {name[:100]!r}"))
