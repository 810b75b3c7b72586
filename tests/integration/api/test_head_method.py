"""HEAD wherever GET is."""

from __future__ import annotations

import pytest

from support.api import ApiClient, Market

SAME = ("content-type", "etag", "cache-control", "content-security-policy", "vary")


@pytest.mark.parametrize(
    "path", ["/", "/data", "/data/BTC", "/health", "/stats", "/openapi.json", "/docs", "/metrics"]
)
def test_head_is_get_without_the_body(api: ApiClient, market: Market, path: str):
    market.coin("BTC", market.source("gecko"))
    got, head = api.get(path), api.request("HEAD", path)

    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert int(head.headers["content-length"]) > 0
    assert [head.headers.get(name) for name in SAME] == [got.headers.get(name) for name in SAME]


def test_head_of_what_is_not_there_or_is_held_already(api: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))
    etag = api.get("/data").headers["etag"]

    assert api.request("HEAD", "/data/NOPE").status_code == 404
    assert api.request("HEAD", "/data", headers={"If-None-Match": etag}).status_code == 304


def test_head_of_an_export_does_not_make_the_export(api: ApiClient, market: Market):
    market.coin("BTC", market.source("gecko"))
    head = api.request("HEAD", "/data?format=csv")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/csv")


def test_head_is_told_among_the_methods_and_counted_by_its_route(api: ApiClient):
    assert api.request("DELETE", "/data").headers["allow"] == "GET, HEAD"
    api.request("HEAD", "/data")

    assert (
        'api_requests_total{method="HEAD",route="/data",status="200"}' in api.get("/metrics").text
    )
