from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from cryptosource_crd.documents import read_documents
from cryptosource_crd.explanations import Problem, parse_source
from support.sources import make_manifest

CSV = {"path": "coins.csv"}


def problems_of(manifest: dict[str, Any]) -> list[Problem]:
    (document,) = read_documents(yaml.safe_dump(manifest))
    parsed = parse_source(document, file="source.yaml")
    return parsed if isinstance(parsed, list) else []


# what the spec says -> path, part of the message, part of the hint
SPECS: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("unknown field", {"schedulee": "x"}, "spec.schedulee", "unknown field", "did you mean schedule?"),
    ("inline key", {"coinGecko": {"apiKey": "x"}}, "spec.coinGecko.apiKey", "unknown", "name that in spec.apiKeySecretRef"),
    ("inline token", {"token": "x"}, "spec.token", "unknown", "name that in spec.apiKeySecretRef"),
    ("reference in the member", {"coinGecko": {"apiKeySecretRef": {"name": "k"}}}, "spec.coinGecko.apiKeySecretRef", "unknown", "it belongs at spec.apiKeySecretRef"),
    ("key as reference", {"apiKeySecretRef": "k"}, "spec.apiKeySecretRef", "must be an object", "with the fields name, key"),
    ("reference of a file", {"csv": CSV, "apiKeySecretRef": {"name": "k"}}, "spec.apiKeySecretRef", "is not for type CSV, which sends no key", "ConfigMap"),
    ("misplaced field", {"plan": "Free"}, "spec.plan", "unknown", "it belongs at spec.coinPaprika.plan"),
    ("image", {"image": "evil:1"}, "spec.image", "unknown field", "known here: type"),
    ("command", {"command": ["sh"]}, "spec.command", "unknown field", "known here"),
    ("service account", {"serviceAccountName": "x"}, "spec.serviceAccountName", "unknown", "known"),
    ("volumes", {"volumes": []}, "spec.volumes", "unknown field", ""),
    ("snake case", {"time_zone": "Etc/UTC"}, "spec.time_zone", "unknown", "did you mean timeZone?"),
    ("no type", {"type": None}, "spec.type", "is missing", "CoinPaprika"),
    ("lower-case type", {"type": "coingecko"}, "spec.type", "form", "CoinGecko"),
    ("type with a space", {"type": "Coin Gecko"}, "spec.type", "form", "CamelCase"),
    ("vendor in other case", {"type": "Coingecko"}, "spec.type", "differs from the built-in type CoinGecko by case alone", "write CoinGecko"),
    ("file type in other case", {"type": "Csv"}, "spec.type", "differs from the built-in type CSV by case alone", "write CSV"),
    ("no schedule", {"schedule": None}, "spec.schedule", "is missing", "Five cron fields"),
    ("minute 61", {"schedule": "61 * * * *"}, "spec.schedule", "61 is not within 0-59", "cron"),
    ("seconds", {"schedule": "0 * * * * *"}, "spec.schedule", "not 6; seconds", "Five cron fields"),
    ("zone in cron", {"schedule": "TZ=UTC 0 * * * *"}, "spec.schedule", "use timeZone", ""),
    ("number as schedule", {"schedule": 5}, "spec.schedule", "a number", "quotes"),
    ("unknown zone", {"timeZone": "Mars/Base"}, "spec.timeZone", "unknown time zone", "an IANA name"),
    ("misspelt zone", {"timeZone": "Europe/Berln"}, "spec.timeZone", "unknown", "did you mean Europe/Berlin?"),
    ("Local", {"timeZone": "Local"}, "spec.timeZone", "IANA zone", ""),
    ("folder as zone", {"timeZone": "America"}, "spec.timeZone", "unknown time zone", ""),
    ("zone outside", {"timeZone": "../etc/passwd"}, "spec.timeZone", "unknown time zone", ""),
    ("yes as text", {"suspend": "yes"}, "spec.suspend", "true or false", "quotes out"),
    ("number as text", {"batchSize": "100"}, "spec.batchSize", "whole number", "quotes out"),
    ("half a batch", {"batchSize": 1.5}, "spec.batchSize", "whole number", "1 to 10000"),
    ("true as number", {"batchSize": True}, "spec.batchSize", "whole number", "1 to 10000"),
    ("no batch", {"batchSize": 0}, "spec.batchSize", "greater than or equal to 1", "1 to 10000"),
    ("large batch", {"batchSize": 10_001}, "spec.batchSize", "less than or equal to 10000", "1 to 10000"),
    ("101 percent", {"rejectLimitPercent": 101}, "spec.rejectLimitPercent", "100", "0 to 100"),
    ("endless run", {"activeDeadlineSeconds": 10**9}, "spec.activeDeadlineSeconds", "86400", "seconds"),
    ("policy", {"concurrencyPolicy": "forbid"}, "spec.concurrencyPolicy", "must be", "did you mean Forbid?"),
    ("history", {"jobHistory": {"failed": 51}}, "spec.jobHistory.failed", "50", "0 to 50"),
    ("no rate", {"rateLimit": {"burst": 2}}, "spec.rateLimit.requestsPerMinute", "missing", "per minute"),
    ("rate 0", {"rateLimit": {"requestsPerMinute": 0}}, "spec.rateLimit.requestsPerMinute", "1", "1 to 60000"),
    ("retry", {"retry": {"maxAttempts": 0}}, "spec.retry.maxAttempts", "1", "1 to 20"),
    ("retry as number", {"retry": 5}, "spec.retry", "must be an object", "maxAttempts"),
    ("memory", {"resources": {"limits": {"memory": "1 GB"}}}, "spec.resources.limits.memory", "form", "256Mi"),
    ("plan", {"coinGecko": {"plan": "demo"}}, "spec.coinGecko.plan", "must be", "did you mean Demo?"),
    ("other's plan", {"coinGecko": {"plan": "Starter"}}, "spec.coinGecko.plan", "'Keyless'", "Default"),
    ("all as a word", {"coinGecko": {"selection": "all"}}, "spec.coinGecko.selection", "object", "{all: true}"),
    ("two selections", {"coinGecko": {"selection": {"top": 5, "all": True}}}, "spec.coinGecko.selection", "exactly one", ""),
    ("no selection", {"coinGecko": {"selection": {}}}, "spec.coinGecko.selection", "exactly one", ""),
    ("number as id", {"coinGecko": {"selection": {"ids": ["a", 1]}}}, "spec.coinGecko.selection.ids[1]", "string", "quotes"),
    ("id twice", {"coinGecko": {"selection": {"ids": ["a", "a"]}}}, "spec.coinGecko.selection", "repeat", ""),
    ("ftp", {"coinGecko": {"baseUrl": "ftp://x/"}}, "spec.coinGecko.baseUrl", "http", ""),
    ("password", {"coinGecko": {"baseUrl": "https://u:p@x/v3"}}, "spec.coinGecko.baseUrl", "password", ""),
    ("base query", {"coinGecko": {"baseUrl": "https://x/v3?a=b"}}, "spec.coinGecko.baseUrl", "query", ""),
    ("key in URL", {"csv": {"url": "https://x/a.csv?x_cg_demo_api_key=CG-1"}}, "spec.csv.url", "credential", ""),
    ("no file", {"csv": {}}, "spec.csv", "exactly one of path, url", ""),
    ("two files", {"csv": CSV | {"url": "https://x/a"}}, "spec.csv", "exactly one", ""),
    ("map without key", {"csv": {"configMap": {"name": "coins"}}}, "spec.csv.configMap.key", "missing", "coins.csv"),
    ("key climbs", {"csv": {"configMap": {"name": "c", "key": "../x"}}}, "spec.csv.configMap.key", "form", ""),
    ("volume climbs", {"csv": {"volumeClaim": {"name": "c", "path": "a/../../x"}}}, "spec.csv.volumeClaim.path", "..", ""),
    ("volume root", {"csv": {"volumeClaim": {"name": "c", "path": "/x"}}}, "spec.csv.volumeClaim.path", "relative", ""),
    ("long delimiter", {"csv": CSV | {"delimiter": ";;"}}, "spec.csv.delimiter", "one character", "auto"),
    ("encoding", {"csv": CSV | {"encoding": "utf-88"}}, "spec.csv.encoding", "encoding", "utf-8"),
    ("no text encoding", {"csv": CSV | {"encoding": "rot13"}}, "spec.csv.encoding", "encoding", ""),
    ("decimal", {"csv": CSV | {"decimal": ";"}}, "spec.csv.decimal", "must be", "Decimal separator"),
    ("column field", {"csv": CSV | {"columns": {"priceUSD": "Close"}}}, "spec.csv.columns.priceUSD", "unknown", "did you mean priceUsd?"),
    ("column and value", {"csv": CSV | {"columns": {"name": {"column": "a", "value": "b"}}}}, "spec.csv.columns.name", "exactly one", ""),
    ("number as value", {"csv": CSV | {"columns": {"symbol": {"value": 1}}}}, "spec.csv.columns.symbol.value", "string", "quotes"),
    ("format of a price", {"csv": CSV | {"columns": {"priceUsd": {"column": "a", "format": "unix"}}}}, "spec.csv.columns.priceUsd.format", "unknown", "observedAt.format"),
    ("no such format", {"csv": CSV | {"columns": {"observedAt": {"column": "a", "format": "epoch"}}}}, "spec.csv.columns.observedAt.format", "iso8601", ""),
    ("no such directive", {"csv": CSV | {"columns": {"observedAt": {"column": "a", "format": "%Y-%m-%Q"}}}}, "spec.csv.columns.observedAt.format", "%Q", ""),
    ("format without year", {"csv": CSV | {"columns": {"observedAt": {"column": "a", "format": "%d-%b"}}}}, "spec.csv.columns.observedAt.format", "year", ""),
    ("pin by ticker", {"identity": {"pins": {"btc-bitcoin": "BTC"}}}, "spec.identity.pins.btc-bitcoin", "form", ""),
    ("other member", {"type": "CSV", "csv": CSV, "coinGecko": {}}, "spec.coinGecko", "does not belong to type CSV", "use csv"),
    ("CSV without csv", {"type": "CSV"}, "spec.csv", "missing for type CSV", "configMap"),
    ("options of ours", {"options": {"a": 1}}, "spec.options", "for plugins", "use coinPaprika"),
    ("plugin with ours", {"type": "Binance", "coinGecko": {}}, "spec.coinGecko", "does not belong", "options"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "path", "message", "hint"), [row[1:] for row in SPECS], ids=[row[0] for row in SPECS]
)
def test_a_bad_spec_is_refused_at_its_path_with_what_would_be_right(spec, path, message, hint):
    found = problems_of(make_manifest(**spec))

    assert [problem.path for problem in found] == [path]
    assert message in found[0].message
    assert hint in found[0].hint


METADATA = [
    ({"name": "Upper"}, "metadata.name", "lower-case"),
    ({"name": "a.b"}, "metadata.name", "lower-case"),
    ({"name": "-a"}, "metadata.name", "lower-case"),
    ({"name": "a" * 47}, "metadata.name", "46"),
    ({"name": ""}, "metadata.name", "46"),
    ({}, "metadata.name", "46"),
    ({"name": "a", "namespace": "a_b"}, "metadata.namespace", "lower-case"),
]


@pytest.mark.parametrize(("metadata", "path", "hint"), METADATA)
def test_bad_metadata_is_refused(metadata, path, hint):
    (found,) = problems_of(make_manifest() | {"metadata": metadata})

    assert found.path == path
    assert hint in found.hint


@pytest.mark.parametrize("missing", ["apiVersion", "kind", "metadata", "spec"])
def test_each_part_of_a_manifest_is_needed(missing):
    manifest = make_manifest()
    del manifest[missing]

    (found,) = problems_of(manifest)

    assert (found.path, found.message) == (missing, "is missing")


def test_an_older_api_version_is_refused_with_the_right_one():
    (found,) = problems_of(make_manifest() | {"apiVersion": "cryptosource.io/v1"})

    assert found.hint == "did you mean cryptosource.io/v1alpha1?"


def test_every_problem_of_a_manifest_is_reported_in_order_of_lines():
    manifest = make_manifest(batchSize=0, timeZone="Mars", coinPaprika={"plan": "Fre"}, nope=1)

    found = problems_of(manifest)

    assert {problem.path for problem in found} == {
        "spec.batchSize",
        "spec.timeZone",
        "spec.coinPaprika.plan",
        "spec.nope",
    }
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize("row", SPECS, ids=[row[0] for row in SPECS])
def test_a_problem_is_one_line_that_starts_with_file_and_line(row):
    for problem in problems_of(make_manifest(**row[1])):
        text = str(problem)

        assert text.startswith(f"source.yaml:{problem.line}: {problem.path}: ")
        assert text.isprintable()


def test_no_problem_repeats_a_value_that_may_be_a_secret():
    canary = "CG-s3cr3tCanary"
    places = [
        {"coinGecko": {"apiKey": canary}},
        {"coinGecko": {"apiKeySecretRef": canary}},
        {"coinGecko": {"apiKeySecretRef": {"name": canary, "key": "k"}}},
        {"apiKeySecretRef": canary},
        {"apiKeySecretRef": {"name": canary, "key": "k"}},
        {"token": canary},
        {"coinGecko": {"baseUrl": f"https://user:{canary}@x/"}},
        {"csv": {"url": f"https://x/?token={canary}"}},
        {"csv": {"url": f"https://{canary}@x/"}},
    ]
    for spec in places:
        found = problems_of(make_manifest(**copy.deepcopy(spec)))

        assert found
        assert all(canary not in str(problem) for problem in found)
        assert all(canary not in repr(problem) for problem in found)
