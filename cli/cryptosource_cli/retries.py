"""Trying again what may work later, for commands that start beside what they need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import click

from cryptosource_cli.command_errors import UNAVAILABLE_EXIT_CODE, CommandError

T = TypeVar("T")

EVERY_SECONDS = 2.0


def patiently(action: Callable[[], T], *, seconds: float) -> T:
    """Do something until it succeeds, telling each new reason why it does not.

    Args:
        action: may be repeated.
        seconds: 0 tries once.

    Raises:
        CommandError: it can never work, or did not in time; the last reason.
    """
    end, told = time.monotonic() + seconds, ""
    while True:
        try:
            return action()
        except CommandError as error:
            late = time.monotonic() + EVERY_SECONDS > end
            if late or error.exit_code != UNAVAILABLE_EXIT_CODE:
                raise
            if error.message != told:
                click.echo(f"waiting: {error.message}", err=True)
                told = error.message
        time.sleep(EVERY_SECONDS)
