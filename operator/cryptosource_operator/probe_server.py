"""The operator's own HTTP server: probes and metrics.

Not Kopf's: its probe proves only that the loop runs, and an error in a probe of one's own makes the
request hang.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cryptosource_operator.metrics import Metrics

Probe = Callable[[], list[str]]
"""Returns what is wrong; empty: nothing."""


@asynccontextmanager
async def serving(
    host: str, port: int, *, metrics: Metrics, live: Probe, ready: Probe
) -> AsyncIterator[int]:
    """Serve /healthz, /readyz and /metrics; yield the port.

    Args:
        host: where to listen.
        port: 0 lets the system choose.
        metrics: what /metrics shows.
        live: asked by /healthz, which answers 503 and the reasons when something is wrong.
        ready: asked by /readyz.
    """

    async def show(_: web.Request) -> web.Response:
        text = generate_latest(metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", _answer(live))
    application.router.add_get("/readyz", _answer(ready))
    application.router.add_get("/metrics", show)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _answer(probe: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        wrong = probe()
        return web.Response(text="\n".join(wrong) or "ok", status=503 if wrong else 200)

    return handler
