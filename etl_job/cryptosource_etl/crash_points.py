"""Named places where a test can kill the process, to prove that nothing is lost there.

`CRYPTOSOURCE_CRASH_AT=page-committed:2` kills it with SIGKILL the second time it gets there.
"""

from __future__ import annotations

import os
import signal

OF_A_RUN = (
    "claimed",
    "page-received",
    "page-staged",
    "page-merged",
    "checkpoint-moved",
    "page-committed",
    "pages-done",
    "finished",
)
"""In the order a run passes them."""

NAMES = ("request-accepted", *OF_A_RUN)
"""Every crash point; the first is passed by `up`, when it has promised a run that was asked for."""


class CrashPoints:
    """Counts visits and ends the process at the chosen one.

    Args:
        chosen: `name` or `name:n`, empty for none.

    Raises:
        ValueError: the name is none of `NAMES`, or n is no positive number.
    """

    def __init__(self, chosen: str = "") -> None:
        name, _, nth = chosen.partition(":")
        if name and name not in NAMES:
            raise ValueError(
                f"CRYPTOSOURCE_CRASH_AT={chosen!r}: choose one of {', '.join(NAMES)}, "
                "and :n for the n-th time"
            )
        if nth and not (nth.isdecimal() and int(nth) > 0):
            raise ValueError(f"CRYPTOSOURCE_CRASH_AT={chosen!r}: n must be a positive number")
        self._name = name
        self._visits_left = int(nth or 1)

    def reach(self, name: str) -> None:
        """Note that the run got to `name`; does not return when that is the chosen visit."""
        if name != self._name:
            return
        self._visits_left -= 1
        if self._visits_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
