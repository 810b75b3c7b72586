"""The plan follows from the partitions and the time alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cryptosource_store.maintenance import (
    ActionKind,
    Partition,
    Retention,
    months_ahead,
    plan_maintenance,
)

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def month(root: str, year: int, number: int, branch: str | None = None) -> Partition:
    upper = (year, number + 1) if number < 12 else (year + 1, 1)
    return Partition(
        root=root,
        branch=branch,
        name=f"{branch or root}_y{year}m{number:02d}",
        lower=datetime(year, number, 1, tzinfo=UTC),
        upper=datetime(*upper, 1, tzinfo=UTC),
    )


def branch(name: str) -> Partition:
    return Partition(root="raw_records", branch=name, name=name, lower=None, upper=None)


def made(partitions, now=NOW, **kept) -> dict[str, tuple]:
    plan = plan_maintenance(partitions, now, Retention(**kept))
    return {action.table: action.months for action in plan if action.kind is ActionKind.MAKE}


def dropped(partitions, now=NOW, **kept) -> list[str]:
    plan = plan_maintenance(partitions, now, Retention(**kept))
    return [action.table for action in plan if action.kind is ActionKind.DROP]


def test_months_ahead_cross_the_year():
    assert months_ahead(NOW, 2) == [(2026, 11), (2026, 12), (2027, 1)]


def test_months_are_those_of_utc():
    eleven_in_new_york = datetime.fromisoformat("2026-11-30T23:00:00-05:00")

    assert months_ahead(eleven_in_new_york, 0) == [(2026, 12)]


def test_empty_database_gets_quotes_alone():
    assert made([]) == {"quotes": ((2026, 11), (2026, 12), (2027, 1))}


def test_every_raw_branch_gets_the_months_it_misses():
    known = [
        branch("raw_csv"),
        branch("raw_coingecko"),
        month("raw_records", 2026, 11, "raw_csv"),
        *(month("quotes", year, number) for year, number in months_ahead(NOW, 2)),
    ]

    assert made(known) == {
        "raw_coingecko": ((2026, 11), (2026, 12)),
        "raw_csv": ((2026, 12),),
    }


def test_month_whose_last_moment_is_just_within_the_retention_stays():
    october = month("raw_records", 2026, 10, "raw_csv")
    edge = datetime(2026, 12, 1, tzinfo=UTC)

    assert dropped([october], edge - timedelta(microseconds=1)) == []
    assert dropped([october], edge) == ["raw_csv_y2026m10"]


def test_quotes_stay_for_ever_unless_asked():
    old = month("quotes", 2013, 4)

    assert dropped([old]) == []
    assert dropped([old], quote_days=365) == ["quotes_y2013m04"]


def test_raw_is_kept_where_no_retention_is_given():
    assert dropped([month("raw_records", 2013, 4, "raw_csv")], raw_days=None) == []


def test_branches_are_never_dropped():
    assert dropped([branch("raw_csv")], raw_days=1, quote_days=1) == []


@given(
    now=st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    days=st.integers(1, 4000),
    months=st.sets(st.tuples(st.integers(1999, 2101), st.integers(1, 12)), max_size=20),
)
def test_no_dropped_month_can_hold_anything_within_the_retention(now, days, months):
    known = [month("raw_records", year, number, "raw_csv") for year, number in months]

    gone = set(dropped(known, now, raw_days=days))

    for partition in known:
        youngest_is_old = partition.upper <= now - timedelta(days=days)
        assert (partition.name in gone) == youngest_is_old


@given(months=st.sets(st.sampled_from([(2026, 10), (2026, 11), (2026, 12), (2027, 1), (2027, 2)])))
def test_plan_of_what_the_plan_has_made_makes_nothing(months):
    known = [month("quotes", year, number) for year, number in months]
    more = [month("quotes", *each) for each in made(known).get("quotes", ())]

    assert made([*known, *more]) == {}
