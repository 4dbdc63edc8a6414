"""A coin's chart: what an answer of the API's history becomes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from coincrawl.charts import read_chart
from tests.support.factories import DAY, NOON
from webapp.coins.fields import EPOCH


def test_a_point_that_comes_twice_is_one() -> None:
    time = Decimal((NOON - EPOCH) // timedelta(milliseconds=1))

    chart = read_chart("bitcoin", 7, [[time, Decimal(1)], [time, Decimal(2)]], {}, NOON + DAY)

    assert [(bar.close, bar.points) for bar in chart.bars] == [(Decimal(2), 1)]


@pytest.mark.parametrize("odd", [None, "ab", [], [Decimal(1)], ["x", Decimal(1)], [[], Decimal(1)]])
def test_what_is_no_point_is_rejected_and_the_others_are_not(odd: Any) -> None:
    time = Decimal((NOON - EPOCH) // timedelta(milliseconds=1))
    others = {"market_caps": [odd, [time, Decimal(8)]], "total_volumes": odd}

    chart = read_chart("bitcoin", 7, [odd, [time, Decimal(1)]], others, NOON + DAY)

    (bar,) = chart.bars
    assert (bar.time, bar.close, bar.market_cap, bar.volume) == (NOON, Decimal(1), Decimal(8), None)
    assert chart.rejected == [[odd]]
    assert chart.rejection is not None
    assert chart.rejection.reasons == ("point: not a time and a number",)
