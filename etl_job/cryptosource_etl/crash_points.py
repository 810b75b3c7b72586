"""Crash points: named places where a test can kill the process, to prove that nothing is lost.

`CRYPTOSOURCE_CRASH_AT=page-committed:2` kills it with SIGKILL the second time it gets there.
"""

from __future__ import annotations

import os
import signal

RUN_CRASH_POINTS = (
    "claimed",
    "page-received",
    "page-staged",
    "page-merged",
    "checkpoint-moved",
    "page-committed",
    "pages-done",
    "finished",
)
"""The crash points of a run, in the order in which it passes them."""

CRASH_POINTS = ("request-accepted", *RUN_CRASH_POINTS)
"""All crash points. `up` passes the first one when it has accepted a request for a run."""


class CrashPoints:
    """Counts how often one crash point is passed, and kills the process at the n-th time.

    Args:
        chosen: `name` or `name:n`; empty for none.

    Raises:
        ValueError: the name is none of `CRASH_POINTS`, or n is no positive number.
    """

    def __init__(self, chosen: str = "") -> None:
        name, _, nth = chosen.partition(":")
        if name and name not in CRASH_POINTS:
            raise ValueError(
                f"CRYPTOSOURCE_CRASH_AT={chosen!r}: choose one of {', '.join(CRASH_POINTS)}, "
                "and :n for the n-th time"
            )
        if nth and not (nth.isdecimal() and int(nth) > 0):
            raise ValueError(f"CRYPTOSOURCE_CRASH_AT={chosen!r}: n must be a positive number")
        self._name = name
        self._visits_left = int(nth or 1)

    def reach(self, name: str) -> None:
        """Pass a crash point; does not return if the process is to be killed there."""
        if name != self._name:
            return
        self._visits_left -= 1
        if self._visits_left == 0:
            # SIGKILL, because no handler, `finally` or connection pool can soften it.
            os.kill(os.getpid(), signal.SIGKILL)
