"""A coin's page in the admin: its chart, its rejected records, and what people say of it."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from tests.support.admin import hostile, page_of, text_of
from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_coin, make_rejected, make_run, make_schedule
from tests.support.prices import make_bar, make_price
from tests.support.schedule_pages import staff, told
from webapp.coins.models import CoinReview, FullCoin, PriceSeries
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


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


@pytest.mark.parametrize(
    ("query", "prices"),
    [
        pytest.param("?range=24h", [2, 4], id="a day"),
        pytest.param("", [8, 2, 4], id="a week, if nothing is chosen"),
        pytest.param("?range=30d", [16, 8, 2, 4], id="a month"),
        pytest.param("?range=1y", [300, 16, 8, 2, 4], id="a year"),
        pytest.param("?range=all", [800, 300, 16, 8, 2, 4], id="all"),
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
    assert len(volume) == 1  # a single point is a short line
    assert "Low 2, high 4, change" in re.sub(r"\s+", " ", re.sub("<[^>]*>", "", shown))
    assert "▲ +100.00 %" in shown
    assert re.findall(r"<span>(12:00|18:00|00:00|06:00)</span>", shown) == ["12:00", "18:00", "00:00", "06:00", "12:00"]


def test_a_scale_can_be_logarithmic(admin_client: Client, traded: FullCoin) -> None:
    make_price(time=NOON - HOUR, price=Decimal("2.8284271247461903"))  # the middle between 2 and 4

    linear, logarithmic = (page(admin_client, traded, f"?range=24h&scale={scale}") for scale in ("", "log"))

    assert "L958.3 152.3L" in linear
    assert "L958.3 130.0L" in logarithmic
    assert data_of(logarithmic)["is_log"]
    assert 'href="?range=7d&amp;scale=log"' in logarithmic
    assert 'href="?range=24h" class="scale">linear scale' in logarithmic


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


@pytest.mark.parametrize("price", [Decimal("1e-18"), Decimal("9.9e28"), Decimal(0)])
def test_a_price_that_never_changes_is_drawn(admin_client: Client, noon: None, price: Decimal) -> None:
    coin = make_coin(current_price=price)
    for hours in (1, 2):
        make_price(time=NOON - hours * HOUR, price=price)

    [line, *_] = lines_of(page(admin_client, coin, "?range=24h"))

    assert line == ["M916.7 130.0L958.3 130.0"]


def test_a_long_line_keeps_its_extremes(admin_client: Client, noon: None) -> None:
    coin = make_coin(first_seen_at=NOON - DAY, current_price=1)
    series = PriceSeries.objects.create(coin_id=coin.pk)
    prices = [100 if number == 777 else 1 if number == 1500 else 50 for number in range(2_400)]
    model = series._meta.apps.get_model("coins.price")
    model.objects.bulk_create(
        model(series=series, time=NOON - (2_400 - number) * MINUTE / 2, price=price)
        for number, price in enumerate(prices)
    )

    [[line], *_] = lines_of(page(admin_client, coin, "?range=24h"))

    heights = [float(point.split()[1]) for point in line.removeprefix("M").split("L")]
    assert (min(heights), max(heights)) == (0.0, 260.0)
    assert len(heights) <= 1_000


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

    assert counts[0] == counts[1] <= 24


# When values changed -----------------------------------------------------------------------------
def test_each_value_says_when_it_changed_and_by_which_run(admin_client: Client) -> None:
    make_run(id="first", started_at=NOON, finished_at=NOON + HOUR)
    make_run(id="later", started_at=NOON + DAY, finished_at=NOON + DAY + HOUR)
    for name, at in (("Bitcoin", NOON + MINUTE), ("Bit Coin", NOON + DAY + MINUTE)):
        FullCoin.objects.upsert([{"coin_id": "bitcoin", "name": name, "symbol": "btc"}], at, at)

    with CaptureQueriesContext(connection) as captured:
        shown = page(admin_client, FullCoin.objects.get())

    assert len([query["sql"] for query in captured if "WITH spiders" in query["sql"]]) == 1
    rows = {row.partition('"')[0]: row for row in shown.split('class="form-row field-')[1:]}
    assert "/crawlrun/first/change/" in rows["symbol"]
    assert "/crawlrun/later/change/" in rows["name"]
    assert "/crawlrun/first/change/" not in rows["name"]
    assert 'title="2026-02-06 12:01:00 UTC"' in shown


def test_a_value_whose_change_is_not_known_says_nothing(admin_client: Client) -> None:
    shown = page(admin_client, make_coin(name="Bitcoin"))

    assert 'class="changed"' not in shown


# Rejected records --------------------------------------------------------------------------------
def test_a_page_shows_all_fields_but_what_only_programs_can_read(admin_client: Client) -> None:
    coin = make_coin(field_changes="only programs read this")

    shown = text_of(admin_client, page_of(coin))

    fields = {field.name for field in FullCoin._meta.concrete_fields if field.name != "field_changes"}
    assert {name for name in fields if f"{name.replace('_', ' ').capitalize()}:" not in shown} == set()
    assert "only programs read this" not in shown


def test_a_page_leads_to_coingecko_whatever_the_id(admin_client: Client) -> None:
    shown = page(admin_client, make_coin("a/b?c"))

    assert 'href="https://www.coingecko.com/en/coins/a%2Fb%3Fc"' in shown


def test_a_page_shows_the_coins_rejected_records(admin_client: Client) -> None:
    coin, run = make_coin("<b>{0}"), make_run()
    for number in range(7):
        make_rejected(coin.pk, run=run, reasons=f"name: reason {number}", fingerprint=number)
    make_rejected("another", run=run, reasons="name: of another coin", fingerprint="other")

    shown = page(admin_client, coin)

    assert len(re.findall(r"name: reason \d", shown)) == 5
    assert "of another coin" not in shown
    assert "?q=%3Cb%3E%7B0%7D&amp;status=All" in shown


def test_rejected_records_are_shown_to_those_who_may_see_them(client: Client) -> None:
    coin = make_coin()
    make_rejected(coin.pk, reasons="name: too long")

    shown = page(staff(client, "view_fullcoin"), coin)

    assert "name: too long" not in shown
    assert "Rejected records" not in shown


# The review --------------------------------------------------------------------------------------
def review(client: Client, coin: FullCoin, **fields: str) -> Any:
    return client.post(page_of(coin).replace("/change/", "/review/"), fields, follow=True)


def test_a_review_is_saved_and_recorded(admin_client: Client, noon: None) -> None:
    coin = make_coin()
    before = FullCoin.objects.values().get()

    response = review(admin_client, coin, note="Looks <i>odd</i>", hidden="on")

    saved = CoinReview.objects.get()
    assert (saved.note, saved.hidden, saved.reviewed_at) == ("Looks <i>odd</i>", True, NOON)
    assert saved.reviewed_by == User.objects.get()
    assert told(response) == ["The review is saved."]
    assert "Looks &lt;i&gt;odd&lt;/i&gt;" in response.content.decode()
    assert LogEntry.objects.get().get_change_message() == "Reviewed it; changed: note and hidden."
    assert FullCoin.objects.values().get() == before
    assert "Reviewed it" in text_of(admin_client, page_of(coin).replace("/change/", "/history/"))


def test_a_review_that_is_too_long_is_rejected(admin_client: Client) -> None:
    coin = make_coin()

    response = review(admin_client, coin, note="x" * 10_001)

    assert "at most 10000 characters" in told(response)[0]
    assert not CoinReview.objects.exists()


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param([], 403, id="none"),
        pytest.param(["view_fullcoin"], 403, id="may look"),
        pytest.param(["change_coinreview"], 403, id="may review, not look"),
        pytest.param(["view_fullcoin", "change_coinreview"], 200, id="may do both"),
    ],
)
def test_a_review_needs_permission(client: Client, permissions: list[str], status: int) -> None:
    coin = make_coin()

    response = review(staff(client, *permissions), coin, note="mine")

    assert response.status_code == status
    assert CoinReview.objects.exists() == (status == 200)


def test_a_review_has_a_form_for_who_may_save_it(admin_client: Client) -> None:
    coin = make_coin()
    CoinReview.objects.create(coin=coin, note="Two lines\nof words", hidden=True)
    viewer, reviewer = staff(Client(), "view_fullcoin"), admin_client

    read, edited = page(viewer, coin), page(reviewer, coin)

    assert "Save the review" not in read
    assert "Two lines<br>of words" in read
    assert "It is hidden in the list." in read
    assert "Save the review" in edited


def test_nobody_reviews_by_get(admin_client: Client) -> None:
    coin = make_coin()

    response = admin_client.get(page_of(coin).replace("/change/", "/review/"), {"note": "x"})

    assert response.status_code == 405


def test_a_coin_that_does_not_exist_cannot_be_reviewed(admin_client: Client) -> None:
    assert review(admin_client, FullCoin(pk="nothing"), note="x").status_code == 404


def test_a_crawl_leaves_the_review_alone(admin_client: Client) -> None:
    coin = make_coin()
    review(admin_client, coin, note="mine", hidden="on")

    FullCoin.objects.upsert([{"coin_id": coin.pk, "name": "Changed"}])

    assert FullCoin.objects.get().name == "Changed"
    assert CoinReview.objects.values_list("note", "hidden").get() == ("mine", True)


@hostile
def test_a_hostile_id_has_a_whole_page(admin_client: Client, text: str) -> None:
    coin = make_coin(text or "empty", name=text)

    shown = page(admin_client, coin)
    reviewed = review(admin_client, coin, note=text)

    assert f'action="{escape(page_of(coin).replace("/change/", "/review/"))}"' in shown
    assert 'href="https://www.coingecko.com/en/coins/' in shown
    assert reviewed.status_code == 200
