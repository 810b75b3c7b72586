"""A source type of a third party gets its key, and the key shows nowhere although it is logged."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from support.collector import collecting
from support.commands import environment
from support.manifests import FAST, resource, secret, write
from support.market import RunningMarket
from support.oracle import rows
from support.plugin_package import KEY_VARIABLE, LOGGED, SOURCE_TYPE, SPAN, install
from support.secrets import files_that_mention, tables_that_mention

CANARY = "canary-of-a-plugin-Zx81"
LAST = "SELECT status, reason, loaded FROM etl_runs ORDER BY started_at DESC LIMIT 1"
pytestmark = pytest.mark.usefixtures("consistent")


@pytest.fixture
def env(database: URL, tmp_path: Path) -> dict[str, str]:
    plugins = install(tmp_path / "plugins")
    return environment(database, tmp_path / "data", PYTHONPATH=str(plugins))


def keyed(market: RunningMarket, **spec: object) -> dict[str, object]:
    """Return a source of the plugin's type; the upstream takes the canary alone."""
    market.control.key(CANARY, "paprika")
    options = {"url": f"{market.paprika_pro_url}/tickers"}
    return resource("keyed", SOURCE_TYPE, options=options, rateLimit=FAST, **spec)


@pytest.mark.parametrize("place", ["secret", "variable"])
def test_a_plugin_loads_with_the_key_that_its_source_names(
    database: URL, run, tmp_path: Path, market: RunningMarket, place: str
) -> None:
    source = keyed(market, apiKeySecretRef={"name": "keyed"})
    found = [secret("keyed", f"{CANARY}\n")] if place == "secret" else []
    (tmp_path / "manifests").mkdir()
    manifest = write(tmp_path / "manifests", source, *found)

    with collecting() as collector:
        given = {} if place == "secret" else {KEY_VARIABLE: CANARY}
        ran = run(manifest, LOG_LEVEL="DEBUG", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **given)
        spans = "\n".join(span.text for span in collector.spans)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert rows(database, LAST) == [("success", "Completed", 25)]
    assert market.log[0]["headers"]["authorization"] == CANARY
    assert LOGGED in ran.stderr
    assert SPAN in spans
    assert CANARY not in ran.stdout + ran.stderr + spans
    assert files_that_mention(tmp_path / "data", CANARY) == []
    assert tables_that_mention(database, CANARY) == []


def test_a_plugin_whose_secret_is_not_there_asks_for_nothing_and_says_what_to_do(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    ran = run(write(tmp_path, keyed(market, apiKeySecretRef={"name": "absent"})))

    assert ran.returncode == 78, ran.stdout + ran.stderr
    assert rows(database, LAST) == [("failure", "KeyMissing", 0)]
    assert f"add the Secret absent to the files or set {KEY_VARIABLE}" in ran.stdout
    assert market.log == []


def test_a_plugin_whose_source_names_no_secret_has_no_key(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    ran = run(write(tmp_path, keyed(market)))

    assert ran.returncode == 78, ran.stdout + ran.stderr
    assert rows(database, LAST) == [("failure", "KeyRejected", 0)]
    assert "authorization" not in market.log[0]["headers"]
