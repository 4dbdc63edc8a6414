"""The prices of all coins on a day, and which days there are."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.factories import DAY, HOUR, NOON, row
from tests.support.prices import flush, make_bar, make_price
from webapp.coins.models import Price, PriceBar, PriceDay
from webapp.coins.prices import rollup
from webapp.coins.prices.reading import count_on, days_with_bars, prices_on
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

TODAY = date(2026, 2, 5)
MIDNIGHT = datetime(2026, 2, 5, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def prices(step: Step | None, limit: int = 9, coin_id: str = "", after: datetime | None = None) -> list[tuple]:
    field = (PriceBar if step else Price)._meta.get_field("time")
    return prices_on(TODAY, step, [field], limit=limit, coin_id=coin_id, after=after)


def test_a_day_has_the_prices_from_its_first_microsecond_to_its_last() -> None:
    last = MIDNIGHT + DAY - MICROSECOND
    for time in (MIDNIGHT - MICROSECOND, MIDNIGHT, last, MIDNIGHT + DAY):
        make_price("b", time=time)
    for step in Step:
        make_bar("c", step, time=MIDNIGHT - step.length)
        make_bar("c", step, time=MIDNIGHT)
        make_bar("a", step, time=MIDNIGHT)

    assert prices(None) == [("b", MIDNIGHT), ("b", last)]
    assert prices(Step.HOUR) == prices(Step.DAY) == [("a", MIDNIGHT), ("c", MIDNIGHT)]
    assert [count_on(TODAY, step) for step in (None, *Step)] == [2, 2, 2]


def test_reading_goes_on_after_a_coin_or_after_a_time_of_it() -> None:
    for coin_id in ("b", "a", "c"):
        for hours in range(3):
            make_price(coin_id, time=NOON + hours * HOUR)

    assert prices(None, limit=2) == [("a", NOON), ("a", NOON + HOUR)]
    assert prices(None, limit=2, coin_id="a", after=NOON + HOUR) == [("a", NOON + 2 * HOUR), ("b", NOON)]
    assert prices(None, limit=2, coin_id="a") == [("b", NOON), ("b", NOON + HOUR)]
    assert prices(None, coin_id="c") == []


@pytest.mark.parametrize("step", [None, *Step])
def test_the_prices_of_a_day_are_found_by_the_key_of_each_coin(step: Step | None) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        prices(step)
        count_on(TODAY, step)

    for query in asked:
        plan = plan_of(query["sql"])
        assert "SCAN PART" not in plan
        assert "SCAN U0" not in plan
        assert "SERIES_ID =" in plan.replace("SERIES_ID=?", "SERIES_ID =")


def plan_of(sql: str) -> str:
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if not is_sqlite:  # which reads so few rows sooner than an index
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{sql}")
        return "\n".join(str(line[-1]) for line in cursor.fetchall()).upper()


def test_days_are_those_with_bars() -> None:
    for days in (1, 0, 3):
        flush(row("a", minutes=days * 1440), row("b", minutes=days * 1440 + 60), at=NOON + (days + 1) * DAY)
        rollup.roll_up(NOON + (days + 1) * DAY)

    first, second, fourth = PriceDay.objects.order_by("day")
    assert days_with_bars(9) == [first, second, fourth]
    assert days_with_bars(2) == [first, second]
    assert days_with_bars(9, after=first.day) == [second, fourth]
    assert days_with_bars(9, changed_since=second.changed_at) == [first, second, fourth]
    assert days_with_bars(9, changed_since=second.changed_at + MICROSECOND) == [first, fourth]
