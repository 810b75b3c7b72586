"""An API server on loopback that serves lists, and plays scripted watches one after another."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

Event = dict[str, Any]

SERVED = {
    "api/v1": {"namespaces": "Namespace"},
    "apis/cryptosource.io/v1alpha1": {"cryptosources": "CryptoSource"},
    "apis/batch/v1": {"cronjobs": "CronJob", "jobs": "Job"},
}
LISTED = {"cryptosources", "cronjobs", "jobs"}
LIST_VERSION = "100"
PATIENCE_SECONDS = 20
UNAUTHORIZED = 401


@dataclass(frozen=True)
class Asked:
    """One request for a list or a watch."""

    method: str
    path: str
    query: dict[str, str]

    @property
    def plural(self) -> str:
        """Return what was asked for."""
        return self.path.rpartition("/")[2]

    @property
    def watch(self) -> bool:
        """Return whether it asks for a watch."""
        return self.query.get("watch") == "true"


class FakeKubernetes:
    """What it serves, what it was asked, and when."""

    def __init__(self) -> None:
        self.objects: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        """By plural; the same under every namespace."""
        self.watches: defaultdict[str, list[list[Event]]] = defaultdict(list)
        """By plural: the events of each watch, which then ends. When none is left it stays open."""
        self.refusals: defaultdict[str, list[int]] = defaultdict(list)
        """By plural: status codes of the next requests."""
        self.asked: list[Asked] = []
        self.elsewhere: list[str] = []
        """Method and path of whatever else was asked, discovery apart."""
        self.tokens = ["token-1"]
        """The last one is taken. A refusal of 401 adds one, and the kubeconfig then names it."""
        self.sent = 0
        """Objects in lists, and events of watches that are about one."""
        self._open: set[str] = set()
        self._server, self._kubeconfig = "", Path()
        self._changed = asyncio.Condition()

    def lists(self, plural: str) -> list[dict[str, str]]:
        """Return the queries of the requests for a list."""
        return [one.query for one in self.asked if one.plural == plural and not one.watch]

    def watched(self, plural: str) -> list[dict[str, str]]:
        """Return the queries of the requests for a watch."""
        return [one.query for one in self.asked if one.plural == plural and one.watch]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so after a request; an error when it never is."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(holds), PATIENCE_SECONDS)

    async def all_open(self) -> None:
        """Wait until every kind is watched and nothing is left to be sent."""
        await self.until(lambda: self._open == LISTED)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer whatever is asked."""
        path = request.path.strip("/")
        if path in {"api", "apis", *SERVED}:
            return web.json_response(_discovery(path))
        plural = path.rpartition("/")[2]
        if plural not in LISTED:
            self.elsewhere.append(f"{request.method} {request.path}")
            return web.json_response({}, status=404)
        asked = Asked(request.method, request.path, dict(request.query))
        self.asked.append(asked)
        async with self._changed:
            self._changed.notify_all()
        code = self.refusals[plural].pop(0) if self.refusals[plural] else 0
        if code == UNAUTHORIZED:
            self.tokens.append(f"token-{len(self.tokens) + 1}")
            self.write_kubeconfig()
        if request.headers["Authorization"] != f"Bearer {self.tokens[-1]}":
            code = UNAUTHORIZED
        if code:
            return web.json_response({"kind": "Status", "code": code}, status=code)
        return await self._watch(request, plural) if asked.watch else self._list(asked)

    def serve(self, server: str, kubeconfig: Path) -> None:
        """Be found at an address by whoever reads a kubeconfig."""
        self._server, self._kubeconfig = server, kubeconfig
        self.write_kubeconfig()

    def write_kubeconfig(self) -> None:
        """Write where it is, and the token that it takes."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self._server}}],
            "users": [{"name": "u", "user": {"token": self.tokens[-1]}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        self._kubeconfig.write_text(json.dumps(document), "utf-8")

    def _list(self, asked: Asked) -> web.Response:
        start = int(asked.query.get("continue") or 0)
        stop = start + int(asked.query.get("limit") or 1_000_000)
        items = self.objects[asked.plural]
        self.sent += len(items[start:stop])
        metadata = {"resourceVersion": LIST_VERSION, "continue": str(stop)}
        if stop >= len(items):
            metadata["continue"] = ""
        return web.json_response({"metadata": metadata, "items": items[start:stop]})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        if self.watches[plural]:
            await self._play(answer, self.watches[plural].pop(0))
            return answer
        self._open.add(plural)
        async with self._changed:
            self._changed.notify_all()
        await asyncio.Event().wait()  # until the client goes
        return answer

    async def _play(self, answer: web.StreamResponse, events: Iterable[Event]) -> None:
        for event in events:
            self.sent += event["type"] in {"ADDED", "MODIFIED", "DELETED"}
            await answer.write(json.dumps(event).encode() + b"\n")


def _discovery(path: str) -> dict[str, Any]:
    if path == "api":
        return {"versions": ["v1"]}
    if path == "apis":
        versions = [name.split("/")[1:] for name in SERVED if name.startswith("apis/")]
        return {
            "groups": [
                {
                    "name": group,
                    "versions": [{"version": version}],
                    "preferredVersion": {"version": version},
                }
                for group, version in versions
            ]
        }
    return {
        "resources": [
            {
                "name": plural,
                "singularName": kind.lower(),
                "kind": kind,
                "namespaced": True,
                "verbs": ["list", "watch"],
            }
            for plural, kind in SERVED[path].items()
        ]
    }


@asynccontextmanager
async def serving(kubernetes: FakeKubernetes, kubeconfig: Path) -> AsyncIterator[None]:
    """Serve it, and write a kubeconfig that leads to it."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", kubernetes.answer)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        kubernetes.serve(f"http://127.0.0.1:{runner.addresses[0][1]}", kubeconfig)
        yield
    finally:
        await runner.cleanup()
