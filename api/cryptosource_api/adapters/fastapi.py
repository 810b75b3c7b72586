"""FastAPI's middleware stack, whose outermost layer is replaced by our own layers.

FastAPI builds the stack on the first request, by `build_middleware_stack`, which is no public
extension point. Its outermost layer would answer errors before `RequestMiddleware` can.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp


def inner_layers(app: FastAPI) -> ASGIApp:
    """Return the layers inside FastAPI's outermost one: exception handlers and routes.

    Args:
        app: with all its routes and exception handlers, and no middleware.

    Raises:
        TypeError: this version of Starlette has another outermost layer.
    """
    outermost = app.build_middleware_stack()
    if not isinstance(outermost, ServerErrorMiddleware):
        # Starlette changed its stack: peeling off another layer would drop error handling.
        raise TypeError(f"the outermost layer is {type(outermost).__name__}; see this module")
    return outermost.app


def replace_layers(app: FastAPI, build: Callable[[], ASGIApp]) -> None:
    """Make an application serve requests through other layers than FastAPI's.

    Args:
        app: before its first request.
        build: returns the layers; called once, on the first request.
    """
    app.build_middleware_stack = build  # type: ignore[method-assign]


def traced_layers(
    app: FastAPI, layers: ASGIApp, provider: TracerProvider, *, excluded_urls: str
) -> Callable[[], ASGIApp]:
    """Instrument an application; return a builder of its layers wrapped in OpenTelemetry's.

    No span is made for each message sent or received, and no metric: `RequestMetrics` has those.

    Args:
        app: before its first request; it then serves requests through the result.
        layers: from our outermost one to the routes.
        provider: makes the spans.
        excluded_urls: a regular expression of URLs that are not traced.
    """
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

    # The instrumentation wraps whatever Starlette's outermost layer contains, so one is needed here.
    replace_layers(app, lambda: ServerErrorMiddleware(layers))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        excluded_urls=excluded_urls,
        exclude_spans=["receive", "send"],
    )
    return app.build_middleware_stack
