"""The text format of metric families."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def label(name: str, value: str) -> str:
    """Return `name="value"` with the value escaped."""
    return f'{name}="{value.translate(_ESCAPES)}"'


# Not prometheus-client's families: it takes seconds to encode those of a thousand sources.
@dataclass(frozen=True, kw_only=True)
class Family:
    """All samples of one name."""

    name: str
    """Without the `_total` of a counter."""
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    """One line of text."""
    lines: list[str] = field(default_factory=list)

    def add(self, labels: str, value: float, *, suffix: str = "") -> None:
        """Add a sample.

        Args:
            labels: results of `label`, joined by commas; may be empty.
            value: finite.
            suffix: `_bucket`, `_count` or `_sum` of a histogram.
        """
        ending = "_total" if self.kind == "counter" else suffix
        braces = f"{{{labels}}}" if labels else ""
        self.lines.append(f"{self.name}{ending}{braces} {value}")


def render_families(families: Iterable[Family], *, openmetrics: bool) -> bytes:
    """Return families in Prometheus' text format, or as OpenMetrics without its last line."""
    # OpenMetrics names a counter without the suffix of its samples; the older format with it.
    parts = []
    for family in families:
        ending = "_total" if family.kind == "counter" and not openmetrics else ""
        name = family.name + ending
        head = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
        parts.append("\n".join([*head, *family.lines, ""]))
    return "".join(parts).encode()
