from __future__ import annotations

import threading

import pytest

from cryptosource_cli.command_errors import CommandError
from cryptosource_cli.single_run import START_DELAY_VARIABLE, wait_start_delay
from cryptosource_etl.clock import SystemClock
from cryptosource_etl.settings import RunSettings


class SleepingClock:
    def __init__(self):
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)


def settings(trigger):
    return RunSettings(job_name="j", trigger=trigger)


@pytest.mark.parametrize(
    ("variables", "trigger", "slept"),
    [
        ({START_DELAY_VARIABLE: "17"}, "schedule", [17]),
        ({START_DELAY_VARIABLE: "17"}, "manual", []),
        ({START_DELAY_VARIABLE: "17"}, "create", []),
        ({START_DELAY_VARIABLE: " "}, "schedule", []),
        ({}, "schedule", []),
    ],
)
def test_only_a_scheduled_run_waits_for_its_turn(variables, trigger, slept):
    clock = SleepingClock()

    assert wait_start_delay(variables, settings(trigger), clock)
    assert clock.slept == slept


def test_a_wait_ends_when_the_process_is_asked_to_stop():
    stop = threading.Event()
    stop.set()

    assert not wait_start_delay(
        {START_DELAY_VARIABLE: "3600"}, settings("schedule"), SystemClock(stop)
    )


@pytest.mark.parametrize("value", ["soon", "-1", "3601", "1.5"])
def test_a_wait_that_is_no_number_is_refused_by_name(value):
    with pytest.raises(CommandError, match=START_DELAY_VARIABLE):
        wait_start_delay({START_DELAY_VARIABLE: value}, settings("schedule"), SleepingClock())
