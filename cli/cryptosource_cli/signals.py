"""The handling of SIGTERM and Ctrl-C in commands that run for a while."""

from __future__ import annotations

import signal
import threading


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at the first SIGTERM or Ctrl-C, so that the command finishes its current work.

    A second Ctrl-C ends the process at once.
    """

    def handle(number: int, _frame: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
