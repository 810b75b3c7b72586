"""Fixtures of the API's tests on a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine

from support.api import ApiClient, Market, api_client


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    market = Market(engine)
    yield market
    market.close()


@pytest.fixture
def api(database: URL) -> Iterator[ApiClient]:
    with api_client(database) as client:
        yield client
