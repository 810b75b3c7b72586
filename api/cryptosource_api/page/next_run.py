"""When a source is due next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

# What a schedule means is said once, beside the resource: Kubernetes' reading of the five fields.
from cryptosource_crd.schedule import next_run


def next_due(row: Mapping[Any, Any], *, suspended: bool) -> datetime | None:
    """Return the next moment at which a source is due, in UTC.

    Args:
        row: with `schedule`, `time_zone`, `now` and, of its newest run, `next_attempt_at`.
        suspended: then nothing is due.

    Returns:
        None where nothing is scheduled, or where the schedule that is stored cannot be read.
    """
    if suspended or not row["schedule"]:
        return None
    earliest = max(row["now"], row.get("next_attempt_at") or row["now"])
    try:
        return next_run(row["schedule"], row["time_zone"] or "Etc/UTC", earliest)
    except (ValueError, StopIteration):
        return None
