"""Routes whose functions take the request and the parts of its path, and return a response.

FastAPI's own handler solves dependencies, reads bodies and serializes models; none of ours has
any, and doing it for nothing costs as much as asking Postgres for a coin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class PlainRoute(APIRoute):
    """For `APIRouter(route_class=…)`; what it declares stands in OpenAPI as with any route."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what calls the function with the request and the parts of its path."""
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            return await endpoint(request, **request.path_params)

        return handle
