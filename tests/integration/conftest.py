"""The API on a real database, and what fills that as loads would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Engine

from support.api import ApiClient, Market, api_client


@pytest.fixture
def market(engine: Engine) -> Iterator[Market]:
    with Market(engine) as market:
        yield market


@pytest.fixture
def api(database: URL) -> Iterator[ApiClient]:
    with api_client(database) as client:
        yield client
