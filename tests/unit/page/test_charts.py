"""Geometry of what is drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptosource_api.page.charts.price_chart import price_chart, price_labels, price_ticks
from cryptosource_api.page.charts.run_bars import SLOTS, UP, run_bars
from cryptosource_api.page.charts.sparkline import HEIGHT, WIDTH, sparkline

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)

prices = st.decimals(min_value=0, max_value=10**20, allow_nan=False, allow_infinity=False)


def run(status: str = "success", seconds: float = 1.0) -> dict[str, Any]:
    return {"status": status, "seconds": Decimal(str(seconds))}


def test_success_rises_and_trouble_hangs():
    drawing = run_bars([run("success", 4), run("failure", 4), run("interrupted", 4)])
    line = UP + 1
    success, failure, interrupted = drawing.bars

    assert float(success.y) + float(success.height) == line
    assert float(failure.y) > line
    assert float(interrupted.y) > line


def test_the_newest_run_stands_at_the_right_edge():
    drawing = run_bars([run() for _ in range(SLOTS + 5)])

    assert len(drawing.bars) == SLOTS
    alone = run_bars([run()]).bars[0]
    assert drawing.width - float(alone.x) < 10


def test_a_longer_run_is_higher_and_none_vanishes():
    short, long = run_bars([run(seconds=0), run(seconds=100)]).bars

    assert 0 < float(short.height) < float(long.height) <= UP


def test_the_runs_are_summed_up_in_words():
    drawing = run_bars([run(), run(), run("failure")])

    assert drawing.summary == "Last 3 runs: 2 success, 1 failure"
    assert run_bars([]).summary == "No runs yet"


@pytest.mark.parametrize("values", [[], [Decimal(1)], [None, Decimal(1), None]])
def test_fewer_than_two_prices_make_no_line(values):
    assert sparkline(values) is None


@given(st.lists(prices | st.none(), max_size=40))
def test_a_sparkline_stays_in_its_box(values):
    drawing = sparkline(values)

    if drawing is not None:
        for point in drawing.points.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 1), prices), max_size=20).map(sorted),
        max_size=4,
    ),
    st.sampled_from([DAY / 24, DAY, 7 * DAY, 30 * DAY, 4000 * DAY]),
)
def test_a_chart_stays_in_its_box(shares, span):
    start = NOON - span
    series = [[(start + span * share, value) for share, value in points] for points in shares]

    chart = price_chart(series, start=start, end=NOON, width=336, height=250)

    if chart is None:
        assert not any(series)
        return
    points = [
        tuple(map(float, point.split(",")))
        for line in chart.lines
        for path in line.paths
        for point in path.split()
    ]
    dots = [tuple(map(float, dot)) for line in chart.lines for dot in line.dots]
    for x, y in points + dots:
        assert chart.frame.left - 0.1 <= x <= chart.frame.end + 0.1
        assert 0 <= y <= chart.frame.bottom + 0.1
    for tick in chart.times:
        assert chart.frame.left - 0.1 <= float(tick.at) <= chart.frame.end + 0.1


def test_a_line_breaks_where_nothing_was_observed_for_long():
    hours = [*range(10), *range(40, 50)]
    points = [(NOON + timedelta(hours=hour), Decimal(5)) for hour in hours]

    chart = price_chart([points], start=NOON, end=NOON + 3 * DAY, width=900, height=300)

    assert chart is not None
    assert [len(path.split()) for path in chart.lines[0].paths] == [10, 10]


def test_one_observation_is_a_dot():
    chart = price_chart(
        [[(NOON, Decimal(5))]], start=NOON - DAY, end=NOON + DAY, width=900, height=300
    )

    assert chart is not None
    assert (len(chart.lines[0].paths), len(chart.lines[0].dots)) == (0, 1)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        ("86000", "98000", ["$86,000", "$88,000", "$90,000", "$92,000", "$94,000", "$96,000"]),
        ("0.9991", "1.0009", ["$0.9995", "$1.0000", "$1.0005"]),
        ("1e-15", "3e-15", ["$1 × 10⁻¹⁵", "$1.5 × 10⁻¹⁵", "$2 × 10⁻¹⁵", "$2.5 × 10⁻¹⁵"]),
        ("0", "3.1e9", ["$0", "$1.00B", "$2.00B", "$3.00B"]),
    ],
)
def test_prices_of_the_axis_are_round_and_can_be_told_apart(low, high, labels):
    assert price_labels(price_ticks(Decimal(low), Decimal(high), at_most=6)) == labels
