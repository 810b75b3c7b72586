"""Databases by the dozen, for tests that compare the outcome of several histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import URL

from support import postgres as postgres_support


@pytest.fixture
def make_database(postgres: URL, migrated_template: str) -> Iterator[Callable[[], URL]]:
    """Return a maker of migrated, empty databases, all dropped at the end."""
    with ExitStack() as stack:

        def make() -> URL:
            context = postgres_support.database(postgres, template=migrated_template)
            return stack.enter_context(context)

        yield make
