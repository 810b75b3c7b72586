"""Runs that cannot start, are killed, or are moved away: what the status says, and what is loaded."""

from __future__ import annotations

from support.kube import BATCH
from support.node_processes import kill
from support.operator_process import operating
from support.release import restricted_namespace
from support.source_objects import Sources, of_sources
from support.waits import eventually

TOLD_SECONDS = 60
FAST = {"requestsPerMinute": 6000, "burst": 100}
COINS, FIRST_PAGE = 600, 250
HOURS = 7200
"""An answer that no test waits for."""


def loading(sources, market, store):
    """Start a source of three pages, and return its pod once the second keeps it waiting."""
    market.control.universe(coins=COINS)
    market.control.rule({"kind": "delay", "seconds": HOURS}, vendor="gecko", page=2, times=1)
    member = {"plan": "Keyless", "baseUrl": market.gecko_url, "selection": {"all": True}}
    sources.create("gecko", coinGecko=member, rateLimit=FAST)
    eventually(
        lambda: store.rows(f"SELECT 1 FROM etl_checkpoints WHERE records_committed = {FIRST_PAGE}"),
        seconds=90,
        what="the first page is in",
    )
    (pod,) = of_sources(sources.pods())
    return pod["metadata"]["name"]


def story(sources, store):
    """Return what became of each attempt, once one has succeeded and the status knows."""
    eventually(
        lambda: sources.condition("Ready", "gecko") == ("True", "Fresh"),
        seconds=120,
        what="the run after it has loaded the rest",
    )
    return [
        (row["status"], row["message"].split(" (")[0], row["loaded"])
        for row in store.rows("SELECT status, message, loaded FROM etl_runs ORDER BY started_at")
    ]


def whole(store):
    """Return whether everything is in, and nothing twice."""
    return store.rows(
        "SELECT (SELECT count(*) FROM raw_records) AS raw, (SELECT count(*) FROM quotes) AS quotes, "
        "(SELECT count(*) FROM unified) AS coins, (SELECT sum(loaded) FROM etl_runs) AS loaded"
    ) == [dict.fromkeys(("raw", "quotes", "coins", "loaded"), COINS)]


def test_a_run_that_is_killed_goes_on_from_its_checkpoint_and_the_status_tells_the_story(
    sources, market, store
):
    kill(loading(sources, market, store))

    first, second = story(sources, store)
    assert first == ("interrupted", "Interrupted due to restart", FIRST_PAGE)
    assert (second[0], second[2]) == ("success", COINS - FIRST_PAGE)
    assert whole(store)
    status = sources.status("gecko")
    assert [run["status"] for run in status["recentRuns"]] == ["success", "interrupted"]
    assert status["totals"]["processed"] == COINS
    assert status["consecutiveFailures"] == 0
    (job,) = of_sources(sources.jobs())
    assert job["status"]["failed"] == 1


def test_an_eviction_does_not_count_as_a_failure(sources, market, store, kube, home):
    pod = loading(sources, market, store)
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": home},
    }
    kube.request("POST", f"/api/v1/namespaces/{home}/pods/{pod}/eviction", eviction)

    first, second = story(sources, store)
    assert (first[0], first[2]) == ("interrupted", FIRST_PAGE)
    assert (second[0], second[2]) == ("success", COINS - FIRST_PAGE)
    assert whole(store)
    (job,) = of_sources(sources.jobs())
    assert job["status"].get("failed", 0) == 0
    status = sources.status("gecko")
    assert (status["consecutiveFailures"], status["totals"]["failed"]) == (0, 0)
    assert "lastFailureTime" not in status


def test_a_pod_that_finds_no_node_or_no_memory_is_told_within_a_minute(sources, coins_csv):
    large, small = {"cpu": "1000"}, {"memory": "24Mi"}
    sources.create("homeless", csv=coins_csv, resources={"requests": large})
    sources.create("starved", csv=coins_csv, resources={"requests": small, "limits": small})

    eventually(
        lambda: sources.condition("RunBlocked", "homeless") == ("True", "Unschedulable"),
        seconds=TOLD_SECONDS,
    )
    assert "Insufficient cpu" in sources.message("RunBlocked", "homeless")
    assert sources.condition("Ready", "homeless") == ("False", "Unschedulable")
    eventually(
        lambda: sources.condition("LastRunSucceeded", "starved") == ("False", "OOMKilled"),
        seconds=TOLD_SECONDS,
    )
    assert "limits" in sources.message("LastRunSucceeded", "starved")


def test_an_image_that_cannot_be_had_is_told_within_a_minute(
    cluster, kube, release, coins_csv, tmp_path
):
    """By an operator of the test's own, because the image is no matter of a source."""
    with restricted_namespace(kube, "no-image") as space:
        path = f"/api/v1/namespaces/{space}/configmaps"
        file = {"metadata": {"name": "coins"}, "data": {"coins.csv": "symbol,price_usd\n"}}
        kube.request("POST", path, file)
        sources = Sources(kube, space)
        image = {"CRYPTOSOURCE_ETL_IMAGE": "localhost/cryptosource/no-such-image:1"}
        with operating(cluster.kubeconfig, tmp_path, namespaces=[space], **image):
            sources.create("imageless", csv=coins_csv)

            eventually(
                lambda: (
                    sources.condition("RunBlocked", "imageless")[1]
                    in {"ErrImagePull", "ImagePullBackOff"}
                ),
                seconds=TOLD_SECONDS,
            )
            assert "no-such-image" in sources.message("RunBlocked", "imageless")
        sources.clear()
        assert kube.items(f"{BATCH}/namespaces/{space}/jobs") == []
