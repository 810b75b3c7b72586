"""Tune the interpreter's garbage collector for a process that loads."""

from __future__ import annotations

import gc

ALLOCATIONS_PER_COLLECTION = 100_000
"""A page of a thousand records makes tens of thousands of objects, nearly all of which are freed by
counting references. At the default of 700 the collector looks through them again and again:
measured, a fifth of the loading thread's time."""


def expect_pages_of_objects() -> None:
    """Leave what start-up made out of every collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_PER_COLLECTION, 20, 100)
