"""The chart of a coin's page in the admin: as the server draws it, and the data for the script."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support.admin import page_of
from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_coin, make_schedule
from tests.support.prices import make_bar, make_price
from webapp.coins import clock
from webapp.coins.models import CoveredSpan, FullCoin, Price, PriceSeries
from webapp.coins.prices.tiers import Step

pytestmark = pytest.mark.django_db


def page(client: Client, coin: FullCoin, query: str = "") -> str:
    response = client.get(page_of(coin) + query)
    assert response.status_code == 200
    return response.content.decode()


def data_of(shown: str) -> Any:
    found = re.search(r'<script id="chart-data" type="application/json">(.*?)</script>', shown)
    assert found
    return json.loads(found[1])


def seconds(*moments: Any) -> list[float]:
    return [moment.timestamp() for moment in moments]


def lines_of(shown: str) -> list[list[str]]:
    """By drawing, the lines in it."""
    return [re.findall(r'class="line" d="([^"]*)"', drawing) for drawing in shown.split("<figure")[1:]]


def dashes_of(shown: str) -> list[str]:
    return re.findall(r'class="line dashed" d="([^"]*)"', shown)


def bars_of(shown: str) -> list[str]:
    return re.findall(r'class="bars" d="([^"]*)"', shown)


@pytest.fixture
def traded(noon: None, db: None) -> FullCoin:
    """A coin with prices of the last hours, of days and of years."""
    coin = make_coin(first_seen_at=NOON - 900 * DAY, current_price=4)
    make_price(time=NOON - 2 * HOUR, price=2, market_cap=20)
    make_price(time=NOON - MINUTE, price=4, market_cap=40, volume=7)
    make_bar(step=Step.HOUR, time=NOON - 5 * DAY, close=8, last_at=NOON - 5 * DAY)
    make_bar(step=Step.HOUR, time=NOON - 20 * DAY, close=16, last_at=NOON - 20 * DAY)
    for days in (300, 800):
        time = Step.DAY.start(NOON - days * DAY)
        make_bar(step=Step.DAY, time=time, close=days, last_at=time)
    return coin


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "prices"),
    [
        pytest.param("?range=24h", [2, 4], id="a day"),
        pytest.param("", [8, 2, 4], id="a week, if nothing is chosen"),
        pytest.param("?range=30d", [16, 8, 2, 4], id="a month"),
        pytest.param("?range=1y", [300, 16, 8, 4], id="a year, with a price for each day"),
        pytest.param("?range=all", [800, 300, 16, 8, 4], id="all"),
        pytest.param("?range=nonsense&scale=%F0%9F%9A%80", [8, 2, 4], id="nonsense"),
    ],
)
def test_a_chart_has_the_prices_of_its_range(
    admin_client: Client, traded: FullCoin, query: str, prices: list[int]
) -> None:
    shown = page(admin_client, traded, query)

    times, found, *_ = data_of(shown)["columns"]
    assert [price for price in found if price is not None] == prices
    assert times == sorted(times)
    assert "No prices are stored" not in shown


def test_a_chart_is_drawn_without_a_script(admin_client: Client, traded: FullCoin) -> None:
    shown = page(admin_client, traded, "?range=24h")

    price, market_cap, volume = lines_of(shown)
    assert price == ["M916.7 260.0L999.3 0.0"]
    assert market_cap == ["M916.7 70.0L999.3 0.0"]
    assert volume == []
    assert bars_of(shown) == ["M982.6 70.0L982.6 0.0L1016.0 0.0L1016.0 70.0Z"]
    assert "Low 2, high 4, first to last price in the chart" in re.sub(r"\s+", " ", re.sub("<[^>]*>", "", shown))
    assert "▲ +100.00 %" in shown
    assert re.findall(r"<span>(12:00|18:00|00:00|06:00)</span>", shown) == ["12:00", "18:00", "00:00", "06:00", "12:00"]


def test_no_change_is_of_a_price_below_zero(admin_client: Client, noon: None) -> None:
    coin = make_coin(current_price=Decimal("-2.0000001"))
    make_price(time=NOON - 2 * HOUR, price=-1)
    make_price(time=NOON - HOUR, price=-2)

    shown = page(admin_client, coin, "?range=24h")

    assert "<strong>-2.0000001 USD</strong>" in shown
    assert "Low -2, high -1" in re.sub(r"\s+", " ", re.sub("<[^>]*>", "", shown))
    assert "+100" not in shown


def test_a_scale_can_be_logarithmic(admin_client: Client, traded: FullCoin) -> None:
    make_price(time=NOON - HOUR, price=Decimal("2.8284271247461903"))  # the middle between 2 and 4

    linear, logarithmic = (page(admin_client, traded, f"?range=24h&scale={scale}") for scale in ("", "log"))

    assert "L958.3 152.3L" in linear
    assert "L958.3 130.0L" in logarithmic
    assert data_of(logarithmic)["is_log"]
    assert f'href="{page_of(traded)}?range=7d&amp;scale=log"' in logarithmic
    assert f'href="{page_of(traded)}?range=24h" class="scale">linear scale' in logarithmic


@pytest.mark.parametrize("price", [0, -1])
def test_a_scale_is_linear_if_a_price_is_not_positive(admin_client: Client, traded: FullCoin, price: int) -> None:
    make_price(time=NOON - HOUR, price=price)

    shown = page(admin_client, traded, "?range=24h&scale=log")

    assert not data_of(shown)["is_log"]
    assert "The scale is linear: a price is zero or negative." in shown


def test_a_gap_is_marked_and_no_line_crosses_it(admin_client: Client, noon: None) -> None:
    make_schedule(arguments={})
    coin = make_coin(first_seen_at=NOON - 60 * HOUR, current_price=1)
    for hours in (*range(1, 6), *range(10, 60)):
        time = NOON - hours * HOUR
        make_bar(step=Step.HOUR, time=time, close=hours, last_at=time + MINUTE)

    shown = page(admin_client, coin)

    assert "1 gap: times without prices" in shown
    assert "gap: prices are missing</li>" in shown
    assert "no price in between" not in shown
    assert "<li>2026-02-05 03:00 to 2026-02-05 07:00 UTC</li>" in shown
    assert re.search(r'<rect class="gap" x="946.4" y="0" width="23.8"', shown)
    assert [len(lines) for lines in lines_of(shown)] == [2]
    times, prices, *_ = data_of(shown)["columns"]
    assert prices[times.index((NOON - 9 * HOUR).timestamp())] is None


def test_only_the_price_has_a_logarithmic_scale(admin_client: Client, noon: None) -> None:
    coin = make_coin(current_price=1)
    make_price(time=NOON - HOUR, price=1, market_cap=0)
    make_price(time=NOON - MINUTE, price=100, market_cap=10)

    shown = page(admin_client, coin, "?range=24h&scale=log")

    assert 'aria-label="Market cap, from 0 to 10"' in shown


@pytest.mark.every_database
def test_only_gaps_within_the_range_are_named(admin_client: Client, noon: None) -> None:
    make_schedule(arguments={})
    coin = make_coin(first_seen_at=NOON - 60 * HOUR, current_price=1)
    for hours in (*range(1, 40), *range(45, 60)):
        time = NOON - hours * HOUR
        make_bar(step=Step.HOUR, time=time, close=hours, last_at=time + MINUTE)

    for days in range(4):
        make_bar(step=Step.DAY, time=Step.DAY.start(NOON - days * DAY), close=1)

    gaps = [page(admin_client, coin, f"?range={name}").count("times without prices") for name in ("24h", "7d", "1y")]

    assert gaps == [0, 1, 0]  # a year shows missing days


def test_a_coin_without_prices_has_no_chart(admin_client: Client, noon: None) -> None:
    shown = page(admin_client, make_coin(), "?range=all&scale=log")

    assert "No prices are stored for this time." in shown
    assert "<figure" not in shown


@pytest.mark.parametrize(
    ("price", "words"),
    [
        pytest.param(
            Decimal("1e-18"), '<span title="0.000000000000000001">0.0<span class="zeros">₁₇</span>1</span>', id="tiny"
        ),
        pytest.param(Decimal("0.000001"), "0.000001", id="legible"),
        pytest.param(Decimal("9.9e28"), "99" + 9 * ",000", id="huge"),
        pytest.param(Decimal(0), "0", id="zero"),
    ],
)
def test_a_price_that_never_changes_is_drawn(admin_client: Client, noon: None, price: Decimal, words: str) -> None:
    coin = make_coin(current_price=price)
    for hours in (1, 2):
        make_price(time=NOON - hours * HOUR, price=price)

    shown = page(admin_client, coin, "?range=24h")

    [line, *_] = lines_of(shown)
    assert line == ["M916.7 130.0L958.3 130.0"]
    assert f"<strong>{words} USD</strong>" in shown


@pytest.mark.parametrize(
    ("crontab", "is_dashed"), [("0 * * * *", True), ("0 */2 * * *", True), ("0 */3 * * *", False), ("0 0 * * *", False)]
)
def test_a_long_time_without_a_price_is_dashed_if_it_is_no_gap(
    admin_client: Client, noon: None, crontab: str, is_dashed: bool
) -> None:
    make_schedule(crontab=crontab, arguments={})
    coin = make_coin(first_seen_at=NOON - 60 * HOUR, current_price=1)
    for hours in (*range(1, 6), *range(10, 60)):
        time = NOON - hours * HOUR
        bar = make_bar(
            step=Step.HOUR, time=time, close=hours, last_at=time, market_cap=None if hours == 5 else 7, volume=7
        )
    CoveredSpan.objects.create(series=bar.series, step=Step.HOUR, since=NOON - 60 * HOUR, until=NOON)

    shown = page(admin_client, coin)

    data = data_of(shown)
    assert dashes_of(shown) == ["M940.5 219.7L970.2 242.1"] * is_dashed
    assert ("no price in between</li>" in shown) == is_dashed
    assert "gap: prices are missing" not in shown
    assert [len(lines) for lines in lines_of(shown)[:1]] == [1 + is_dashed]
    ends = [(NOON - 10 * HOUR).timestamp(), 10, (NOON - 5 * HOUR).timestamp(), 5]
    assert data["dashes"] == [[ends] * is_dashed, [], [[ends[0], 7, ends[2], 7]] * is_dashed]
    assert (None in data["columns"][1]) == is_dashed


def test_the_years_are_named_where_there_are_several(admin_client: Client, traded: FullCoin) -> None:
    in_years = page(admin_client, traded, "?range=1y")
    within_a_year = page(admin_client, traded, "?range=30d")
    of_a_month = re.findall(r"<span>(\d\d \w{3}[ \d]*)</span>", within_a_year)

    assert re.findall(r"<span>(\w{3} \d{4})</span>", in_years) == [
        "Feb 2025",
        "May 2025",
        "Aug 2025",
        "Nov 2025",
        "Feb 2026",
    ]
    assert of_a_month == ["06 Jan", "14 Jan", "21 Jan", "29 Jan", "05 Feb"]


def test_the_year_is_named_with_the_days_around_new_year(
    admin_client: Client, traded: FullCoin, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_price(time=NOON - 31 * DAY, price=3)
    monkeypatch.setattr(clock, "database_clock", lambda: NOON - 30 * DAY)

    shown = page(admin_client, traded, "?range=30d")

    assert re.findall(r"<span>(\d\d \w{3} \d{4})</span>", shown)[::4] == ["07 Dec 2025", "06 Jan 2026"]


def test_a_gap_is_of_hours_in_a_month_and_of_days_in_years(admin_client: Client, traded: FullCoin) -> None:
    of_month, of_all = (data_of(page(admin_client, traded, f"?range={name}"))["gaps"] for name in ("30d", "all"))

    assert any(moment % Step.DAY for gap in of_month for moment in gap)
    assert of_all
    assert not any(moment % Step.DAY for gap in of_all for moment in gap)


@pytest.mark.every_database
def test_a_gap_that_begins_before_the_range_is_drawn_from_its_edge(admin_client: Client, noon: None) -> None:
    make_schedule(arguments={})
    coin = make_coin(first_seen_at=NOON - 500 * DAY, current_price=1)
    for days in (*range(1, 10), 400):
        make_bar(step=Step.DAY, time=Step.DAY.start(NOON - days * DAY), close=1, last_at=NOON - days * DAY)

    shown = page(admin_client, coin, "?range=1y")

    assert "<li>2025-02-05 00:00 to 2026-01-27 00:00 UTC</li>" in shown
    assert '<rect class="gap" x="0" y="0"' in shown


@pytest.mark.every_database
def test_a_very_long_line_keeps_its_extremes_and_its_gaps(admin_client: Client, noon: None) -> None:
    make_schedule(arguments={})
    coin = make_coin(first_seen_at=NOON - 20 * HOUR, current_price=1)
    series = PriceSeries.objects.create(coin_id=coin.pk)
    prices = {number: 49 + number % 3 for number in range(2_400)} | {300: 100, 1_500: 1}
    unknown, missing = range(599, 1_021), range(1_920, 2_160)  # 120 of them are an hour; at both ends of one it is 50
    Price.objects.bulk_create(
        Price(series=series, time=NOON - (2_400 - number) * MINUTE / 2, price=price)
        for number, price in prices.items()
        if number not in (*unknown, *missing)
    )
    CoveredSpan.objects.create(series=series, step=Step.HOUR, since=NOON - 16 * HOUR, until=NOON - 11 * HOUR)
    for hours in (*range(1, 3), *range(5, 12), *range(16, 20)):
        make_bar(step=Step.HOUR, time=NOON - hours * HOUR, close=50, last_at=NOON - hours * HOUR)

    shown = page(admin_client, coin, "?range=24h")

    first, second, third = lines_of(shown)[0]
    heights = [float(point.split()[1]) for point in re.split("[ML]", first + second + third)[1:]]
    assert (min(heights), max(heights)) == (0.0, 260.0)
    assert data_of(shown)["spacing"] == DAY.total_seconds() / 500
    since, until = seconds(NOON - 1_802 * MINUTE / 2, NOON - 1_379 * MINUTE / 2)
    assert data_of(shown)["dashes"] == [[[since, 50, until, 50]], [], []]
    assert "1 gap: times without prices" in shown
    times, found, *_ = data_of(shown)["columns"]
    assert {1, 49, 50, 51, 100, None} == {*found}
    assert len(times) < 1_700
    assert found[times.index((NOON - 4 * HOUR).timestamp())] is None


@pytest.mark.every_database
def test_a_page_takes_as_many_queries_with_many_prices(admin_client: Client, noon: None) -> None:
    coin, other = make_coin("few", current_price=1), make_coin("many", current_price=1)
    for coin_id, number in (("few", 2), ("many", 60)):
        for hours in range(1, number):
            make_bar(coin_id, Step.HOUR, time=NOON - hours * HOUR)

    counts = []
    for row in (coin, other):
        with CaptureQueriesContext(connection) as captured:
            page(admin_client, row)
        counts.append(len(captured))

    assert counts[0] == counts[1] <= 18
