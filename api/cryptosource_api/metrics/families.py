"""The metric families of sources, runs and the database, made from a snapshot. Pure.

Every replica shows the same values: aggregate them with `max`, never with `sum`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from cryptosource_api.metrics.database_snapshot import SOURCES_SHOWN, DatabaseSnapshot
from cryptosource_api.metrics.exposition import Family, label
from cryptosource_store.run_totals import DURATION_BOUNDS

# Names of fields of `Total` and of columns of `SOURCES_MEASURED`, and values of the label `result`.
RESULTS = ("loaded", "unchanged", "rejected")
BOUNDS = (*(f"{bound:.1f}" for bound in DURATION_BOUNDS), "+Inf")
# An interrupted run has no known end: it was found dead at some later time.
TIMED_STATUSES = ("success", "failure")


class Total(NamedTuple):
    """A row of `etl_run_totals`, in the order in which `SOURCES_MEASURED` gives its columns."""

    status: str
    reason: str
    bucket: int
    """Index of the duration's bucket in `BOUNDS`."""
    runs: int
    seconds: Decimal
    loaded: int
    unchanged: int
    rejected: int


@dataclass(frozen=True, kw_only=True)
class SourceGauge:
    """A gauge with one sample for each source."""

    name: str
    help: str
    column: str


GAUGES = (
    SourceGauge(
        name="etl_freshness_seconds",
        help="Age of the last successful run; absent until there is one",
        column="age_seconds",
    ),
    SourceGauge(
        name="etl_checkpoint_age_seconds",
        help="Since the checkpoint moved last; absent until there is one",
        column="checkpoint_age_seconds",
    ),
    SourceGauge(
        name="etl_source_known_seconds",
        help="Since the source was first seen",
        column="known_seconds",
    ),
    SourceGauge(
        name="etl_freshness_limit_seconds",
        help="spec.freshness.maxAgeSeconds",
        column="max_age_seconds",
    ),
    SourceGauge(
        name="etl_consecutive_failures",
        help="Jobs that failed since the last success, within the newest 100 attempts",
        column="consecutive_failures",
    ),
    SourceGauge(name="etl_suspended", help="1: spec.suspend is true", column="suspended"),
    SourceGauge(name="etl_running", help="1: a run is under way", column="running"),
    SourceGauge(
        name="etl_records", help="Records of the source that are in the data", column="records"
    ),
)


def families(snapshot: DatabaseSnapshot | None) -> Iterator[Family]:
    """Yield the families that come from the database.

    Args:
        snapshot: None while the database is away; then `cryptosource_database_up` 0 is the only one.
    """
    up = int(snapshot is not None)
    yield _gauge("cryptosource_database_up", "1: Postgres answers this process", up)
    if snapshot is None:
        return
    yield from _system_families(snapshot)
    labelled = [(_source_labels(row), row) for row in snapshot.sources]
    yield from _run_families(labelled)
    for gauge in GAUGES:
        family = Family(name=gauge.name, kind="gauge", help=gauge.help)
        for labels, row in labelled:
            value = row[gauge.column]
            # A missing sample says "unknown"; 0 would look like a fresh source.
            if value is not None:
                family.add(labels, float(value))
        yield family


def _gauge(name: str, help_text: str, value: float) -> Family:
    family = Family(name=name, kind="gauge", help=help_text)
    family.add("", value)
    return family


def _system_families(snapshot: DatabaseSnapshot) -> Iterator[Family]:
    system = snapshot.system
    yield _gauge(
        "cryptosource_migration_pending",
        "1: the schema is older than this version needs",
        int(snapshot.migration_pending),
    )
    yield _gauge("cryptosource_database_bytes", "Size of the database", system["database_bytes"])
    yield _gauge(
        "cryptosource_run_requests_pending",
        "Runs asked for through the API that nobody has taken up",
        system["requests_pending"],
    )
    yield _gauge(
        "cryptosource_run_request_oldest_seconds",
        "Age of the oldest of them; 0 when there is none",
        float(system["oldest_request_seconds"] or 0),
    )
    yield _gauge("cryptosource_sources", "CryptoSources in the database", system["sources"])
    yield _gauge(
        "cryptosource_sources_left_out",
        "Sources beyond the limit, which have no metrics of their own",
        max(0, system["sources"] - SOURCES_SHOWN),
    )
    missing = Family(
        name="cryptosource_partitions_missing",
        kind="gauge",
        help="Monthly partitions that should have been made ahead and were not",
    )
    for table, months in {"quotes": 0, **snapshot.months_missing}.items():
        missing.add(label("table", table), months)
    yield missing


def _run_families(sources: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Family]:
    runs = Family(name="etl_runs", kind="counter", help="Runs that ended, replays apart")
    records = Family(
        name="etl_records_processed",
        kind="counter",
        help="Records by what became of them, those of a run under way included",
    )
    seconds = Family(
        name="etl_duration_seconds",
        kind="histogram",
        help="How long runs took that ended by themselves",
    )
    drifts = Family(
        name="etl_schema_drifts",
        kind="counter",
        help="Changes of the upstream's shape that were seen",
    )
    for labels, row in sources:
        totals = [Total(*each) for each in row["totals"] or ()]
        for (status, reason), count in _count_runs(totals).items():
            runs.add(f"{labels},{label('status', status)},{label('reason', reason)}", count)
        for result in RESULTS:
            ended = sum(getattr(total, result) for total in totals)
            # Totals are written when a run ends; the row has the counts of the run under way.
            records.add(f'{labels},result="{result}"', ended + (row[result] or 0))
        for status in TIMED_STATUSES:
            _add_durations(
                seconds,
                f'{labels},status="{status}"',
                [total for total in totals if total.status == status],
            )
        drifts.add(labels, row["drifts"])
    yield from (runs, records, seconds, drifts)


def _source_labels(row: Mapping[str, Any]) -> str:
    return ",".join(
        (
            label("namespace", row["namespace"]),
            label("source", row["name"]),
            label("source_type", row["source_type"]),
        )
    )


def _count_runs(totals: Iterable[Total]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for total in totals:
        counts[total.status, total.reason] += total.runs
    return counts


def _add_durations(family: Family, labels: str, totals: Sequence[Total]) -> None:
    """Add the histogram of one status; nothing if there was no such run."""
    if not totals:
        return
    # Buckets of Prometheus are cumulative: each counts all runs up to its bound.
    cumulative = [0] * len(BOUNDS)
    for total in totals:
        for index in range(total.bucket, len(BOUNDS)):
            cumulative[index] += total.runs
    for bound, runs in zip(BOUNDS, cumulative, strict=True):
        family.add(f'{labels},le="{bound}"', runs, suffix="_bucket")
    family.add(labels, cumulative[-1], suffix="_count")
    family.add(labels, float(sum(total.seconds for total in totals)), suffix="_sum")
