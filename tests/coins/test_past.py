"""Past prices are stored where nothing was observed, and never over what was."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.support.factories import DAY, HOUR, MINUTE, NOON, row
from tests.support.prices import flush, stored_bars
from webapp.coins.models import CoveredSpan, PriceBar, PriceDay, PriceSeries
from webapp.coins.prices import past, rollup
from webapp.coins.prices.imported import Stored
from webapp.coins.prices.missing import cover
from webapp.coins.prices.points import Chart, PastBar
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]
MIDNIGHT = NOON - 12 * HOUR


def bar(time: datetime, price: Any = 1) -> PastBar:
    same = Decimal(price)
    return PastBar(
        time=time, open=same, high=same, low=same, close=same, volume=Decimal("0.5"), last_at=time + MINUTE, points=2
    )


def chart(*bars: PastBar, step: Step = Step.HOUR, until: datetime = NOON + DAY) -> Chart:
    return Chart("bitcoin", step, list(bars), NOON - 90 * DAY, until, len(bars), [], None)


def closes(step: Step = Step.HOUR) -> dict[datetime, tuple[Any, int]]:
    """By beginning, the last price and the number of observations."""
    return {time: (bar.close, bar.observations) for (_, time), bar in stored_bars(step).items()}


def test_bars_are_created_changed_or_left_alone() -> None:
    first = past.store(chart(bar(NOON), bar(NOON + HOUR)))

    again = past.store(chart(bar(NOON), bar(NOON + HOUR, 7), bar(NOON + 2 * HOUR)))

    assert (first, again) == (Stored(created=2), Stored(created=1, updated=1, unchanged=1))
    assert closes() == {NOON: (1, 0), NOON + HOUR: (7, 0), NOON + 2 * HOUR: (1, 0)}


def test_a_bar_of_one_point_replaces_none_that_was_fetched() -> None:
    past.store(chart(bar(NOON)))

    stored = past.store(chart(replace(bar(NOON, 7), points=1), replace(bar(NOON + HOUR, 7), points=1)))

    assert stored == Stored(created=1, unchanged=1)
    assert closes() == {NOON: (1, 0), NOON + HOUR: (7, 0)}


def test_hours_make_their_day() -> None:
    past.store(chart(bar(NOON, 3), bar(NOON + HOUR, 9), bar(NOON + 2 * HOUR, 1)))

    day = PriceBar.objects.get(step=Step.DAY)
    assert (day.time, day.open, day.high, day.low, day.close, day.observations) == (MIDNIGHT, 3, 9, 1, 1, 0)


def test_an_hour_that_was_observed_is_left_alone() -> None:
    flush(row(current_price=Decimal(5)), at=NOON + MINUTE)
    rollup.roll_up(NOON + HOUR)

    stored = past.store(chart(bar(NOON, 7), bar(NOON + HOUR, 8)))

    assert stored == Stored(created=1, unchanged=1)
    assert closes() == {NOON: (5, 1), NOON + HOUR: (8, 0)}
    assert closes(Step.DAY) == {MIDNIGHT: (8, 1)}


def test_an_hour_that_is_observed_later_replaces_the_fetched_one() -> None:
    past.store(chart(bar(NOON, 7)))

    flush(row(current_price=Decimal(5)), at=NOON + MINUTE)
    rollup.roll_up(NOON + HOUR)

    assert closes() == {NOON: (5, 1)}


@pytest.mark.parametrize("step", Step)
def test_a_day_of_observations_that_are_deleted_is_left_alone(step: Step) -> None:
    flush(row(current_price=Decimal(5)), at=NOON)
    rollup.roll_up(NOON + 100 * DAY)

    stored = past.store(chart(bar(MIDNIGHT), step=step))
    rollup.roll_up(NOON + 100 * DAY)

    assert stored == Stored(unchanged=1)
    assert (closes(), closes(Step.DAY)) == ({}, {MIDNIGHT: (5, 1)})


def test_a_day_that_has_hours_is_made_from_them() -> None:
    past.store(chart(bar(NOON, 3)))

    stored = past.store(chart(bar(MIDNIGHT - DAY), bar(MIDNIGHT), step=Step.DAY))

    assert stored == Stored(created=1, unchanged=1)
    assert closes(Step.DAY) == {MIDNIGHT - DAY: (1, 0), MIDNIGHT: (3, 0)}


def test_fetched_hours_become_days_like_others() -> None:
    past.store(chart(bar(NOON, 3), bar(NOON + HOUR, 4)))

    rollup.roll_up(NOON + 100 * DAY)

    assert (closes(), closes(Step.DAY)) == ({}, {MIDNIGHT: (4, 0)})


def test_what_was_asked_for_is_noted_in_one_span() -> None:
    past.store(chart(until=NOON))
    past.store(chart(until=NOON + HOUR))

    spans = CoveredSpan.objects.values_list("step", "since", "until")
    assert {*spans} == {
        (Step.HOUR, NOON - 90 * DAY, NOON + HOUR),
        (Step.DAY, MIDNIGHT - 89 * DAY, MIDNIGHT),  # those that the chart has as a whole
    }


def test_an_answer_with_days_says_nothing_about_hours() -> None:
    past.store(chart(step=Step.DAY))

    assert [*CoveredSpan.objects.values_list("step", flat=True)] == [Step.DAY]


def test_numbers_that_sqlite_rounds_are_counted() -> None:
    long = Decimal("0.12345678901234567890")

    stored = past.store(chart(bar(NOON, long)))

    names = ("open", "high", "low", "close") if connection.vendor == "sqlite" else ()
    assert dict(stored.rounded) == dict.fromkeys(names, 1)


def test_a_chart_with_rejected_points_leaves_the_gap_open() -> None:
    past.store(replace(chart(bar(NOON)), rejected=[["x"]]))

    assert not CoveredSpan.objects.exists()
    assert closes() == {NOON: (1, 0)}


def test_the_first_day_keeps_its_bar_if_the_chart_has_only_a_part_of_its_hours() -> None:
    past.store(chart(bar(MIDNIGHT, 3), bar(MIDNIGHT + DAY, 4), step=Step.DAY))

    stored = past.store(replace(chart(bar(NOON + HOUR, 7), bar(NOON + DAY, 8)), since=NOON + MINUTE))

    assert stored == Stored(created=1, unchanged=1)
    assert closes(Step.DAY) == {MIDNIGHT: (3, 0), MIDNIGHT + DAY: (8, 0)}


def test_a_final_bar_that_was_fetched_is_left_alone() -> None:
    past.store(chart(bar(MIDNIGHT, 3), step=Step.DAY))
    PriceBar.objects.update(is_final=True)

    assert past.store(chart(bar(MIDNIGHT, 7), step=Step.DAY)) == Stored(unchanged=1)


def test_the_days_that_change_are_noted_for_whoever_copies_them() -> None:
    past.store(chart(bar(MIDNIGHT), step=Step.DAY))
    first = dict(PriceDay.objects.values_list("day", "changed_at"))
    past.store(chart(bar(MIDNIGHT), bar(MIDNIGHT + DAY), step=Step.DAY))

    again = dict(PriceDay.objects.values_list("day", "changed_at"))
    assert again.keys() == {MIDNIGHT.date(), (MIDNIGHT + DAY).date()}
    assert again[MIDNIGHT.date()] == first[MIDNIGHT.date()]


def test_spans_that_touch_become_one() -> None:
    series = PriceSeries.objects.create(coin_id="bitcoin")

    for since, until in ((0, 1), (2, 3), (1, 2)):
        cover(series, Step.HOUR, NOON + since * HOUR, NOON + until * HOUR)

    assert [*CoveredSpan.objects.values_list("since", "until")] == [(NOON, NOON + 3 * HOUR)]
