from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_cli.run_factory import source_uid
from cryptosource_crd.effective import (
    api_key_header,
    api_key_variable,
    base_url,
    effective_rate_limit,
    monthly_quota,
    plan_of,
)
from cryptosource_crd.v1alpha1 import VENDORS
from support.sources import make_source

# member -> base, key header, requests per minute, burst, requests per month
PRESETS = [
    ("coinPaprika", "Free", "https://api.coinpaprika.com/v1", None, 600, 10, 20_000),
    ("coinPaprika", "Pro", "https://api-pro.coinpaprika.com/v1", "Authorization", 600, 10, 10**6),
    ("coinPaprika", "Enterprise", "https://api-pro.coinpaprika.com/v1", "Authorization", 600, 10, None),
    ("coinGecko", "Keyless", "https://api.coingecko.com/api/v3", None, 5, 1, None),
    ("coinGecko", "Demo", "https://api.coingecko.com/api/v3", "x-cg-demo-api-key", 30, 5, 10_000),
    ("coinGecko", "Basic", "https://pro-api.coingecko.com/api/v3", "x-cg-pro-api-key", 300, 10, 100_000),
    ("coinGecko", "Analyst", "https://pro-api.coingecko.com/api/v3", "x-cg-pro-api-key", 500, 10, 500_000),
]  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_a_plan_sets_base_header_rate_and_quota(preset):
    member, plan, base, header, rate, burst, quota = preset
    spec = make_source(**{member: {"plan": plan}}).spec

    assert base_url(spec) == base
    assert api_key_header(spec) == header
    limit = effective_rate_limit(spec)
    assert (limit.requests_per_minute, limit.burst) == (rate, burst)
    assert monthly_quota(spec) == quota


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.source_type)
def test_every_plan_of_the_schema_has_figures_and_says_where_they_come_from(vendor):
    names = vendor.settings.model_json_schema(by_alias=True)["properties"]["plan"]["enum"]

    assert names == list(vendor.plans)
    assert all(plan.fact for plan in vendor.plans.values())


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.source_type)
def test_every_vendor_has_a_member_of_its_own_that_may_be_left_out(vendor):
    spec = make_source(type=vendor.source_type).spec

    assert spec.vendor is vendor
    assert isinstance(spec.vendor_settings, vendor.settings)
    assert plan_of(spec) in vendor.plans.values()


def test_each_type_has_a_variable_for_its_key():
    found = {kind: api_key_variable(make_source(type=kind).spec) for kind in ("CoinGecko", "Acme2")}

    assert found == {"CoinGecko": "COINGECKO_API_KEY", "Acme2": "ACME2_API_KEY"}


def test_the_spec_goes_before_the_plan():
    spec = make_source(
        coinGecko={"plan": "Demo", "baseUrl": "http://127.0.0.1:9/api/v3/", "monthlyQuota": 7},
        rateLimit={"requestsPerMinute": 100, "burst": 3},
    ).spec

    assert base_url(spec) == "http://127.0.0.1:9/api/v3"
    assert monthly_quota(spec) == 7
    assert effective_rate_limit(spec).requests_per_minute == 100
    assert api_key_header(spec) == "x-cg-demo-api-key"


def test_files_and_plugins_have_no_plan_and_a_modest_rate():
    for spec in (make_source(csv={"path": "a"}).spec, make_source(type="Binance").spec):
        assert plan_of(spec) is None
        assert base_url(spec) is None
        assert api_key_header(spec) is None
        assert monthly_quota(spec) is None
        assert effective_rate_limit(spec).requests_per_minute == 60


def test_the_api_servers_uid_is_the_sources():
    assert source_uid(make_source(uid="9f2c")) == "9f2c"


def test_a_derived_uid_is_the_same_on_every_start_and_for_every_release():
    # A change here would orphan the checkpoints of every source that runs without a cluster.
    assert source_uid(make_source(name="coingecko")) == DERIVED


DERIVED = "78e92dd3-5b21-5013-bfb2-70e0eb20177d"
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?", fullmatch=True)


@given(NAMES, NAMES, NAMES, NAMES)
def test_two_sources_share_a_derived_uid_only_when_namespace_and_name_agree(
    name, namespace, other_name, other_namespace
):
    one = source_uid(make_source(name=name, namespace=namespace))
    other = source_uid(make_source(name=other_name, namespace=other_namespace))

    assert (one == other) == ((name, namespace) == (other_name, other_namespace))
