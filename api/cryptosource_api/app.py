"""The application: routes, problems, middleware, services."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cryptosource_api.cache import AnswerCache
from cryptosource_api.context import context_of
from cryptosource_api.middleware import RequestMiddleware
from cryptosource_api.problems import ApiProblem, InvalidRequest, Mistake, render
from cryptosource_api.reads import Reads
from cryptosource_api.routes import data, docs, health, index, stats
from cryptosource_api.routes.declaring import PROBLEM_SCHEMA
from cryptosource_api.services import Services
from cryptosource_api.settings import ApiSettings
from cryptosource_api.telemetry import instrument
from cryptosource_api.versions import VersionWatch

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

DESCRIPTION = """Crypto market data out of Postgres, one record a coin across sources.

Amounts are JSON numbers with all their digits; read them as decimals. Times are UTC. Unknown is
null, never 0. Errors are `application/problem+json`."""


def create_app(
    settings: ApiSettings, engine: Engine, *, tracer_provider: TracerProvider | None = None
) -> FastAPI:
    """Return the application.

    Args:
        settings: limits and sizes.
        engine: what to read with; see `reads.api_engine`. The caller disposes of it.
        tracer_provider: trace requests with it; None traces nothing.
    """
    app = FastAPI(
        title="CryptoSource",
        version=version("cryptosource"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    reads = Reads(engine, turns=settings.pool_size, wait_seconds=settings.pool_wait_seconds)
    app.state.services = Services(
        reads=reads,
        versions=VersionWatch(reads, max_age_seconds=settings.version_check_seconds),
        answers=AnswerCache(settings.cache_bytes),
    )
    for routes in (index, data, health, stats):
        app.include_router(routes.router)
    docs.add_docs(app)
    app.add_exception_handler(ApiProblem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_middleware(RequestMiddleware, settings=settings)
    app.openapi = _OpenAPI(app)  # type: ignore[method-assign]
    if tracer_provider is not None:
        instrument(app, tracer_provider)
    return app


def _rendered(request: Request, problem: ApiProblem) -> Response:
    request_id = context_of(request.scope).request_id
    return render(problem, instance=request.scope["path"], request_id=request_id)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)  # noqa: S101 - registered for nothing else
    return _rendered(request, error)


_HINTS = {
    HTTPStatus.NOT_FOUND: "There is nothing here; GET / lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "This method is not allowed here; see Allow",
}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    status = HTTPStatus(error.status_code)
    detail = _HINTS.get(status, status.phrase)
    problem = ApiProblem(status=status, detail=detail, headers=dict(error.headers or {}))
    return _rendered(request, problem)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    mistakes = [
        Mistake(parameter=".".join(map(str, each["loc"][1:])) or "*", detail=str(each["msg"]))
        for each in error.errors()
    ]
    return _rendered(request, InvalidRequest(*mistakes))


class _OpenAPI:
    """Builds the description once, with the problem's schema and without FastAPI's own errors."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._schema: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._schema is None:
            app = self._app
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            schemas = schema["components"]["schemas"]
            definitions = PROBLEM_SCHEMA.get("$defs", {})
            problem = {key: value for key, value in PROBLEM_SCHEMA.items() if key != "$defs"}
            schemas.update({"Problem": problem, **definitions})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            self._schema = schema
        return self._schema
