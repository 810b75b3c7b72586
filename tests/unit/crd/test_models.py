from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cryptosource_crd.v1alpha1 import CryptoSource, CryptoSourceSpec, CryptoSourceStatus
from support.sources import make_manifest, make_source

MAX_EXACT = 2**63 - 1


def places(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every node of a schema with a name, definitions included."""
    found = []
    pending = [("spec", schema), *schema.get("$defs", {}).items()]
    while pending:
        name, node = pending.pop()
        found.append((name, node))
        inner = {f"{name}.{key}": value for key, value in node.get("properties", {}).items()}
        inner |= {f"{name}|{i}": value for i, value in enumerate(node.get("anyOf", []))}
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), dict):
                inner[f"{name}.{key}"] = node[key]
        pending.extend(inner.items())
    return found


NODES = places(CryptoSourceSpec.model_json_schema()) + places(
    CryptoSourceStatus.model_json_schema()
)


def unbounded(kind: str, *bounds: str) -> list[str]:
    return [
        name
        for name, node in NODES
        if node.get("type") == kind
        and not any(bound in node for bound in ("enum", "const", "properties", *bounds))
    ]


def test_every_string_of_the_schema_is_bounded():
    assert unbounded("string", "maxLength", "format") == []


def test_every_list_and_every_map_of_the_schema_is_bounded():
    assert unbounded("array", "maxItems") == []
    assert unbounded("object", "maxProperties") == []


def test_every_integer_of_the_spec_has_a_least_and_a_greatest_value():
    spec = places(CryptoSourceSpec.model_json_schema())
    numbers = [(name, node) for name, node in spec if node.get("type") == "integer"]

    assert len(numbers) > 10
    assert [name for name, node in numbers if not {"minimum", "maximum"} <= node.keys()] == []


def test_every_field_is_documented():
    fields = [
        (name, key, value)
        for name, node in NODES
        for key, value in node.get("properties", {}).items()
    ]

    assert len(fields) > 80
    assert [(name, key) for name, key, value in fields if not value.get("description")] == []


def test_defaults_are_those_of_the_documentation():
    spec = make_source().spec

    assert spec.coin_paprika is not None
    assert (spec.coin_paprika.plan, spec.coin_paprika.selection.all) == ("Free", True)
    assert (spec.time_zone, spec.suspend, spec.run_on_create) == ("Etc/UTC", False, True)
    assert spec.concurrency_policy == "Forbid"
    assert (spec.starting_deadline_seconds, spec.active_deadline_seconds) == (120, 900)
    assert (spec.job_history.successful, spec.job_history.failed) == (3, 5)
    assert (spec.retry.max_attempts, spec.retry.max_delay_seconds) == (5, 60)
    assert (spec.batch_size, spec.reject_limit_percent) == (1000, 5)
    assert spec.freshness.max_age_seconds == 900


def test_a_status_never_reported_has_generation_minus_one():
    dumped = make_source().status.model_dump(by_alias=True, exclude_none=True)

    assert dumped["observedGeneration"] == -1
    assert dumped["conditions"] == ()


def test_a_vendors_member_may_be_left_out_and_csv_may_not():
    gecko = make_source(type="CoinGecko").spec.coin_gecko

    assert gecko is not None
    assert (gecko.plan, gecko.selection.top) == ("Keyless", 1000)
    with pytest.raises(ValidationError, match="missing for type CSV"):
        make_source(type="CSV")


def test_a_null_is_a_field_left_out_as_in_kubernetes():
    given_nulls = make_source(coinPaprika=None, timeZone=None, suspend=None, rateLimit=None)

    assert given_nulls == make_source()


def test_a_plugin_brings_its_own_type_and_options():
    spec = make_source(type="Binance", options={"pairs": ["BTCUSDT"], "depth": {"n": 1}}).spec

    assert spec.options == {"pairs": ["BTCUSDT"], "depth": {"n": 1}}


def test_a_source_cannot_be_changed():
    source = make_source()

    with pytest.raises(ValidationError, match="frozen"):
        source.spec.suspend = True


def test_a_string_is_short_for_a_column():
    columns = {
        "symbol": {"value": "BTC"},
        "priceUsd": "Close",
        "marketCapUsd": {"column": "Market Cap", "values": {"-": ""}},
        "observedAt": {"column": "Date", "format": "%d-%b-%y", "timeZone": "Asia/Tokyo"},
    }
    csv = make_source(csv={"path": "a.csv", "columns": columns}).spec.csv

    assert csv is not None
    assert csv.columns.price_usd.column == "Close"
    assert csv.columns.symbol.value == "BTC"
    assert csv.columns.market_cap_usd.values == {"-": ""}
    assert csv.columns.observed_at.time_zone == "Asia/Tokyo"
    assert csv.columns.name.column == "name"
    assert csv.columns.volume_24h_usd.column == "volume_24h_usd"
    assert csv.columns.explicit == {"symbol", "price_usd", "market_cap_usd", "observed_at"}


@pytest.mark.parametrize("name", ["auto", "iso8601", "unix", "unix_ms", "dmy", "mdy", "ymd"])
def test_named_time_formats_are_known(name):
    columns = {"observedAt": {"column": "t", "format": name}}

    assert make_source(csv={"path": "a", "columns": columns}).spec.csv


@pytest.mark.parametrize(
    "text", ["%d-%b-%y", "%Y-%m-%d %I-%p", "%b %d, %Y", "%m/%d/%y %H:%M", "%Y-%m-%dT%H:%M:%S%z"]
)
def test_strptime_formats_of_real_files_are_accepted(text):
    columns = {"observedAt": {"column": "t", "format": text}}

    assert make_source(csv={"path": "a", "columns": columns}).spec.csv


@pytest.mark.parametrize(("given_text", "read"), [("auto", "auto"), (";", ";"), (r"\t", "\t")])
def test_a_delimiter_is_found_or_one_character(given_text, read):
    csv = make_source(csv={"path": "a", "delimiter": given_text}).spec.csv

    assert csv is not None
    assert csv.delimiter == read


@pytest.mark.parametrize("encoding", ["auto", "utf-8", "latin-1", "utf-16", "cp1252", "shift_jis"])
def test_text_encodings_are_accepted(encoding):
    assert make_source(csv={"path": "a", "encoding": encoding}).spec.csv


def test_metadata_of_a_newer_api_server_is_passed_over():
    manifest = make_manifest()
    manifest["metadata"] |= {"managedFields": [{"manager": "kubectl"}], "somethingNew": 1}
    manifest["status"] = {"observedGeneration": 4, "somethingNew": True}

    source = CryptoSource.model_validate(manifest)

    assert source.status.observed_generation == 4


def test_a_full_status_survives_the_round_trip():
    run = {
        "id": "r1",
        "trigger": "schedule",
        "status": "success",
        "reason": "Completed",
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:09Z",
        "durationSeconds": 9.5,
        "processed": MAX_EXACT,
    }
    status = {
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Completed",
                "lastTransitionTime": "2026-01-01T00:00:10Z",
            }
        ],
        "lastRun": run,
        "checkpoint": {"cursor": {"page": 4}, "recordsCommitted": 1000},
        "recentRuns": [run] * 10,
    }

    parsed = CryptoSourceStatus.model_validate(status)
    again = CryptoSourceStatus.model_validate(parsed.model_dump(by_alias=True, mode="json"))

    assert parsed.last_run is not None
    assert parsed.last_run.processed == MAX_EXACT
    assert again == parsed


def test_an_eleventh_recent_run_is_refused():
    run = {"id": "r", "status": "success", "startedAt": "2026-01-01T00:00:00Z"}

    with pytest.raises(ValidationError, match="at most 10"):
        CryptoSourceStatus.model_validate({"recentRuns": [run] * 11})


def test_a_thousand_pins_are_accepted_and_one_more_is_not():
    pins = {f"coin-{i}": f"coingecko:coin-{i}" for i in range(1001)}

    with pytest.raises(ValidationError, match="at most 1000"):
        make_source(identity={"pins": pins})
    del pins["coin-0"]
    assert len(make_source(identity={"pins": pins}).spec.identity.pins) == 1000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
SPEC_FIELDS = sorted(
    info.alias for info in CryptoSourceSpec.model_fields.values() if info.alias is not None
)


@given(st.dictionaries(st.sampled_from(SPEC_FIELDS), JSON, max_size=6))
def test_any_json_is_a_source_or_a_validation_error(spec):
    try:
        source = make_source(**spec)
    except ValidationError as error:
        assert error.error_count() > 0  # noqa: PT017 - either outcome is right
    else:
        dumped = source.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert CryptoSource.model_validate(dumped) == source
