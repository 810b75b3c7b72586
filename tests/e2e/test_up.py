"""`cryptosource up`: every source at once, the API beside them, honest about what failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from support.commands import cryptosource
from support.manifests import (
    ONE_ATTEMPT,
    closed_url,
    csv,
    gecko,
    paprika,
    row,
    write,
    write_rows,
)
from support.market import RunningMarket
from support.oracle import contradictions, rows
from support.serving import serving

SAMPLES = Path(__file__).parents[2] / "samples"
SAMPLE_COINS = 20
STATUSES = "SELECT s.name, r.status FROM etl_runs r JOIN sources s USING (source_id) ORDER BY 1, 2"


@pytest.fixture
def unreachable(tmp_path: Path) -> Path:
    """The samples' CSV, and both vendors at an address where nobody listens."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    for name in ("csv.yaml", "csv-data.yaml"):
        (folder / name).write_text((SAMPLES / name).read_text())
    write(
        folder,
        paprika(closed_url("/v1"), retry={"maxAttempts": 2, "maxDelaySeconds": 1}),
        gecko(closed_url("/api/v3"), retry=ONE_ATTEMPT),
        name="vendors",
    )
    return folder


def test_unreachable_vendors_are_named_while_the_csv_is_served(
    env, tmp_path: Path, unreachable: Path
) -> None:
    with serving("up", "-f", unreachable, env=env, folder=tmp_path) as api:
        api.finish_first_runs()
        health = api.get("/health")["data"]
        stats = api.stats
        bitcoin = api.get("/data", ticker="BTC")["data"]
        total = api.total()
        ready, _ = api.text("/health/ready")

    assert health["status"] == "degraded"
    assert {(one["source"], one["reason"]) for one in health["degraded"]} >= {
        ("paprika", "UpstreamUnreachable"),
        ("gecko", "UpstreamUnreachable"),
    }
    assert "coins-csv" not in {
        one["source"] for one in health["degraded"] if one["reason"] != "Stale"
    }
    for vendor, attempts in (("paprika", 2), ("gecko", 1)):
        last = stats[vendor]["last_run"]
        assert (last["status"], last["reason"]) == ("failure", "UpstreamUnreachable")
        assert last["requests"] == attempts
        assert "127.0.0.1" in last["message"]
    assert stats["coins-csv"]["loaded"] == SAMPLE_COINS
    assert total == SAMPLE_COINS
    assert str(bitcoin[0]["price_usd"]) == "16973.8"
    assert ready == 200
    assert "Traceback" not in api.command.stdout + api.command.stderr


def test_once_exits_1_when_a_source_failed_and_prints_plain_lines(
    database: URL, env, unreachable: Path
) -> None:
    ran = cryptosource("up", "-f", unreachable, "--once", env=env)

    assert ran.returncode == 1
    assert "crypto/paprika: failure (UpstreamUnreachable)" in ran.stdout + ran.stderr
    assert "default/coins-csv: success (Completed)" in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr, "no escape sequences outside a terminal"
    assert dict(rows(database, STATUSES)) == {
        "coins-csv": "success",
        "gecko": "failure",
        "paprika": "failure",
    }


def test_once_exits_0_when_all_succeeded(env) -> None:
    files = ("-f", SAMPLES / "csv.yaml", "-f", SAMPLES / "csv-data.yaml")

    ran = cryptosource("up", *files, "--once", env=env)

    assert ran.returncode == 0, ran.stderr
    assert f"{SAMPLE_COINS} loaded" in ran.stdout


def test_three_sources_load_at_once_and_the_totals_are_right(
    database: URL, env, tmp_path: Path, market: RunningMarket
) -> None:
    market.control.universe(coins=700)
    file = write_rows(tmp_path / "coins.csv", map(row, range(1, 26)))
    manifest = write(tmp_path, paprika(market.paprika_url), gecko(market.gecko_url), csv(file))
    with serving("up", "-f", manifest, env=env, folder=tmp_path) as api:
        api.finish_first_runs()
        stats = api.stats
        totals = {name: api.total(source=name) for name in ("paprika", "gecko", "file")}
        coins = api.get("/data/summary")["data"]["coins"]
        unified = api.total()

    assert {name: one["last_run"]["status"] for name, one in stats.items()} == {
        "paprika": "success",
        "gecko": "success",
        "file": "success",
    }
    assert totals == {"paprika": 700, "gecko": 700, "file": 25}
    assert coins == unified == rows(database, "SELECT count(*) FROM assets")[0][0]
    assert 725 < unified < 1425, "some coins are on both lists, and some are not"
    assert contradictions(database) == {}


def test_suspended_sources_and_those_not_to_run_on_create_wait(
    database: URL, env, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "coins.csv", [row(1)])
    manifest = write(
        tmp_path,
        csv(file, name="now"),
        csv(file, name="later", runOnCreate=False),
        csv(file, name="never", suspend=True),
    )
    with serving("up", "-f", manifest, env=env, folder=tmp_path) as api:
        api.finish_first_runs()

    assert rows(database, STATUSES) == [("now", "success")]


def test_logs_are_json_and_in_the_data_folder(env, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "coins.csv", [row(1)])
    manifest = write(tmp_path, csv(file))

    ran = cryptosource("up", "-f", manifest, "--once", env={**env, "LOG_LEVEL": "INFO"})

    assert ran.returncode == 0
    lines = (tmp_path / "data" / "logs" / "up.jsonl").read_text().splitlines()
    ended = [line for line in map(json.loads, lines) if line["message"].startswith("run ended")]
    assert [(line["source"], line["status"]) for line in ended] == [("crypto/file", "success")]
