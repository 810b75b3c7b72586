"""Upstreams that throttle, fail, vanish, refuse the key or send what no one should read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from support import postgres as postgres_support
from support.commands import COMMAND, environment
from support.manifests import ONE_ATTEMPT, closed_url, gecko, paprika, secret, write
from support.market import RunningMarket, running_market
from support.oracle import contradictions, counts, facts, rows
from support.process_memory import measure
from support.secrets import files_that_mention, tables_that_mention

CANARY = "canary-5Qv7xT2mKpZ9"
LAST = "SELECT status, reason, rejected FROM etl_runs ORDER BY started_at DESC LIMIT 1"
STORED = ("quotes", "raw_records", "quotes_latest", "unified")
MAX_BODY_MIB = 64
"""What `HttpLimits` lets an answer hold before it is refused."""
HEADROOM_MIB = 32
"""What a hostile answer may cost beside that and an ordinary run."""


def arrivals(market: RunningMarket) -> list[float]:
    return [float(entry["at"]) for entry in market.log]


def test_throttled_then_broken_upstream_ends_in_one_success(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    market.control.fault("status", status=429, retry_after=2)
    market.control.fault("status", status=500)

    ran = run(write(tmp_path, paprika(market.paprika_url)))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [entry["status"] for entry in market.log] == [429, 500, 200]
    first, second, _ = arrivals(market)
    assert second - first >= 2
    told = rows(database, "SELECT status, requests, retries, loaded FROM etl_runs")
    assert told == [("success", 3, 2, 25)]


def test_requests_never_exceed_the_bucket(database: URL, run, tmp_path: Path) -> None:
    rate = {"requestsPerMinute": 240, "burst": 2}
    with running_market(coins=1700) as market:
        ran = run(write(tmp_path, gecko(market.gecko_url, rateLimit=rate)))
        at = arrivals(market)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(at) >= 7
    for first, start in enumerate(at):
        for last, end in enumerate(at[first:], start=first):
            allowed = rate["burst"] + (end - start) * rate["requestsPerMinute"] / 60
            # One more, for a request that was slow on its way to the market's clock.
            assert last - first + 1 <= allowed + 1


def test_wait_that_is_too_long_ends_the_run_and_says_when_to_come_back(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    market.control.fault("status", status=429, retry_after=3600, times="forever")

    ran = run(write(tmp_path, paprika(market.paprika_url)))

    assert ran.returncode == 75
    assert rows(database, LAST) == [("failure", "RateLimited", 0)]
    ((wait,),) = rows(database, "SELECT next_attempt_at - finished_at FROM etl_runs")
    # Two clocks were read, a moment apart, in either order.
    assert timedelta(minutes=59) < wait < timedelta(minutes=61)
    assert len(market.log) == 1


def test_unreachable_upstream_is_a_failure_that_changes_nothing(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    assert run(write(tmp_path, paprika(market.paprika_url))).returncode == 0
    before = facts(database)

    ran = run(write(tmp_path, paprika(closed_url("/v1"), retry={"maxAttempts": 2})))

    assert ran.returncode == 75
    assert "failure (UpstreamUnreachable)" in ran.stdout
    assert rows(database, LAST) == [("failure", "UpstreamUnreachable", 0)]
    assert facts(database) == before


@pytest.mark.parametrize("vendor", ["paprika", "gecko"])
def test_rejected_key_is_permanent_and_appears_nowhere(
    database: URL, run, tmp_path: Path, market: RunningMarket, vendor: str
) -> None:
    kind, source = {
        "paprika": ("paprika", paprika(market.paprika_pro_url, plan="Pro")),
        "gecko": ("demo", gecko(market.gecko_url, plan="Demo")),
    }[vendor]
    market.control.key("some-other-key", kind)
    (tmp_path / "manifests").mkdir()
    manifest = write(tmp_path / "manifests", source, secret(vendor, CANARY))

    ran = run(manifest, LOG_LEVEL="DEBUG")

    assert ran.returncode == 78, ran.stdout + ran.stderr
    assert "failure (KeyRejected)" in ran.stdout
    assert rows(database, LAST) == [("failure", "KeyRejected", 0)]
    assert len(market.log) == 1
    assert CANARY in market.log[0]["headers"].values()
    assert not market.log[0]["key_in_url"]
    assert CANARY not in ran.stdout + ran.stderr
    assert files_that_mention(tmp_path / "data", CANARY) == []
    assert tables_that_mention(database, CANARY) == []
    assert "sources" in tables_that_mention(database, vendor), "the search finds what is there"


def test_missing_key_says_where_to_put_it(run, tmp_path: Path, market: RunningMarket) -> None:
    ran = run(write(tmp_path, gecko(market.gecko_url, plan="Demo")))

    assert ran.returncode == 78
    assert "COINGECKO_API_KEY" in ran.stdout + ran.stderr
    assert market.log == []


@pytest.fixture(scope="module")
def ordinary_peak_mib(postgres: URL, migrated_template: str, tmp_path_factory) -> float:
    """The memory of a run of 25 coins."""
    folder = tmp_path_factory.mktemp("ordinary")
    with (
        running_market(coins=25) as market,
        postgres_support.database(postgres, template=migrated_template) as url,
    ):
        manifest = write(folder, paprika(market.paprika_url))
        ran = measure(
            [str(COMMAND), "run", "-f", str(manifest)], env=environment(url, folder), folder=folder
        )
        assert ran.exit_code == 0, ran.stderr
        return ran.peak_mib


@pytest.mark.parametrize(
    ("fault", "reason", "held_mib"),
    [
        ({"kind": "bomb", "mebibytes": 512}, "BodyTooLarge", 0),
        ({"kind": "endless"}, "BodyTooLarge", MAX_BODY_MIB),
        ({"kind": "status", "status": 200, "shape": "html"}, "MalformedResponse", 0),
        ({"kind": "truncate", "after": 5000}, "MalformedResponse", 0),
        ({"kind": "poison", "what": "broken_json"}, "MalformedResponse", 0),
    ],
    ids=["bomb", "endless", "html", "truncated", "broken"],
)
def test_answer_that_cannot_be_read_fails_the_run_in_flat_memory(
    database: URL,
    tmp_path: Path,
    market: RunningMarket,
    ordinary_peak_mib: float,
    fault: dict[str, Any],
    reason: str,
    held_mib: int,
) -> None:
    market.control.rule(fault, times="forever")
    manifest = write(tmp_path, paprika(market.paprika_url, retry=ONE_ATTEMPT))

    ran = measure(
        [str(COMMAND), "run", "-f", str(manifest)],
        env=environment(database, tmp_path / "data"),
        folder=tmp_path,
    )

    assert ran.exit_code == 75, ran.stdout
    assert rows(database, LAST) == [("failure", reason, 0)]
    assert set(counts(database, *STORED).values()) == {0}
    assert "Traceback" not in ran.stdout + ran.stderr
    assert ran.peak_mib < ordinary_peak_mib + held_mib + HEADROOM_MIB


POISON = {
    "nan": "NotFinite",
    "digits": "OutOfRange",
    "absurd_exponent": "OutOfRange",
    "negative": "Negative",
    "missing_id": "MissingId",
    "deep": "NotAnObject",
    "nul": "InvalidName",
    "lone_surrogate": "InvalidName",
}


def test_each_bad_record_is_quarantined_with_its_reason_and_the_others_are_loaded(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    poison = [{"kind": "poison", "what": what, "record": n} for n, what in enumerate(POISON)]
    market.control.rule(*poison)

    ran = run(write(tmp_path, paprika(market.paprika_url, rejectLimitPercent=50)))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    refused = rows(database, "SELECT reason FROM rejected_records ORDER BY rejected_id")
    assert sorted(reason for (reason,) in refused) == sorted(POISON.values())
    assert counts(database, "quotes", "raw_records") == {
        "quotes": 25 - len(POISON),
        "raw_records": 25,
    }
    assert contradictions(database) == {}


def test_too_many_bad_records_fail_the_run_and_keep_the_checkpoint(
    database: URL, run, tmp_path: Path, market: RunningMarket
) -> None:
    market.control.fault("poison", what="negative", count=5)

    ran = run(write(tmp_path, paprika(market.paprika_url)))

    assert ran.returncode == 75
    assert rows(database, LAST)[0][:2] == ("failure", "TooManyRejected")
    assert rows(database, "SELECT records_committed, cursor FROM etl_checkpoints") == [(0, {})]
