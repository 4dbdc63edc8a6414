"""The lines of a chart: what is left out of very long ones, where they break, are dashed; the values beside them."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support.factories import HOUR, MINUTE, NOON
from webapp.coins.prices.reading import PricePoint
from webapp.crawls.admin.chart_drawing import Drawing, log_ticks, ticks
from webapp.crawls.admin.chart_lines import BUCKETS, LINES, parts, pauses, rows, thinned


def point(minutes: float, price: float = 1, market_cap: float | None = None, volume: float | None = None) -> PricePoint:
    cap, traded = (None if value is None else Decimal(value) for value in (market_cap, volume))
    return PricePoint(NOON + minutes * MINUTE, Decimal(price), cap, traded, None)


def test_a_line_that_is_not_very_long_is_whole() -> None:
    points = [*map(point, range(2 * BUCKETS - 1)), point(1_000_000)]  # nearly all in one part

    assert thinned(points, ()) == points


def test_of_very_many_points_each_line_keeps_its_extremes_in_every_part() -> None:
    length, numbers = 50, random.Random(1)
    points = [point(place, *(numbers.random() for _ in LINES)) for place in range(BUCKETS * length + 1)]

    found = thinned(points, ())

    assert found == sorted(found)
    assert len(found) <= 6 * BUCKETS + 2
    kept = {*found}
    for name in LINES:
        for begin in range(0, BUCKETS * length, length):
            part = points[begin : begin + length]
            values = [getattr(one, name) for one in part]
            assert {min(values), max(values)} <= {getattr(one, name) for one in part if one in kept}


def test_a_very_long_line_keeps_the_points_that_are_asked_for_and_the_ends() -> None:
    points = [point(number) for number in range(10_000)]

    without, found = (thinned(points, keep) for keep in ((), {NOON + 5 * MINUTE}))

    assert point(5) not in without
    assert point(5) in found
    assert {points[0], points[-1]} <= {*without}


def test_a_line_without_values_is_thinned_by_the_others() -> None:
    points = [point(number, volume=9 if number == 5_005 else None) for number in range(10_000)]

    assert points[5_005] in thinned(points, ())


@pytest.mark.parametrize(
    ("least", "breaks", "found"),
    [
        (timedelta(minutes=60), [], [(1, 61), (62, 200)]),
        (timedelta(minutes=60, microseconds=1), [], [(62, 200)]),
        (timedelta(minutes=60), [62], [(1, 61)]),
        (timedelta(minutes=60), [199], [(1, 61)]),
        (timedelta(minutes=60), [200], [(1, 61), (62, 200)]),
        (timedelta(minutes=60), [61], [(1, 61), (62, 200)]),
        (timedelta(minutes=139), [], []),
    ],
)
def test_a_pause_is_as_long_as_it_must_be_and_has_no_break(
    least: timedelta, breaks: list[int], found: list[tuple[int, int]]
) -> None:
    points = [point(minute) for minute in (0, 1, 61, 62, 200)]

    spans = pauses(points, least, [NOON + minute * MINUTE for minute in breaks])

    assert [((since - NOON) / MINUTE, (until - NOON) / MINUTE) for since, until in spans] == found


def test_no_solid_line_crosses_a_pause_or_a_gap() -> None:
    points = [point(0, 1, 2, 3), point(60, 4), point(120, 5, 6, 7)]

    found = rows(points, [(NOON, NOON + HOUR)], [NOON + 90 * MINUTE])

    assert [((time - NOON) / MINUTE, *values) for time, *values in found] == [
        (0, 1, 2, 3),
        (30, None, None, None),
        (60, 4, None, None),
        (90, None, None, None),
        (120, 5, 6, 7),
    ]


def test_a_line_has_a_part_between_any_two_breaks() -> None:
    assert list(parts([(0, None), (1, 5.0), (2, 6.0), (3, None), (4, None), (5, 0.0)])) == [
        [(1, 5.0), (2, 6.0)],
        [(5, 0.0)],
    ]


def test_a_value_by_itself_is_a_short_line() -> None:
    drawing = Drawing("price", 100, 2, [(0.1, 1), (0.2, None), (0.5, 2), (0.6, 3)], dashes=[], spans_of_gaps=[])

    assert drawing.lines == ["M95.0 100.0L100.0 100.0", "M500.0 50.0L600.0 0.0"]


@pytest.mark.parametrize(
    ("low", "high", "linear", "logarithmic"),
    [
        pytest.param(2, 4, [2, 2.5, 3, 3.5, 4], [2, 2.5, 3, 3.5, 4], id="short"),
        pytest.param(87_021.66, 99_520.09, [90_000, 95_000], [90_000, 95_000], id="between round values"),
        pytest.param(3e-9, 3.5e-8, [1e-8, 2e-8, 3e-8], [5e-9, 1e-8, 2e-8], id="more than a power of ten"),
        pytest.param(1, 99, [20, 40, 60, 80], [1, 2, 5, 10, 20, 50], id="nearly two powers of ten"),
        pytest.param(0.9, 2e7, [5e6, 1e7, 1.5e7, 2e7], [1, 100, 1e4, 1e6], id="long"),
    ],
)
def test_the_values_beside_a_chart_are_round(
    low: float, high: float, linear: list[float], logarithmic: list[float]
) -> None:
    assert ticks(low, high, 5) == pytest.approx(linear)
    assert log_ticks(low, high, 5) == pytest.approx(logarithmic)
