"""A virtual clock, and a client that may reach loopback and nothing else that is private."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cryptosource_etl.http import (
    CircuitBreaker,
    EgressPolicy,
    HttpClient,
    HttpLimits,
    RetryPolicy,
    TokenBucket,
    parse_cidrs,
)

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


class VirtualClock:
    """Time that passes only while somebody sleeps, or by `tick` at every look."""

    def __init__(self, *, tick: float = 0.0) -> None:
        self.elapsed = 0.0
        self.tick = tick
        self.sleeps: list[float] = []

    def now(self):
        return START + timedelta(seconds=self.elapsed)

    def monotonic(self):
        self.elapsed += self.tick
        return self.elapsed

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.elapsed += seconds

    def check(self):
        pass


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture(scope="session")
def virtual():
    return VirtualClock


@pytest.fixture
def make_client(clock):
    clients = []

    def make(*, limits=None, retry=None, allow="127.0.0.0/8", **over):
        timing = over.pop("clock", clock)
        parts = {
            "settings": HttpLimits(**({"connect_seconds": 5.0} | (limits or {}))),
            "retry": RetryPolicy(**(retry or {})),
            "limiter": TokenBucket(requests_per_minute=60_000, burst=1000, clock=timing),
            "egress": EgressPolicy(parse_cidrs(allow)),
            "clock": timing,
            "breaker": CircuitBreaker(timing),
            "user_agent": "CryptoSource/test",
            "random": lambda: 0.5,
        }
        client = HttpClient(**(parts | over))
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
