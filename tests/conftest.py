"""Fixtures every suite may ask for. What only one suite needs lives beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, Engine

from cryptosource_store.engine import session_engine
from support import postgres as postgres_support
from support.oracle import contradictions

CHECKOUT = Path(__file__).parents[1]

# How fast the machine is says nothing about the code: timings belong in benchmarks.
settings.register_profile(
    "claims", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("claims")


@pytest.fixture(scope="session")
def postgres() -> Iterator[URL]:
    """A running server, for the whole session."""
    with postgres_support.server() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres: URL) -> Iterator[str]:
    """A migrated database to copy."""
    with postgres_support.migrated_template(postgres) as name:
        yield name


@pytest.fixture
def database(postgres: URL, migrated_template: str) -> Iterator[URL]:
    """A migrated, empty database of the test's own."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(postgres: URL, migrated_template: str) -> Iterator[URL]:
    """A migrated, empty database that the tests of a module share."""
    with postgres_support.database(postgres, template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database(postgres: URL) -> Iterator[URL]:
    """A database of the test's own without a schema."""
    with postgres_support.database(postgres) as url:
        yield url


@pytest.fixture
def make_database(postgres: URL, migrated_template: str) -> Iterator[Callable[[], URL]]:
    """Return a maker of migrated, empty databases, all dropped at the end."""
    with ExitStack() as stack:

        def make() -> URL:
            context = postgres_support.database(postgres, template=migrated_template)
            return stack.enter_context(context)

        yield make


@pytest.fixture
def consistent(database: URL) -> Iterator[None]:
    """Check at the end of the test that no two tables contradict each other."""
    yield
    assert contradictions(database) == {}


@pytest.fixture
def engine(database: URL) -> Iterator[Engine]:
    """An engine on the test's database."""
    engine = session_engine(database, application="cryptosource-test")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def recorded_data() -> Path:
    """The folder of recorded market data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("CRYPTOSOURCE_RECORDED_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no recorded market data beside the checkout")
    return folder
