"""The operator's own HTTP server: probes and metrics.

Not Kopf's server: its probe proves only that the event loop runs, and an exception in a custom probe
leaves the request without an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cryptosource_operator.metrics import Metrics

Probe = Callable[[], list[str]]
"""Returns the problems; empty: all is well."""


@asynccontextmanager
async def serve_probes(
    host: str, port: int, *, metrics: Metrics, live: Probe, ready: Probe
) -> AsyncIterator[int]:
    """Serve /healthz, /readyz and /metrics; yield the port.

    Args:
        host: the address to listen on.
        port: 0 lets the system choose.
        metrics: what /metrics shows.
        live: called by /healthz, which answers 503 and the reasons when it returns any.
        ready: called by /readyz, which answers likewise.
    """

    async def show(_: web.Request) -> web.Response:
        text = generate_latest(metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", _probe_handler(live))
    application.router.add_get("/readyz", _probe_handler(ready))
    application.router.add_get("/metrics", show)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _probe_handler(probe: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        problems = probe()
        return web.Response(text="\n".join(problems) or "ok", status=503 if problems else 200)

    return handler
