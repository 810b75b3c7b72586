"""The page on a real database, asked as a browser asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.api import ApiClient
from support.html import Element, parse

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

Show = Callable[..., Element]


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
