"""What the API server itself refuses, and what is left to the operator."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from support.kube import SOURCES, Refused
from support.sources import make_manifest

CHECKOUT = Path(__file__).parents[2]
CSV = {"path": "coins.csv"}


def _rows():
    path = CHECKOUT / "tests" / "unit" / "crd" / "test_bad_manifests.py"
    spec = importlib.util.spec_from_file_location("bad_manifests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [(row[0], row[1]) for row in module.SPECS]


ROWS = _rows()

OPERATOR_ONLY = {
    "minute 61",  # ranges of cron fields
    "unknown zone",
    "misspelt zone",
    "folder as zone",
    "encoding",
    "no text encoding",
    "no such format",
    "no such directive",
    "format without year",
    "format of a price",
}
"""CEL knows no cron, no zones, no encodings, no strptime. A column is a string or an object, so its
schema has no type and cannot be closed."""


def create(kube, space, manifest, *, validation="Strict"):
    return kube.request(
        "POST",
        f"{SOURCES}/namespaces/{space}/cryptosources?dryRun=All&fieldValidation={validation}",
        manifest,
    )


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_bad_spec_is_refused_at_admission_or_known_to_need_the_operator(kube, row):
    name, spec = row
    if name in OPERATOR_ONLY:
        create(kube, "default", make_manifest(**spec))
        return
    with pytest.raises(Refused) as refused:
        create(kube, "default", make_manifest(**spec))

    assert refused.value.code in {400, 422}


WORDS = [
    ({"type": "CSV"}, "csv is missing for type CSV"),
    ({"type": "CSV", "csv": CSV, "coinGecko": {}}, "coinGecko belongs to type CoinGecko alone"),
    ({"type": "Coingecko"}, "differs from the built-in type CoinGecko by case alone"),
    ({"csv": {}}, "give exactly one of path, url, configMap, volumeClaim"),
    ({"coinGecko": {"selection": {}}}, "give exactly one of top, ids, all"),
    ({"schedule": "TZ=UTC 0 * * * *"}, "use timeZone"),
    ({"schedule": "0 * * * * *"}, "seconds are not supported"),
    ({"timeZone": "local"}, "an IANA zone such as Europe/Berlin"),
    ({"csv": {"url": "https://x/a?token=1"}}, "looks like a credential"),
    ({"coinGecko": {"baseUrl": "https://x/v3?a=b"}}, "must not hold a query"),
    ({"csv": CSV, "apiKeySecretRef": {"name": "k"}}, "apiKeySecretRef is not for type CSV"),
]


@pytest.mark.parametrize(("spec", "words"), WORDS)
def test_a_refusal_says_what_would_be_right(kube, spec, words):
    with pytest.raises(Refused) as refused:
        create(kube, "default", make_manifest(**spec))

    assert words in refused.value.message


def test_a_name_that_leaves_no_room_for_jobs_is_refused(kube):
    create(kube, "default", make_manifest(name="a" * 46))
    with pytest.raises(Refused, match="at most 46"):
        create(kube, "default", make_manifest(name="a" * 47))
    with pytest.raises(Refused, match="dot"):
        create(kube, "default", make_manifest(name="a.b"))


def test_the_samples_are_accepted(kube):
    for path in sorted((CHECKOUT / "samples").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            if document["kind"] == "CryptoSource":
                create(kube, "default", document)


GOOD = [
    {"coinGecko": {"baseUrl": None, "selection": {"ids": ["bitcoin", "ethereum"]}}},
    {"csv": CSV | {"columns": {"symbol": {"value": "BTC"}, "priceUsd": "Close"}}},
    {"csv": CSV | {"columns": {"observedAt": {"column": "Date", "format": "%d-%b-%y"}}}},
    {"csv": CSV | {"delimiter": "\\t"}},
    {"csv": CSV | {"delimiter": "\t"}},
    {"csv": {"url": "http://market.example:9100/coins.csv?day=1"}},
    {"type": "Binance", "options": {"pairs": [{"deep": {"er": 1.5}}]}},
    {"identity": {"pins": {"btc-bitcoin": "coingecko:bitcoin"}}},
    {"schedule": "@hourly"},
    {"schedule": "0,30 8-18/2 * JAN-MAR MON-FRI"},
    {"resources": {"limits": {"memory": "256Mi", "ephemeral-storage": "1Gi"}}},
]


@pytest.mark.parametrize("spec", GOOD)
def test_a_good_spec_is_stored_as_it_was_given(kube, spec):
    manifest = make_manifest(**spec)

    stored = create(kube, "default", manifest)["spec"]

    def holds(given, found):
        if isinstance(given, dict):
            return all(holds(value, found.get(key)) for key, value in given.items())
        return given == found

    assert holds(spec, stored)


def test_defaults_are_written_out_and_the_status_says_nobody_has_looked(kube):
    stored = create(kube, "default", make_manifest(coinGecko={}))

    assert stored["status"] == {"observedGeneration": -1}
    assert stored["spec"]["timeZone"] == "Etc/UTC"
    assert stored["spec"]["retry"] == {"maxAttempts": 5, "maxDelaySeconds": 60}
    assert stored["spec"]["coinGecko"] == {"plan": "Keyless", "selection": {"top": 1000}}


def test_no_default_poses_as_a_mapping_of_columns(kube):
    stored = create(kube, "default", make_manifest(csv=CSV))

    assert "columns" not in stored["spec"]["csv"]


def test_what_a_person_can_do_with_kubectl(plane, kube, space):
    path = f"{SOURCES}/namespaces/{space}/cryptosources"
    kube.request("POST", path, make_manifest(name="one", coinGecko={}))
    kube.request("POST", path, make_manifest(name="two", csv=CSV, suspend=True))

    table = plane.kubectl("get", "csrc", "-n", space)
    wide = plane.kubectl("get", "crypto", "-n", space, "-o", "wide")
    held = plane.kubectl("get", "csrc", "-n", space, "--field-selector", "spec.suspend=true")
    of_type = plane.kubectl("get", "csrc", "-n", space, "--field-selector", "spec.type=CoinGecko")

    assert table.split("\n")[0].split("  ")[0] == "NAME"
    for column in ("TYPE", "SCHEDULE", "SUSPEND", "READY", "LAST RUN", "RECORDS", "LAST SUCCESS"):
        assert column in table
    for column in ("NEXT RUN", "FAILURES", "CHECKPOINT", "MESSAGE"):
        assert column in wide
    assert "two" in held
    assert "one" not in held
    assert "one" in of_type
    assert "two" not in of_type
    assert "priceUsd" in plane.kubectl("explain", "csrc.spec.csv.columns")
