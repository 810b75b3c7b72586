"""docs/openapi.json: current, and nothing in it goes away under the same version."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hack import openapi

Description = dict[str, Any]
BEFORE: Description = {
    "info": {"version": "1.0.0"},
    "paths": {
        "/coins": {
            "get": {
                "parameters": [{"name": "limit", "in": "query", "required": False}],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Coins"}},
                            "text/csv": {"schema": {"type": "string"}},
                        }
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Coins": {"properties": {"data": {"items": {"$ref": "#/components/schemas/Coin"}}}},
            "Coin": {
                "properties": {
                    "id": {"type": "string"},
                    "forks": {"items": {"$ref": "#/components/schemas/Coin"}},
                }
            },
        }
    },
}


def test_the_committed_description_is_the_one_that_is_served():
    assert openapi.render() == openapi.OUTPUT.read_text("utf-8"), "run make generate"


def list_of(description: Description) -> Any:
    return description["paths"]["/coins"]["get"]


LOSSES: list[tuple[str, Callable[[Description], object]]] = [
    ("GET /coins", lambda new: new["paths"].pop("/coins")),
    ("GET /coins", lambda new: new["paths"]["/coins"].pop("get")),
    ("GET /coins: query parameter limit", lambda new: list_of(new)["parameters"].clear()),
    (
        "GET /coins: may be asked without query parameter limit",
        lambda new: list_of(new)["parameters"][0].update(required=True),
    ),
    (
        "GET /coins: may be asked without header parameter If-Match",
        lambda new: list_of(new)["parameters"].append(
            {"name": "If-Match", "in": "header", "required": True}
        ),
    ),
    (
        "GET /coins: 200 text/csv of its answer",
        lambda new: list_of(new)["responses"]["200"]["content"].pop("text/csv"),
    ),
    (
        "GET /coins: 200 application/json data > id of its answer",
        lambda new: new["components"]["schemas"]["Coin"]["properties"].pop("id"),
    ),
]


@pytest.mark.parametrize(("loss", "change"), LOSSES)
def test_what_a_client_loses_is_named(loss: str, change: Callable[[Description], object]):
    after = deepcopy(BEFORE)
    change(after)

    assert list(openapi.losses(BEFORE, after)) == [loss]


def test_what_is_added_takes_nothing_away():
    after = deepcopy(BEFORE)
    after["paths"]["/coins/{id}"] = {"get": {"responses": {}}}
    list_of(after)["parameters"].append({"name": "page", "in": "query"})
    after["components"]["schemas"]["Coin"]["properties"]["name"] = {"type": "string"}

    assert list(openapi.losses(BEFORE, after)) == []


@pytest.mark.parametrize(("version", "code"), [("1.0.0", 1), ("2.0.0", 0)])
def test_a_loss_is_written_under_a_new_version_alone(
    version: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written = tmp_path / "docs" / "openapi.json"
    written.parent.mkdir()
    written.write_text(json.dumps(BEFORE), "utf-8")
    after = {**deepcopy(BEFORE), "info": {"version": version}, "paths": {}}
    monkeypatch.setattr(openapi, "OUTPUT", written)
    monkeypatch.setattr(openapi, "description", lambda: after)

    assert openapi.main() == code
    assert json.loads(written.read_text("utf-8")) == (after if code == 0 else BEFORE)
