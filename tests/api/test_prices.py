"""Prices over time: of a coin, and of a day."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests.support.api import read, rejected, walk
from tests.support.factories import DAY, HOUR, MINUTE, NOON, SECOND, make_coin, row
from tests.support.prices import flush, make_bar, make_price
from webapp.api.serializers import (
    BarSerializer,
    CoinBarSerializer,
    CoinObservationSerializer,
    ObservationSerializer,
    PriceDaySerializer,
)
from webapp.coins.models import Price, PriceBar, PriceDay, PriceSeries
from webapp.coins.prices import rollup
from webapp.coins.prices.tiers import Step

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

BITCOIN = "/api/coins/bitcoin/prices/"
PRICES = "/api/prices/"
DAYS = "/api/prices/days/"
GAPS = "/api/prices/gaps/"
MIDNIGHT = NOON - 12 * HOUR
MICROSECOND = timedelta(microseconds=1)
STEPS = {"day": Step.DAY, "hour": Step.HOUR, "raw": None}


def make_prices(number: int, coin_id: str = "bitcoin", step: str = "day") -> None:
    """Bars or observations, one after the other from midnight on. Each closes at its number."""
    for index in range(number):
        if one := STEPS[step]:
            make_bar(coin_id, one, time=MIDNIGHT + index * one.length, close=index)
        else:
            make_price(coin_id, time=MIDNIGHT + index * MICROSECOND, price=index)


def numbers(page: Any) -> list[int]:
    return [int(row.get("close", row.get("price"))) for row in page["results"]]


# A coin --------------------------------------------------------------------------------------------
def test_a_bar_has_the_fields_of_the_model(reader: Client) -> None:
    price = Decimal("0.00000000123456789012345")
    make_bar(time=MIDNIGHT, open=price, close=price, market_cap=12_345_678_901, volume=None, rank=3)

    page = read(reader, BITCOIN)

    assert page == {
        "next": None,
        "results": [
            {
                "time": "2026-02-05T00:00:00Z",
                "open": "0.00000000123456789012345",
                "high": "9",
                "low": "0.5",
                "close": "0.00000000123456789012345",
                "market_cap": "12345678901",
                "volume": None,
                "rank": 3,
                "observations": 3,
                "last_at": "2026-02-05T12:00:00Z",
            }
        ],
    }
    hidden = {"series", "step", "is_final"}
    names = [field.name for field in PriceBar._meta.concrete_fields if field.name not in hidden]
    assert list(page["results"][0]) == list(BarSerializer().fields) == names


def test_an_observation_has_the_fields_of_the_model(reader: Client) -> None:
    make_price(time=NOON + MICROSECOND, price=Decimal("1e-18"), volume=Decimal("0.5"), rank=1)

    (found,) = read(reader, BITCOIN, step="raw")["results"]

    assert found == {
        "time": "2026-02-05T12:00:00.000001Z",
        "price": "0.000000000000000001",
        "market_cap": None,
        "volume": "0.5",
        "rank": 1,
    }
    names = [field.name for field in Price._meta.concrete_fields if field.name != "series"]
    assert list(found) == list(ObservationSerializer().fields) == names


@pytest.mark.postgresql
@pytest.mark.parametrize("address", [f"{BITCOIN}?step=raw", f"{PRICES}?date=2026-02-05&step=raw"])
def test_sixty_digits_are_sixty_digits(reader: Client, address: str) -> None:
    digits = "123456789012345678901234567890.123456789012345678901234567891"
    make_price(time=NOON, price=Decimal(digits))

    assert read(reader, address)["results"][0]["price"] == digits


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_a_list_of_its_own(reader: Client, step: str) -> None:
    for number, name in enumerate(STEPS, start=1):
        make_prices(number, step=name)

    assert len(read(reader, BITCOIN, step=step)["results"]) == [*STEPS].index(step) + 1


def test_without_a_step_there_are_bars_of_a_day(reader: Client) -> None:
    make_prices(2)

    assert read(reader, BITCOIN) == read(reader, BITCOIN, step="day")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"since": "2026-02-06"}, [1, 2, 3]),
        ({"since": "2026-02-06T00:00:00.000001Z"}, [2, 3]),
        ({"until": "2026-02-06T00:00:00Z"}, [0]),
        ({"until": "2026-02-06T01:00:00.000001+01:00"}, [0, 1]),
        ({"since": "2026-02-06", "until": "2026-02-08"}, [1, 2]),
        ({"since": "2026-02-08", "until": "2026-02-06"}, []),
        ({"since": "0001-01-01", "until": "9999-12-31"}, [0, 1, 2, 3]),
        ({"ordering": "-time", "until": "2026-02-08"}, [2, 1, 0]),
    ],
)
def test_limits_are_of_the_time(reader: Client, query: dict[str, str], found: list[int]) -> None:
    make_prices(4)

    assert numbers(read(reader, BITCOIN, **query)) == found


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("order", ["time", "-time"])
@pytest.mark.parametrize("size", [1, 3, 7, 1_000])
def test_the_links_lead_through_all_prices(reader: Client, step: str, order: str, size: int) -> None:
    make_prices(7, step=step)
    make_prices(9, "another", step=step)

    pages = list(walk(reader, f"{BITCOIN}?step={step}&ordering={order}&page_size={size}"))

    found = [number for page in pages for number in numbers(page)]
    assert found == (list(range(7)) if order == "time" else list(range(7))[::-1])
    assert [len(page["results"]) for page in pages[:-1]] == [size] * (len(pages) - 1)


def test_the_links_keep_the_question(reader: Client) -> None:
    make_prices(5)

    oldest, newest = (
        read(reader, BITCOIN, since="2026-02-06", until="2026-02-09", page_size=2, ordering=order)["next"]
        for order in ("time", "-time")
    )

    same = f"http://testserver{BITCOIN}?"
    assert oldest == same + "until=2026-02-09&page_size=2&ordering=time&since=2026-02-07T00%3A00%3A00.000001Z"
    assert newest == same + "since=2026-02-06&page_size=2&ordering=-time&until=2026-02-07T00%3A00%3A00Z"


@pytest.mark.parametrize("order", ["time", "-time"])
def test_links_miss_nothing_and_repeat_nothing_while_prices_come_and_go(reader: Client, order: str) -> None:
    make_prices(20, step="raw")
    found, times = [], []

    for number, page in enumerate(walk(reader, f"{BITCOIN}?step=raw&page_size=3&ordering={order}"), start=1):
        found += [one for one in numbers(page) if one >= 0]
        times += [one["time"] for one in page["results"]]
        Price.objects.filter(price__in=found[:2]).delete()
        for moment in (MIDNIGHT - number * SECOND, MIDNIGHT + number * SECOND):
            make_price(time=moment, price=-1)

    assert found == (list(range(20)) if order == "time" else list(range(20))[::-1])
    assert len(times) == len(set(times)) > 20


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (f"{BITCOIN}?step=week", "step: Must be one of day, hour, raw."),
        (f"{BITCOIN}?ordering=price", "ordering: Must be one of time, -time."),
        (f"{BITCOIN}?since=yesterday", "since: Datetime has wrong format."),
        (f"{BITCOIN}?until=1770000000", "until: Datetime has wrong format."),
        (f"{BITCOIN}?page_size=1001", "page_size: Ensure this value is less than or equal to 1000."),
        (
            f"{BITCOIN}?page=2",
            "There is no parameter page. The parameters are page_size, step, since, until, ordering.",
        ),
        (PRICES, "date: This field is required."),
        (f"{PRICES}?date=20260205", "date: Date has wrong format."),
        (f"{PRICES}?date=2026-W06-4", "date: Date has wrong format."),
        (f"{PRICES}?date=2026-02-30", "date: Date has wrong format."),
        (f"{PRICES}?date=2026-02-05&after_time=noon", "after_time: Datetime has wrong format."),
        (f"{DAYS}?after=noon", "after: Date has wrong format."),
        (f"{DAYS}?changed_since=noon", "changed_since: Datetime has wrong format."),
    ],
)
def test_an_invalid_query_is_400_with_a_sentence(reader: Client, address: str, sentence: str) -> None:
    make_prices(1)

    assert rejected(reader, address, 400).startswith(sentence)


# Which coin ----------------------------------------------------------------------------------------
def test_a_coin_without_prices_has_an_empty_list(reader: Client) -> None:
    make_coin("bitcoin")

    assert read(reader, BITCOIN, step="hour") == {"next": None, "results": []}


def test_the_prices_of_a_coin_that_was_deleted_are_there(reader: Client) -> None:
    make_prices(1)

    assert numbers(read(reader, BITCOIN)) == [0]


def test_an_unknown_coin_is_404(reader: Client) -> None:
    make_prices(1)

    assert rejected(reader, "/api/coins/bitcon/prices/?step=hour", 404) == "There is no coin bitcon."


@pytest.mark.parametrize("coin_id", ["a/b", "/", "prices", "x/prices", "a\nb", "100%25", "x" * 255])
def test_a_coin_of_any_id_has_its_prices(reader: Client, coin_id: str) -> None:
    make_coin(coin_id)
    make_prices(2, coin_id)

    assert numbers(read(reader, f"/api/coins/{quote(coin_id, safe='')}/prices/")) == [0, 1]


@pytest.mark.parametrize("address", ["/api/coins/x/prices/", "/api/coins/x%2Fprices/"])
def test_a_coin_whose_id_ends_as_this_address_does_is_a_coin_unless_there_are_prices(
    reader: Client, address: str
) -> None:
    make_coin("x/prices")

    coin = read(reader, address, fields="coin_id")
    wrong = rejected(reader, f"{address}?step=day", 400)
    make_coin("x")
    prices = read(reader, address)

    assert coin == {"coin_id": "x/prices"}
    assert wrong == "There is no parameter step. The parameters are fields."
    assert prices == {"next": None, "results": []}


# A day ---------------------------------------------------------------------------------------------
def test_a_day_has_the_bars_of_all_coins(reader: Client) -> None:
    make_prices(3, "b")
    make_prices(2, "a")
    make_prices(1, "B")

    page = read(reader, PRICES, date="2026-02-06")

    assert (page["count"], page["next"]) == (2, None)
    assert [(bar["coin_id"], bar["close"], bar["time"]) for bar in page["results"]] == [
        ("a", "1", "2026-02-06T00:00:00Z"),
        ("b", "1", "2026-02-06T00:00:00Z"),
    ]
    assert list(page["results"][0]) == list(CoinBarSerializer().fields)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("size", [1, 3, 4, 1_000])
def test_the_links_lead_through_all_prices_of_a_day(reader: Client, step: str, size: int) -> None:
    coins = ["a", "a b&c", "b/b", "ü"]
    for coin_id in reversed(coins):
        make_prices(1 if step == "day" else 5, coin_id, step)
    PriceSeries.objects.create(coin_id="aa")

    pages = list(walk(reader, f"{PRICES}?date=2026-02-05&step={step}&page_size={size}"))

    found = [
        (row["coin_id"], number) for page in pages for row, number in zip(page["results"], numbers(page), strict=True)
    ]
    expected = [(coin_id, number) for coin_id in coins for number in range(1 if step == "day" else 5)]
    assert found == expected
    assert [page["count"] for page in pages] == [len(expected)] + [None] * (len(pages) - 1)
    assert [len(page["results"]) for page in pages[:-1]] == [size] * (len(pages) - 1)


def test_an_observation_of_a_day_has_its_coin(reader: Client) -> None:
    make_prices(1, step="raw")

    (found,) = read(reader, PRICES, date="2026-02-05", step="raw")["results"]

    assert list(found) == list(CoinObservationSerializer().fields)
    assert (found["coin_id"], found["price"]) == ("bitcoin", "0")


@pytest.mark.parametrize("day", ["0001-01-01", "2026-02-04", "9999-12-31"])
@pytest.mark.parametrize("step", STEPS)
def test_a_day_without_prices_is_an_empty_page(reader: Client, day: str, step: str) -> None:
    make_prices(1, step=step)

    assert read(reader, PRICES, date=day, step=step) == {"count": 0, "next": None, "results": []}


def test_the_days_and_their_changes_are_listed(reader: Client) -> None:
    for number in range(3):
        changed_at = NOON + number * DAY
        PriceDay.objects.create(day=changed_at.date(), changed_at=changed_at)

    days = [day for page in walk(reader, f"{DAYS}?page_size=2") for day in page["results"]]
    changed = read(reader, DAYS, changed_since="2026-02-05T12:00:01Z")
    after = read(reader, DAYS, after="2026-02-06")

    assert days == [
        {"date": "2026-02-05", "changed_at": "2026-02-05T12:00:00Z"},
        {"date": "2026-02-06", "changed_at": "2026-02-06T12:00:00Z"},
        {"date": "2026-02-07", "changed_at": "2026-02-07T12:00:00Z"},
    ]
    assert (changed["results"], after["results"]) == (days[1:], days[2:])
    assert list(days[0]) == list(PriceDaySerializer().fields)


# Gaps ----------------------------------------------------------------------------------------------
def test_the_gaps_of_a_coin_are_listed(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.coins.clock.database_clock", lambda using="": NOON + 2 * DAY)
    make_coin("a/b", current_price=Decimal(1))
    for hour in (0, 1, 4):
        make_bar("a/b", Step.HOUR, time=NOON + hour * HOUR)
    make_bar("a/b", Step.DAY, time=MIDNIGHT)

    both = read(reader, GAPS, coin_id="a/b")["results"]

    assert both == [
        {"step": "hour", "since": "2026-02-05T14:00:00Z", "until": "2026-02-05T16:00:00Z"},
        {"step": "hour", "since": "2026-02-05T17:00:00Z", "until": "2026-02-07T12:00:00Z"},
        {"step": "day", "since": "2026-02-06T00:00:00Z", "until": "2026-02-07T00:00:00Z"},
    ]
    assert read(reader, GAPS, coin_id="a/b", step="day")["results"] == both[2:]


def test_the_gaps_of_an_unknown_coin_are_404(reader: Client) -> None:
    assert "There is no coin nothing" in rejected(reader, f"{GAPS}?coin_id=nothing", 404)
    assert "coin_id: This field is required" in rejected(reader, GAPS, 400)


# How -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "queries"),
    [
        (BITCOIN, 3),  # whose token, which series, which bars
        (f"{BITCOIN}?step=raw", 3),
        ("/api/coins/unpriced/prices/", 3),
        (f"{PRICES}?date=2026-02-05", 3),  # whose token, which bars, how many
        (f"{PRICES}?date=2026-02-05&step=raw&after=b&page_size=1", 2),
        (DAYS, 2),
    ],
)
@pytest.mark.parametrize("number", [1, 5])
def test_the_number_of_queries_is_always_the_same(
    reader: Client, address: str, queries: int, number: int, django_assert_num_queries: Any
) -> None:
    make_coin("unpriced")
    for coin_id in ("bitcoin", *(f"coin-{index}" for index in range(number))):
        make_prices(2, coin_id)
        make_prices(number, coin_id, "raw")

    with django_assert_num_queries(queries):
        assert reader.get(address).status_code == 200


@pytest.mark.parametrize("address", [f"{BITCOIN}?step=raw", f"{PRICES}?date=2026-02-05&step=raw", DAYS])
def test_what_has_changed_is_sent_again(reader: Client, address: str) -> None:
    flush(row(), at=NOON)
    first = reader.get(address)
    same = reader.get(address, headers={"If-None-Match": first["ETag"]})
    flush(row(minutes=1), at=NOON + MINUTE)
    rollup.roll_up(NOON + MINUTE)

    again = reader.get(address, headers={"If-None-Match": first["ETag"]})

    assert (same.status_code, again.status_code) == (304, 200)


def test_without_history_what_is_stored_is_answered(reader: Client, settings: Any) -> None:
    make_prices(1)
    settings.PRICE_HISTORY = False

    assert numbers(read(reader, BITCOIN)) == numbers(read(reader, PRICES, date="2026-02-05")) == [0]
