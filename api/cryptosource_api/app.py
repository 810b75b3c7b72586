"""The application: its routes, error handlers, middleware and state."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cryptosource_api import index
from cryptosource_api.app_state import AppState
from cryptosource_api.coins import routes as coins
from cryptosource_api.database.data_version import VersionWatch
from cryptosource_api.database.query_runner import QueryRunner, async_pool
from cryptosource_api.exports.stream import Exports
from cryptosource_api.health import routes as health
from cryptosource_api.http.accept import prefers_html
from cryptosource_api.http.access import Access
from cryptosource_api.http.admission import Admission
from cryptosource_api.http.api_keys import KeyRing
from cryptosource_api.http.cache_lookup import CacheLookup
from cryptosource_api.http.middleware import RequestMiddleware
from cryptosource_api.http.problems import ApiProblem, InvalidRequest, Mistake, phrase, render
from cryptosource_api.http.request_context import context_of
from cryptosource_api.http.response_cache import ResponseCache
from cryptosource_api.http.routing import routes_of
from cryptosource_api.http.shared_rate_limits import SharedRateLimits
from cryptosource_api.live import routes as live
from cryptosource_api.live.hub import Hub
from cryptosource_api.metrics import routes as metrics
from cryptosource_api.metrics.database_snapshot import DatabaseSnapshots
from cryptosource_api.metrics.request_metrics import RequestMetrics
from cryptosource_api.openapi import routes as openapi
from cryptosource_api.openapi.document import Description
from cryptosource_api.page import routes as page
from cryptosource_api.runs import routes as runs
from cryptosource_api.settings import ApiSettings
from cryptosource_api.tracing.request_tracing import install_layers
from cryptosource_api.triggers import routes as triggers
from cryptosource_telemetry.sql_spans import trace_statements

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def create_app(
    settings: ApiSettings, engine: Engine, *, tracer_provider: TracerProvider | None = None
) -> FastAPI:
    """Return the application.

    Args:
        settings: limits and sizes.
        engine: from `query_runner.api_engine`; the caller disposes of it.
        tracer_provider: makes spans of requests and statements; None traces nothing.
    """
    app = FastAPI(
        title="CryptoSource",
        version=version("cryptosource"),
        # Operations are named as their functions; the files of `openapi/answers` are named so too.
        generate_unique_id_function=lambda route: route.name,
        openapi_url="/openapi.json" if settings.docs else None,
        # The pages of `openapi.routes`, which need no CDN, take the place of FastAPI's.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # see install_layers
    )
    if tracer_provider is not None:
        trace_statements(engine, tracer_provider)
    reads = QueryRunner(
        engine,
        turns=settings.thread_connections,
        wait_seconds=settings.pool_wait_seconds,
        pool=async_pool(engine.url, settings) if settings.loop_connections else None,
        tracer_provider=tracer_provider,
    )
    requests = RequestMetrics()
    versions = VersionWatch(reads, max_age_seconds=settings.version_check_seconds)
    response_cache = ResponseCache(settings.cache_bytes)
    shared_rates = SharedRateLimits(settings.redis_url) if settings.redis_url else None
    app.state.services = AppState(
        reads=reads,
        requests=requests,
        readings=DatabaseSnapshots(reads),
        versions=versions,
        response_cache=response_cache,
        exports=Exports(engine.url, settings, versions),
        live=Hub(engine.url, settings, reads),
        shared_rates=shared_rates,
    )
    # The order matters: `/data/stream` of live has to come before `/data/{coin_id}` of coins.
    routers = [
        routes.router for routes in (index, live, coins, health, runs, triggers, metrics, page)
    ]
    for router in routers:
        app.include_router(router)
    if settings.docs:
        openapi.add_docs(app)
    app.add_exception_handler(ApiProblem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    access = Access(settings, KeyRing(reads))
    cache_lookup = CacheLookup(response_cache, versions)
    layers = RequestMiddleware(
        Admission(
            routes_of(app, routers), access=access, settings=settings, shared_rates=shared_rates
        ),
        cache_lookup=cache_lookup,
        settings=settings,
        metrics=requests,
        traced=tracer_provider is not None,
    )
    install_layers(app, layers, cache_lookup, tracer_provider)
    app.openapi = Description(app, needs_keys=settings.needs_keys)  # type: ignore[method-assign]
    return app


def _render_problem(request: Request, problem: ApiProblem) -> Response:
    request_id = context_of(request.scope).request_id
    return render(problem, instance=request.scope["path"], request_id=request_id)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)  # noqa: S101 - the handler of this type alone
    return _render_problem(request, error)


_HINTS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is nothing here; GET / lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "This method is not allowed here; see Allow",
}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler of this type alone
    status = error.status_code
    detail = _HINTS.get(status) or phrase(status)
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", ""):
        headers["Allow"] += ", HEAD"  # answered by HeadRequests, which Starlette knows nothing of
    problem = ApiProblem(status=status, detail=detail, headers=headers)
    if status == HTTPStatus.NOT_FOUND and prefers_html(request.headers.get("accept")):
        return page.problem_page(request, problem)
    return _render_problem(request, problem)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler of this type alone
    mistakes = [
        Mistake(parameter=".".join(map(str, each["loc"][1:])) or "*", detail=str(each["msg"]))
        for each in error.errors()
    ]
    return _render_problem(request, InvalidRequest(*mistakes))
