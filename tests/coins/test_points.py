"""Points of an API's history, and the bars that they become."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.factories import DAY, HOUR, MINUTE, NOON, SECOND
from webapp.coins.cleaning import Unfit
from webapp.coins.fields import EPOCH
from webapp.coins.prices.observing import FIRST_COIN
from webapp.coins.prices.points import ChartPoint, bars_of, clean, step_of
from webapp.coins.prices.tiers import Step

MIDNIGHT = NOON - 12 * HOUR


def at(moment: datetime) -> Decimal:
    return Decimal((moment - EPOCH) // timedelta(milliseconds=1))


def points(*times: datetime) -> list[ChartPoint]:
    return [ChartPoint(time, Decimal(number), None, None) for number, time in enumerate(times)]


def test_a_point_has_the_digits_that_were_sent() -> None:
    price = Decimal("0.0000000000000000001234")

    assert clean([at(NOON), price, Decimal(3), None], NOON) == ChartPoint(NOON, price, Decimal(3), None)


def test_a_point_without_a_price_is_none() -> None:
    assert clean([at(NOON), None, Decimal(1), Decimal(1)], NOON) is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "point: not a time and a number"),
        ([at(NOON)], "point: not a time and a number"),
        (["x", Decimal(1), None, None], "time: not a possible date"),
        ([Decimal("NaN"), Decimal(1), None, None], "time: not a possible date"),
        ([Decimal(10) ** 300, Decimal(1), None, None], "time: not a possible date"),
        ([3 * Decimal(10) ** 14, Decimal(1), None, None], "time: not a possible date"),
        ([at(FIRST_COIN - SECOND), Decimal(1), None, None], "time: not a possible date"),
        ([at(NOON + SECOND), Decimal(1), None, None], "time: not a possible date"),
        ([at(NOON), "1", None, None], "price: a text, not a number"),
        ([at(NOON), Decimal(10) ** 30, None, None], "price: more than 30 digits before the point"),
        ([at(NOON), Decimal(1), True, None], "market_cap: true, not a number"),
        ([at(NOON), Decimal(1), None, Decimal("Infinity")], "volume: not a finite number"),
    ],
)
def test_an_invalid_point_is_rejected_with_a_reason(row: Any, reason: str) -> None:
    with pytest.raises(Unfit) as error:
        clean(row, NOON)

    assert str(error.value) == reason


@pytest.mark.parametrize(
    ("times", "days", "step"),
    [
        ([NOON, NOON + 5 * MINUTE, NOON + 10 * MINUTE], 1, Step.HOUR),
        ([NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 2 * HOUR + SECOND], 90, Step.HOUR),
        ([MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY + HOUR], 365, Step.DAY),
        ([NOON, NOON + HOUR, NOON + 2 * HOUR], 365, Step.HOUR),
        ([MIDNIGHT, MIDNIGHT + DAY, NOON + 2 * DAY], 30, Step.DAY),
        ([NOON, NOON + HOUR, NOON + 30 * HOUR, NOON + 31 * HOUR, NOON + 32 * HOUR], 7, Step.HOUR),
        ([MIDNIGHT, NOON - SECOND, NOON], 7, Step.HOUR),
        ([MIDNIGHT, NOON, NOON + SECOND], 7, Step.DAY),
        ([MIDNIGHT, NOON], 365, Step.DAY),
        ([NOON], 90, Step.HOUR),
        ([], 91, Step.DAY),
    ],
    ids=[
        "minutes",
        "hours",
        "days",
        "hours unasked",
        "days unasked",
        "a hole",
        "less than 12 hours",
        "12 hours",
        "one and now",
        "now alone",
        "none",
    ],
)
def test_the_bars_are_as_long_as_the_points_are_apart(times: list[datetime], days: int, step: Step) -> None:
    assert step_of(points(*times), days) == step


def test_a_bar_has_the_points_of_its_time() -> None:
    found = [
        ChartPoint(NOON + minutes * MINUTE, Decimal(price), Decimal(minutes), None)
        for minutes, price in ((0, 5), (5, 9), (59, 2), (60, 3), (125, 1))
    ]

    names = ("time", "open", "high", "low", "close", "market_cap", "volume", "last_at")
    assert [
        tuple(getattr(bar, name) for name in names) for bar in bars_of(found, Step.HOUR, NOON, NOON + 2 * HOUR)
    ] == [
        (NOON, 5, 9, 2, 2, 59, None, NOON + 59 * MINUTE),
        (NOON + HOUR, 3, 3, 3, 3, 60, None, NOON + HOUR),
    ]


def test_a_bar_that_is_not_over_yet_is_left_out() -> None:
    found = points(MIDNIGHT - DAY, MIDNIGHT, NOON)

    assert [bar.time for bar in bars_of(found, Step.DAY, NOON - 2 * DAY, Step.DAY.start(NOON))] == [MIDNIGHT - DAY]


def test_a_bar_that_began_before_what_was_asked_for_is_left_out() -> None:
    found = points(NOON + 59 * MINUTE, NOON + 61 * MINUTE)

    assert [bar.time for bar in bars_of(found, Step.HOUR, NOON + MINUTE, NOON + DAY)] == [NOON + HOUR]
