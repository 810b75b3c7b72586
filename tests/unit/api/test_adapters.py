"""The internals that `cryptosource_api.adapters` relies on are there, in the versions installed.

When a dependency changes one of them these tests fail first and name it; then read its release notes,
mend the adapter, and raise the upper bound in pyproject.toml.
"""

from __future__ import annotations

import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from packaging.requirements import Requirement
from starlette.middleware.errors import ServerErrorMiddleware
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.websockets import websockets_sansio_impl

from cryptosource_api.adapters.fastapi import inner_layers
from cryptosource_api.adapters.opentelemetry import is_sampled, root_sampler

ROOT = Path(__file__).parents[3]
BOUNDED = ("fastapi", "starlette", "uvicorn", "opentelemetry-sdk")
OVERRIDDEN = (
    "connection_made",
    "connection_lost",
    "data_received",
    "pause_writing",
    "resume_writing",
    "on_message_begin",
    "on_header",
    "on_headers_complete",
    "on_message_complete",
    "on_response_complete",
    "send_400_response",
    "handle_websocket_upgrade",
    "timeout_keep_alive_handler",
)


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", BOUNDED)
def test_a_dependency_whose_internals_are_used_is_bounded_from_above(name: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needs = [Requirement(each) for each in declared["project"]["optional-dependencies"]["api"]]
    (need,) = [each for each in needs if each.name == name]

    assert any(each.operator == "<" for each in need.specifier)
    assert version(name) in need.specifier


@pytest.mark.parametrize("method", OVERRIDDEN)
def test_uvicorn_calls_the_methods_that_are_overridden(method: str) -> None:
    assert callable(getattr(httptools_impl.HttpToolsProtocol, method))
    source = inspect.getsource(httptools_impl) + inspect.getsource(
        inspect.getmodule(uvicorn.Server)
    )
    callbacks = {"connection_made", "connection_lost", "data_received"}  # asyncio's own
    parsed = {"on_message_begin", "on_header", "on_headers_complete", "on_message_complete"}
    flow = {"pause_writing", "resume_writing"}
    if method not in callbacks | parsed | flow:
        assert source.count(f".{method}") >= 1, f"uvicorn {version('uvicorn')} never calls {method}"


def test_uvicorn_makes_its_protocol_as_the_adapter_expects() -> None:
    assert parameters(httptools_impl.HttpToolsProtocol.__init__)[1:] == [
        "config",
        "server_state",
        "app_state",
        "_loop",
    ]
    source = inspect.getsource(httptools_impl.HttpToolsProtocol.__init__)
    for attribute in ("loop", "parser", "transport", "cycle", "headers", "connections"):
        assert f"self.{attribute}" in source or f"self.{attribute}:" in source
    assert 503 in httptools_impl.STATUS_LINE


def test_uvicorn_knows_a_request_by_its_cycle() -> None:
    source = inspect.getsource(httptools_impl.RequestResponseCycle.__init__)
    for attribute in ("disconnected", "message_event", "response_started", "response_complete"):
        assert f"self.{attribute}" in source


def test_uvicorn_complains_of_a_handshake_by_the_attribute_that_the_adapter_sets() -> None:
    source = inspect.getsource(websockets_sansio_impl.WebSocketsSansIOProtocol)

    assert "self.handshake_complete" in source
    assert parameters(websockets_sansio_impl.WebSocketsSansIOProtocol.send) == ["self", "message"]


def test_fastapi_builds_its_layers_when_they_are_first_needed() -> None:
    app = FastAPI()
    served: list[str] = []

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        served.append(scope["type"])

    app.build_middleware_stack = lambda: layer  # type: ignore[method-assign]
    with pytest.raises(StopIteration):
        app({"type": "http", "app": app}, None, None).send(None)  # type: ignore[arg-type]

    assert served == ["http"]


def test_fastapis_outermost_layer_is_starlettes_and_holds_the_rest() -> None:
    app = FastAPI()

    assert inner_layers(app) is not None
    assert isinstance(app.build_middleware_stack(), ServerErrorMiddleware)


def test_another_outermost_layer_is_refused_with_words() -> None:
    app = FastAPI()
    app.build_middleware_stack = object  # type: ignore[method-assign, assignment]

    with pytest.raises(TypeError, match="the outermost layer is object"):
        inner_layers(app)


def test_a_parent_based_sampler_shows_what_decides_without_a_parent() -> None:
    ratio = TraceIdRatioBased(0.25)

    assert root_sampler(ParentBased(ratio)) is ratio
    assert root_sampler(ALWAYS_ON) is None


def test_a_ratio_takes_the_traces_that_its_sampler_records() -> None:
    ratio = TraceIdRatioBased(0.25)
    ids = [RandomIdGenerator().generate_trace_id() for _ in range(500)]

    decided = [ratio.should_sample(None, each, "GET ").decision.is_sampled() for each in ids]

    assert [is_sampled(ratio, each) for each in ids] == decided
    assert any(decided)
    assert not all(decided)
