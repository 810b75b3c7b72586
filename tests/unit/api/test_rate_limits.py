"""The cell rate algorithm in exact time, and what is remembered of clients."""

from __future__ import annotations

import pytest

from cryptosource_api.http import rate_limits
from cryptosource_api.http.client_address import parse_networks
from cryptosource_api.http.rate_limits import LocalBuckets, Rate
from cryptosource_api.settings import ApiSettings
from cryptosource_store.environment import InvalidSetting

SIX = Rate(name="key", per_minute=6)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: now[0])
    return now


def test_a_minutes_worth_may_come_at_once_and_then_one_each_interval(clock: list[float]):
    buckets = LocalBuckets()
    at_once = [buckets.take("a", SIX) for _ in range(7)]

    assert [count.allowed for count in at_once] == [True] * 6 + [False]
    assert [count.remaining for count in at_once] == [5, 4, 3, 2, 1, 0, 0]
    assert at_once[6].refusal().headers["Retry-After"] == "10"
    clock[0] += 10
    assert [buckets.take("a", SIX).allowed for _ in range(2)] == [True, False]
    clock[0] += 3600
    assert sum(buckets.take("a", SIX).allowed for _ in range(20)) == 6


def test_a_refused_request_costs_nothing(clock: list[float]):
    buckets = LocalBuckets()
    for _ in range(1000):
        buckets.take("a", SIX)
    clock[0] += 10

    assert buckets.take("a", SIX).allowed


def test_remembered_clients_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rate_limits, "MAX_BUCKETS", 10)
    buckets = LocalBuckets()
    for number in range(50):
        buckets.take(str(number), SIX)

    assert len(buckets) == 10


def test_settings_name_what_is_wrong_with_proxies_and_redis_and_show_no_password():
    settings = ApiSettings.from_environ(
        {
            "CRYPTOSOURCE_API_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::/32",
            "CRYPTOSOURCE_REDIS_URL": "redis://:canary@cache:6379/0",
        }
    )
    assert settings.trusted_proxies == parse_networks("10.0.0.0/8 2001:db8::/32")
    assert "canary" not in repr(settings)
    with pytest.raises(InvalidSetting, match=r"CRYPTOSOURCE_API_TRUSTED_PROXIES.*10\.0\.0\.0/8"):
        ApiSettings.from_environ({"CRYPTOSOURCE_API_TRUSTED_PROXIES": "10.0.0.1/8"})
    with pytest.raises(InvalidSetting, match="CRYPTOSOURCE_REDIS_URL: write redis://") as caught:
        ApiSettings.from_environ({"CRYPTOSOURCE_REDIS_URL": "canary@cache"})
    assert "canary" not in str(caught.value)
