"""A market per test, small and frozen."""

from __future__ import annotations

import pytest

from support.market import running_market


@pytest.fixture
def market():
    """30 coins per vendor at noon on 2026-01-15."""
    with running_market(coins=30) as running:
        yield running
