"""When runs start on real pods: on schedule, when they are asked for, and not while suspended."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptosource_operator.names import SOURCE_LABEL
from support.source_objects import NEVER, of_sources
from support.waits import eventually

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
EVERY_MINUTE = {"schedule": "* * * * *", "runOnCreate": False}


def times_of(sources, name):
    """Return for which times a source's schedule has made Jobs."""
    return [
        datetime.fromisoformat(job["metadata"]["annotations"][SCHEDULED])
        for job in of_sources(sources.jobs())
        if job["metadata"]["labels"][SOURCE_LABEL] == name
    ]


def test_a_schedule_fires_suspending_holds_it_and_resuming_does_not_storm(
    sources, coins_csv, store
):
    sources.create("awake", csv=coins_csv, **EVERY_MINUTE)
    sources.create("asleep", csv=coins_csv, suspend=True, **EVERY_MINUTE)

    eventually(lambda: sources.status("awake").get("lastSuccessTime"), seconds=150)
    assert times_of(sources, "asleep") == []
    assert sources.condition("Suspended", "asleep") == ("True", "Suspended")

    resumed = datetime.now(tz=UTC)
    sources.edit("asleep", suspend=False)
    sources.edit("awake", suspend=True)
    eventually(lambda: sources.status("asleep").get("lastSuccessTime"), seconds=150)

    assert len([time for time in times_of(sources, "asleep") if time < resumed]) <= 1
    triggers = store.rows("SELECT DISTINCT etl_runs.trigger, status FROM etl_runs")
    assert triggers == [{"trigger": "schedule", "status": "success"}]


def test_one_token_is_one_run_and_two_tokens_are_two(sources, coins_csv, store):
    sources.create("asked", csv=coins_csv, runOnCreate=False)
    runs = "SELECT etl_runs.trigger, status FROM etl_runs WHERE finished_at IS NOT NULL"

    for token, count in (("monday", 1), ("monday", 1), ("tuesday", 2)):
        sources.ask(token, "asked")
        eventually(lambda count=count: len(store.rows(runs)) == count, seconds=90)

    eventually(lambda: sources.status("asked").get("totals", {}).get("succeeded") == 2)
    assert sources.status("asked")["lastHandledRunRequest"] == "tuesday"
    assert store.rows(runs) == [{"trigger": "manual", "status": "success"}] * 2
    assert len(of_sources(sources.jobs())) == 2


def test_an_edit_of_the_cronjob_by_hand_is_undone_in_seconds(sources, coins_csv):
    sources.create("held", csv=coins_csv, runOnCreate=False)
    eventually(lambda: sources.condition("Scheduled", "held") == ("True", "InSync"))

    sources.edit_cronjob("held", schedule="* * * * *", suspend=True)

    eventually(
        lambda: (
            (
                sources.cronjob("held")["spec"]["schedule"],
                sources.cronjob("held")["spec"]["suspend"],
            )
            == (NEVER, False)
        ),
        seconds=15,
    )
    eventually(lambda: ("Normal", "DriftReverted") in sources.events())


def test_a_bad_schedule_stalls_in_the_api_servers_words_and_mending_it_recovers(sources, coins_csv):
    sources.create("bad", csv=coins_csv, schedule="61 * * * *")
    eventually(lambda: sources.condition("Stalled", "bad") == ("True", "InvalidSchedule"))
    assert "end of range (61) above maximum (59)" in sources.message("Stalled", "bad")

    sources.edit("bad", schedule=NEVER)

    eventually(lambda: sources.condition("Stalled", "bad") == ("", ""), seconds=15)
    eventually(lambda: sources.condition("Ready", "bad") == ("True", "Fresh"), seconds=90)
