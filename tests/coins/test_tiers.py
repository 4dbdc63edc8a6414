"""How long prices are kept."""

from datetime import datetime

import pytest
from pytest_django import Settings

from tests.support.factories import DAY, HOUR, MINUTE, NOON
from webapp.coins.fields import EPOCH
from webapp.coins.prices.tiers import Step, Tiers

NOW = NOON + 7 * MINUTE
MIDNIGHT = NOON - 12 * HOUR


@pytest.mark.parametrize(
    ("raw_days", "hourly_days", "raw_since", "hours_since"),
    [
        (2, 90, NOON - 2 * DAY, MIDNIGHT - 90 * DAY),
        (1, 1, NOON - DAY, MIDNIGHT - DAY),
        (0, 90, EPOCH, EPOCH),
        (2, 0, NOON - 2 * DAY, EPOCH),
        (7, 2, NOON - 7 * DAY, MIDNIGHT - 7 * DAY),
        (10**9, 10**9, EPOCH, EPOCH),
    ],
    ids=["as by default", "a day", "all observations", "all hours", "hours for less than observations", "too many"],
)
def test_each_tier_begins_with_a_whole_bar(
    raw_days: int, hourly_days: int, raw_since: datetime, hours_since: datetime, settings: Settings
) -> None:
    settings.PRICE_RAW_DAYS, settings.PRICE_HOURLY_DAYS = raw_days, hourly_days

    assert Tiers.at(NOW) == Tiers(raw_since, hours_since)


@pytest.mark.parametrize("step", Step)
def test_a_bar_begins_at_a_whole_hour_or_day(step: Step) -> None:
    start = step.start(NOW)

    assert start <= NOW < start + step.length
    assert step.start(start) == start
    assert (step.first(start), step.first(NOW)) == (start, start + step.length)
    assert (start - EPOCH) % step.length == NOON - NOON
