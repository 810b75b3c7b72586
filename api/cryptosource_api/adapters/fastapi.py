"""FastAPI's stack of middleware, as far as our own layers replace parts of it.

FastAPI builds the stack when the first request comes, from `build_middleware_stack`, which is a
method that applications are not meant to replace. Its outermost layer would answer errors before
`RequestMiddleware` can, so ours stand in its place.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp


def inner_layers(app: FastAPI) -> ASGIApp:
    """Return what FastAPI runs within its outermost layer: exception handlers and routes.

    Args:
        app: with all its routes and exception handlers, and no middleware.

    Raises:
        TypeError: this version of Starlette has another outermost layer.
    """
    outermost = app.build_middleware_stack()
    if not isinstance(outermost, ServerErrorMiddleware):
        raise TypeError(f"the outermost layer is {type(outermost).__name__}; see this module")
    return outermost.app


def replace_layers(app: FastAPI, build: Callable[[], ASGIApp]) -> None:
    """Let an application serve by other layers than its own.

    Args:
        app: before its first request.
        build: returns the layers; called once, with the first request.
    """
    app.build_middleware_stack = build  # type: ignore[method-assign]


def traced_layers(
    app: FastAPI, layers: ASGIApp, provider: TracerProvider, *, excluded_urls: str
) -> Callable[[], ASGIApp]:
    """Instrument an application and return what builds its layers within OpenTelemetry's own.

    No span is made for each message sent and received, and no metric: those are ours.

    Args:
        app: before its first request; it serves by the result.
        layers: from the first of our own to the routes.
        provider: makes the spans.
        excluded_urls: a regular expression of URLs that are not traced.
    """
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    # The instrumentation looks for Starlette's outermost layer and puts its own within.
    replace_layers(app, lambda: ServerErrorMiddleware(layers))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        excluded_urls=excluded_urls,
        exclude_spans=["receive", "send"],
    )
    return app.build_middleware_stack
