"""What is remembered of a key, and for how long, by a clock of the test's own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cryptosource_api.http import api_keys
from cryptosource_api.http.api_keys import MAX_AGE_SECONDS, KeyRing
from cryptosource_store.api_keys import MintedKey, mint


class Rows:
    """Stands for the database: a row, and how often it was asked for."""

    def __init__(self, minted: MintedKey, *, seconds_left: float | None) -> None:
        self.row: dict[str, Any] | None = {
            "name": "someone",
            "digest": minted.digest,
            "scopes": ["read"],
            "seconds_left": seconds_left,
            "use_is_news": False,
        }
        self.asked = 0

    async def __call__(self, _: object) -> dict[str, Any] | None:
        """Answer."""
        self.asked += 1
        return self.row


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    standing = Clock()
    monkeypatch.setattr(api_keys, "time", standing)
    return standing


def asks(ring: KeyRing, minted: MintedKey) -> bool:
    return asyncio.run(ring.identity(minted.key)) is not None


def test_a_key_ends_at_its_expiry_though_it_is_remembered(clock: Clock):
    minted = mint()
    rows = Rows(minted, seconds_left=2.0)
    ring = KeyRing(rows)  # type: ignore[arg-type]
    assert asks(ring, minted)

    clock.now += 2.1

    assert not asks(ring, minted)
    assert rows.asked == 1


def test_an_answer_is_believed_for_its_seconds_and_not_for_more(clock: Clock):
    minted = mint()
    rows = Rows(minted, seconds_left=None)
    ring = KeyRing(rows)  # type: ignore[arg-type]
    assert asks(ring, minted)
    rows.row = None  # revoked

    clock.now += MAX_AGE_SECONDS - 0.1
    assert asks(ring, minted)
    clock.now += 0.2
    assert not asks(ring, minted)
    assert rows.asked == 2
