"""Tune the interpreter for a process that handles records by the thousand."""

from __future__ import annotations

import gc
import sys

ALLOCATIONS_PER_COLLECTION = 100_000
"""A page of a thousand records makes tens of thousands of objects, nearly all of which are freed by
counting references. At the default of 700 the collector looks through them again and again:
measured, a fifth of the loading thread's time."""

SWITCH_SECONDS = 0.0001
"""The thread that commits a page needs the interpreter for a moment after each of some twenty
statements, and Postgres is idle until it has it. At the default of 5 ms it may wait that long for
the thread that prepares the next page, every time: measured, 20 µs a row."""


def expect_pages_of_objects() -> None:
    """Leave what start-up made out of every collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION, 20, 100)


def switch_threads_soon() -> None:
    """Let a thread that waits for Postgres go on as soon as it has its answer."""
    sys.setswitchinterval(SWITCH_SECONDS)
