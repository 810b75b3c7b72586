"""Waiting for one's turn: scheduled runs that share a minute start spread over some seconds."""

from __future__ import annotations

from collections.abc import Mapping

from cryptosource_cli.command_errors import CommandError
from cryptosource_etl.clock import Clock, Stopped
from cryptosource_etl.settings import RunSettings
from cryptosource_store.environment import InvalidSetting, whole_number

VARIABLE = "CRYPTOSOURCE_START_DELAY_SECONDS"
"""Set by the operator: a stable number for each source, less than its starting deadline."""
MAX_SECONDS = 3600


def wait_for_turn(variables: Mapping[str, str], settings: RunSettings, clock: Clock) -> bool:
    """Wait if this is a scheduled run that is told to.

    Args:
        variables: the environment.
        settings: the run's; one that somebody asked for starts at once.
        clock: whose sleep ends early when the process is asked to stop.

    Returns:
        False when the process was asked to stop meanwhile.

    Raises:
        CommandError: the variable is no number of seconds.
    """
    if settings.trigger != "schedule":
        return True
    try:
        seconds = whole_number(variables, VARIABLE, 0, most=MAX_SECONDS)
        if seconds:
            clock.sleep(seconds)
    except InvalidSetting as error:
        raise CommandError(str(error)) from error
    except Stopped:
        return False
    return True
