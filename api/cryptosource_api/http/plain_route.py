"""Routes whose functions take the request and its path parameters, and return a response.

FastAPI's own handler solves dependencies, reads bodies and serializes models. Our routes have none
of these, and the unused machinery costs as much as a query for a coin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class PlainRoute(APIRoute):
    """For `APIRouter(route_class=…)`; it appears in OpenAPI as any other route does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that calls the function with the request and its path parameters."""
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint

        async def handle(request: Request) -> Response:
            return await endpoint(request, **request.path_params)

        return handle
