"""The API on a real database, and what fills that as loads would."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine

from support.api import ApiClient, Market, api_client


@pytest.fixture(autouse=True)
def level_of_logs() -> Iterator[None]:
    """Undo what a command that is called in this process sets for the logs of all tests."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    with Market(engine) as market:
        yield market


@pytest.fixture
def api(database: URL) -> Iterator[ApiClient]:
    with api_client(database) as client:
        yield client
