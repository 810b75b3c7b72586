"""Whole exports beside a bare response of the same bytes, by one client that reads all it is sent.

A row is a coin; both are timed from the connection to the last byte.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FORMS = ("csv", "ndjson", "parquet")
Get = Callable[[str], tuple[int, Any, bytes]]
"""Asks for a target; returns status, headers and body."""


def target_of(form: str) -> str:
    """Return where every coin is exported."""
    return f"/data?format={form}"


@dataclass
class ExportFigures:
    """What the rounds gave for one form."""

    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, *, rows: int, size: int, seconds: float, bare_seconds: float) -> None:
        """Take one round."""
        self.samples["rows_per_second"].append(rows / seconds)
        self.samples["bare_rows_per_second"].append(rows / bare_seconds)
        self.samples["megabytes"].append(size / 1e6)
        self.samples["ratio"].append(bare_seconds / seconds)

    def __getitem__(self, name: str) -> float:
        return statistics.median(self.samples[name])


def _timed(get: Get, target: str) -> tuple[float, int]:
    began = time.perf_counter()
    _, _, body = get(target)
    return time.perf_counter() - began, len(body)


def measure_exports(
    get: Get, bare: Mapping[str, str], *, rows: int, rounds: int
) -> dict[str, ExportFigures]:
    """Measure every form in each round.

    Args:
        get: asks the server.
        bare: form -> target of its bare response.
        rows: of an export.
        rounds: how often.
    """
    found: dict[str, ExportFigures] = defaultdict(ExportFigures)
    for _ in range(rounds):
        for form, beside in bare.items():
            seconds, size = _timed(get, target_of(form))
            bare_seconds, _ = _timed(get, beside)
            found[form].add(rows=rows, size=size, seconds=seconds, bare_seconds=bare_seconds)
    return found


def show_exports(found: Mapping[str, ExportFigures]) -> None:
    """Print a table."""
    print(
        f"\n  {'export':32}{'rows/s':>11}{'MB':>9}{'bare rows/s':>18}{'ratio':>8}   lowest..highest"
    )
    for form, figures in found.items():
        spread = figures.samples["ratio"]
        print(
            f"  {form:32}{figures['rows_per_second']:11.0f}{figures['megabytes']:9.1f}"
            f"{figures['bare_rows_per_second']:18.0f}{figures['ratio']:8.4f}"
            f"   {min(spread):.4f}..{max(spread):.4f}"
        )
