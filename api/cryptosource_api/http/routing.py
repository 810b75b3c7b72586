"""Routing: plain routes by a look-up of their path, the others by FastAPI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi import APIRouter, FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cryptosource_api.adapters.fastapi import inner_layers
from cryptosource_api.http.plain_route import PlainRoute


def plain_routes(routers: Iterable[APIRouter]) -> dict[str, PlainRoute]:
    """Return the plain routes without path parameters, by path."""
    return {
        route.path: route
        for router in routers
        for route in router.routes
        if isinstance(route, PlainRoute) and "{" not in route.path
    }


class PlainRoutes:
    """Calls plain routes by a look-up of the path; leaves the others to FastAPI.

    Args:
        app: FastAPI's.
        routes: from `plain_routes`.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, PlainRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on to FastAPI.

        Raises:
            ApiProblem: of the route; `RequestMiddleware` answers it.
        """
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] not in (route.methods or ()):
            await self._app(scope, receive, send)
            return
        # FastAPI sets it when it finds a route; metrics take the label from it.
        scope["route"] = route
        response = await route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def routes_of(app: FastAPI, routers: Iterable[APIRouter]) -> ASGIApp:
    """Return the ASGI application of an application's routes and exception handlers.

    Args:
        app: with all its routes and exception handlers, and no middleware.
        routers: those that the application includes.
    """
    return HeadRequests(PlainRoutes(inner_layers(app), plain_routes(routers)))


class _HeadSent(Exception):
    """Raised to end a streamed answer to HEAD once its head was sent."""


class HeadRequests:
    """Answers HEAD as GET without the body.

    Args:
        app: answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        inner = {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The inner scope is a copy; metrics look at the outer one.
                scope["route"] = inner.get("route")
                await send(message)
            elif message["type"] == "http.response.body":
                await send({"type": "http.response.body", "body": b""})
                if message.get("more_body", False):
                    raise _HeadSent

        try:
            await self._app(inner, receive, send_head)
        except* _HeadSent:  # a response that streams in a task group raises a group
            pass
