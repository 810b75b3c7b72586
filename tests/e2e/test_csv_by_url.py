"""A CSV file behind a URL: read in full, not read when it has not changed, cut, and unreachable."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from support.manifests import FAST, closed_url, resource, write
from support.market import RunningMarket
from support.oracle import counts, rows, value

STORED = ("quotes", "raw_records", "quotes_latest", "unified")
LAST_RUN = "SELECT status, reason, processed, loaded FROM etl_runs ORDER BY started_at DESC LIMIT 1"


def by_url(folder: Path, url: str, **spec: object) -> Path:
    return write(folder, resource("remote", "CSV", csv={"url": url}, **{"rateLimit": FAST, **spec}))


@pytest.fixture
def manifest(tmp_path: Path, market: RunningMarket) -> Path:
    return by_url(tmp_path, market.csv_url)


def distinct_symbols(market: RunningMarket) -> int:
    lines = market.fetch("/csv/coins.csv").body.decode().splitlines()[1:]
    return len({line.split(",")[0].strip().upper() for line in lines})


def test_a_file_is_loaded_once_and_then_not_even_sent(
    database: URL, run, manifest: Path, market: RunningMarket, consistent
) -> None:
    assert run(manifest).returncode == 0
    first = counts(database, *STORED)
    assert first["quotes_latest"] == distinct_symbols(market)

    again = run(manifest)

    assert "NotModified" in again.stdout
    assert market.log[-1]["status"] == 304
    assert counts(database, *STORED) == first


def test_a_changed_file_is_read_again_and_only_the_change_is_stored(
    database: URL, run, manifest: Path, market: RunningMarket, consistent
) -> None:
    run(manifest)
    before = counts(database, *STORED)
    market.control.advance(300)

    assert run(manifest).returncode == 0

    status, reason, processed, loaded = rows(database, LAST_RUN)[0]
    assert (status, reason) == ("success", "Completed")
    assert 0 < loaded <= processed
    assert counts(database, *STORED)["quotes_latest"] == before["quotes_latest"]


def test_a_body_cut_in_the_middle_keeps_whole_pages_and_the_next_run_has_the_rest(
    database: URL, run, tmp_path: Path, market: RunningMarket, consistent
) -> None:
    manifest = by_url(tmp_path, market.csv_url, batchSize=5, retry={"maxAttempts": 1})
    market.control.fault("drop", vendor="csv", after=1200)

    cut = run(manifest)

    assert cut.returncode == 75
    assert value(database, "SELECT count(*) FROM quotes") % 5 == 0
    assert run(manifest).returncode == 0
    assert counts(database, *STORED)["quotes_latest"] == distinct_symbols(market)


def test_a_compressed_answer_is_the_same_file(
    database: URL, run, manifest: Path, market: RunningMarket, consistent
) -> None:
    market.control.fault("gzip", vendor="csv")

    assert run(manifest).returncode == 0
    assert counts(database, *STORED)["quotes_latest"] == distinct_symbols(market)


def test_a_file_that_cannot_be_reached_is_a_failure_with_a_reason(
    database: URL, run, tmp_path: Path
) -> None:
    manifest = by_url(tmp_path, closed_url("/coins.csv"), retry={"maxAttempts": 1})

    assert run(manifest).returncode == 75
    assert rows(database, LAST_RUN)[0][:2] == ("failure", "UpstreamUnreachable")


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/x", "http://0x7f000001/x"]
)
def test_an_address_nobody_allowed_is_never_asked(
    database: URL, run, tmp_path: Path, url: str
) -> None:
    ran = run(by_url(tmp_path, url), CRYPTOSOURCE_EGRESS_ALLOW="")

    assert ran.returncode == 78
    assert rows(database, LAST_RUN)[0][1] in {"EgressDenied", None} or "spec.csv.url" in ran.stderr
