"""The page on a real database, asked as a browser asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, Engine

from support.api import ApiClient, Market, api_client
from support.html import Element, parse

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

Show = Callable[..., Element]


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    market = Market(engine)
    yield market
    market.close()


@pytest.fixture
def api(database: URL) -> Iterator[ApiClient]:
    with api_client(database) as client:
        yield client


@pytest.fixture
def show(api: ApiClient) -> Show:
    """Return a page's tree, after the status has been checked."""

    def show(path: str, status: int = 200) -> Element:
        answer = api.get(path, headers=BROWSER)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return parse(answer.text)

    return show


@pytest.fixture
def parsed() -> Callable[[dict[str, str]], dict[str, Element]]:
    """Return path -> tree for path -> markup."""
    return lambda pages: {path: parse(markup) for path, markup in pages.items()}
