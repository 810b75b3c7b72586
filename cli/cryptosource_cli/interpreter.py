"""Settings of the interpreter for processes that handle thousands of records at a time."""

from __future__ import annotations

import gc
import sys

# A page of a thousand records creates tens of thousands of objects, nearly all of which are freed
# by reference counting. At the default of 700 the collector traverses them again and again:
# measured, a fifth of the loading thread's time.
ALLOCATIONS_PER_COLLECTION = 100_000
"""Allocations between two collections of the youngest generation."""

# The thread that commits a page needs the interpreter for a moment after each of some twenty
# statements, and Postgres is idle until then. At the default of 5 ms it may wait that long for the
# thread that prepares the next page, every time: measured, 20 µs a row.
SWITCH_SECONDS = 0.0001
"""Longest time that a thread keeps the interpreter while another one waits for it."""


def tune_garbage_collection() -> None:
    """Exclude the objects of start-up from collections, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION, 20, 100)


def tune_thread_switching() -> None:
    """Let a thread continue soon after Postgres has answered it."""
    sys.setswitchinterval(SWITCH_SECONDS)
