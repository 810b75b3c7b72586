"""Errors of commands: a message on standard error and an exit code, never a traceback."""

from __future__ import annotations

import click

from cryptosource_store.reasons import PERMANENT_EXIT_CODE, RETRYABLE_EXIT_CODE

CONFIGURATION_EXIT_CODE = PERMANENT_EXIT_CODE
"""EX_CONFIG of sysexits: a person has to change a file, a variable or an argument."""
UNAVAILABLE_EXIT_CODE = RETRYABLE_EXIT_CODE
"""EX_TEMPFAIL of sysexits: the same command may work later."""


class CommandError(click.ClickException):
    """A command fails in a way that a person can act on.

    Args:
        message: what is wrong and what to do; one sentence, or one line for each problem.
        exit_code: see the constants of this module.
    """

    def __init__(self, message: str, *, exit_code: int = CONFIGURATION_EXIT_CODE) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it on the class
