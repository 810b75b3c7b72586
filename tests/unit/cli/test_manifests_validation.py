from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from cryptosource_cli.manifest_files import load_manifests
from cryptosource_cli.references import resolve
from cryptosource_cli.validation import validate_files
from support.sources import make_manifest

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture
def judged(tmp_path):
    def validate(manifest):
        file = tmp_path / "a.yaml"
        file.write_text(yaml.safe_dump(manifest))
        (report,) = validate_files([file])
        assert report.ok
        return report.sources[0]

    return validate


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ({"coinGecko": {"plan": "Demo"}}, "allows 10,000 a month; '*/20 * * * *' fits"),
        ({"coinGecko": {"plan": "Basic"}}, "needs a key: add apiKeySecretRef"),
        ({"apiKeySecretRef": {"name": "k"}}, "apiKeySecretRef is not used"),
        ({"schedule": "@daily"}, "data is stale before each"),
        ({"type": "CoinGekko"}, "did you mean CoinGecko?"),
    ],
)
def test_what_will_go_wrong_is_warned_of(judged, spec, warning):
    assert any(warning in text for text in judged(make_manifest(**spec)).warnings)


def test_a_reference_that_is_not_among_the_files_is_only_a_note(judged):
    demo = {"plan": "Demo", "selection": {"top": 250}}

    report = judged(make_manifest(coinGecko=demo, apiKeySecretRef={"name": "k"}))

    assert report.warnings == ()
    assert report.notes == ("the Secret default/k is not among the files",)


def test_each_file_has_its_report_also_one_that_is_missing(tmp_path):
    (tmp_path / "good.yaml").write_text(yaml.safe_dump(make_manifest()))
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(make_manifest(name="b", nope=1)))

    reports = validate_files([tmp_path, tmp_path / "missing.yaml"])

    assert {Path(report.file).name: report.ok for report in reports} == {
        "bad.yaml": False,
        "good.yaml": True,
        "missing.yaml": False,
    }


def test_the_samples_are_right_and_fit_their_plans():
    sources = [source for report in validate_files([SAMPLES]) for source in report.sources]

    assert {source.name for source in sources} == {"coinpaprika", "coingecko", "coins-csv"}
    assert all(source.cost.fits for source in sources)
    assert all(source.warnings == source.notes == () for source in sources)
    assert load_manifests([SAMPLES]).problems == []


def test_the_csv_sample_resolves_to_twenty_coins(tmp_path):
    manifests = load_manifests([SAMPLES])
    loaded = next(item for item in manifests.sources if item.source.spec.csv is not None)

    file = resolve(loaded, manifests, environ={}, data_dir=tmp_path).csv_path

    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len({row["id"] for row in rows}) == 20
    assert Decimal(rows[0]["price_usd"]) == Decimal("16973.8")
    columns = loaded.source.spec.csv.columns
    assert {columns.external_id.column, columns.rank.column} <= rows[0].keys()


def test_no_sample_names_a_namespace():
    for file in SAMPLES.glob("*.yaml"):
        for document in yaml.safe_load_all(file.read_text()):
            assert "namespace" not in document["metadata"]
