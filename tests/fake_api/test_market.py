"""The fake market is like the real one: its records, its orders, and what a test may do to it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fake_api import Market
from fake_api.coins import make_records
from fake_api.records import Number
from tests.support.asking import ask

FIVE_MINUTES = timedelta(minutes=5)
KEYS = """id symbol name image current_price market_cap market_cap_rank fully_diluted_valuation total_volume high_24h
low_24h price_change_24h price_change_percentage_24h market_cap_change_24h market_cap_change_percentage_24h
circulating_supply total_supply max_supply ath ath_change_percentage ath_date atl atl_change_percentage atl_date roi
last_updated market_cap_rank_with_rehypothecated"""
AMOUNTS = """current_price market_cap fully_diluted_valuation total_volume high_24h low_24h price_change_24h
market_cap_change_24h circulating_supply total_supply max_supply ath atl"""
PERCENTAGES = """price_change_percentage_24h market_cap_change_percentage_24h ath_change_percentage
atl_change_percentage"""


@pytest.fixture(scope="module")
def large() -> Market:
    """To look at, not to change."""
    return Market(coins=6_000)


@pytest.fixture(scope="module")
def records(large: Market) -> list[dict[str, Any]]:
    return [large.record(coin_id) for coin_id in large.ids]


# The data.


def test_the_same_seed_makes_the_same_market_and_another_seed_another():
    first, same, other = (list(make_records(50, seed)) for seed in (1, 1, 2))

    assert first == same != other
    assert Market(50, seed=1).texts() != Market(50, seed=2).texts()


def test_records_have_coingeckos_keys_in_its_order(records):
    assert {tuple(record) for record in records} == {tuple(KEYS.split())}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("current_price", "1e-18", id="smallest price"),
        pytest.param("current_price", "50000000000000", id="largest price"),
        pytest.param("current_price", "0.0000000000000001234567", id="22 decimals"),
        pytest.param("current_price", "-0.00000421", id="negative price"),
        pytest.param("fully_diluted_valuation", "7.0e-05", id="notation"),
        pytest.param("circulating_supply", "1e+25", id="largest supply"),
        pytest.param("circulating_supply", "9.999999999999999e+24", id="longest supply"),
        pytest.param("total_supply", "-1", id="negative supply"),
        pytest.param("atl_change_percentage", "3.2e+46", id="largest percentage"),
        pytest.param("market_cap_change_percentage_24h", "2.2e+08", id="largest change"),
        pytest.param("symbol", "", id="empty symbol"),
        pytest.param("symbol", "🚀", id="emoji"),
        pytest.param("symbol", "ذهب", id="right to left"),
        pytest.param("image", "missing_large.png", id="no image"),
        pytest.param("ath_date", "2021-05-11T20:22:37.614+08:00", id="date in Singapore"),
        *[pytest.param(key, None, id=f"no {key}") for key in KEYS.split()[1:]],
    ],
)
def test_the_oddities_of_the_real_market_are_there(records, field, value):
    assert value in [record[field] for record in records]


@pytest.mark.parametrize(("field", "length"), [("id", 86), ("symbol", 46), ("image", 308)])
def test_texts_are_as_long_as_the_longest_real_one(records, field, length):
    assert max(len(record[field] or "") for record in records) == length


def test_many_coins_share_the_symbol_weth(records):
    assert sum(record["symbol"] == "weth" for record in records) > 10


@pytest.mark.parametrize("minutes", [0, 7])
@pytest.mark.parametrize(
    ("fields", "digits", "places"),
    [
        pytest.param(AMOUNTS, 29, 30, id="amounts"),
        pytest.param(PERCENTAGES, 49, 5, id="percentages"),
    ],
)
def test_every_number_fits_its_column(fields, digits, places, minutes):
    market = Market(coins=1_200)
    market.advance(minutes)

    records = [market.record(coin_id) for coin_id in market.ids]

    numbers = [Decimal(record[field]) for record in records for field in fields.split() if record[field] is not None]
    assert len(numbers) > 4_000
    assert max(number.adjusted() + 1 for number in numbers) <= digits
    assert max(-int(number.as_tuple().exponent) for number in numbers) <= places


def test_a_little_over_half_of_the_coins_are_unranked(records):
    unranked = sum(record["market_cap_rank"] is None for record in records)

    assert 0.53 < unranked / len(records) < 0.58


def test_advancing_changes_every_record_and_going_back_restores_each(market):
    before = [market.text(coin_id) for coin_id in market.ids]

    market.advance(minutes=5)
    after = [market.text(coin_id) for coin_id in market.ids]
    market.advance(minutes=-5)

    assert not set(before) & set(after)
    assert [market.text(coin_id) for coin_id in market.ids] == before


def test_advancing_makes_a_coin_newer_and_dearer(market):
    before = market.record("tether")

    market.advance(minutes=5)

    after = market.record("tether")
    assert Decimal(after["current_price"]) == Decimal(before["current_price"]) * Decimal("1.0005")
    assert (
        datetime.fromisoformat(after["last_updated"]) - datetime.fromisoformat(before["last_updated"]) == FIVE_MINUTES
    )


@pytest.mark.parametrize("minutes", [0, 5, 100_000])
def test_every_number_is_the_shortest_form_of_a_float_as_all_of_coingeckos_are(market, minutes):
    market.advance(minutes)

    records = [market.record(coin_id) for coin_id in market.ids]
    values = [value for record in records for value in [*record.values(), *(record["roi"] or {}).values()]]
    texts = [value for value in values if isinstance(value, Number)]
    assert len(texts) > 15 * len(market.ids)
    assert [text for text in texts if Decimal(repr(float(text))) != Decimal(text)] == []


def test_a_large_whole_number_stays_one_when_the_market_moves(market):
    before = market.record("bitcoin")["market_cap"]

    market.advance(minutes=5)

    assert before.isdigit()
    assert market.record("bitcoin")["market_cap"].isdigit()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"id":"ethereum","current_price":NaN}', id="NaN"),
        pytest.param(f'{{"id":"ethereum","current_price":{"9" * 5_000}}}', id="5,000 digits"),
        pytest.param('{"id":"ethereum","name":"\\u0000"}', id="NUL"),
        pytest.param('{"id":"ethereum","name":"\\ud800"}', id="lone surrogate"),
        pytest.param('{"name":"without an id"}', id="no id"),
        pytest.param('"no record"', id="not an object"),
    ],
)
def test_a_poisoned_record_keeps_its_place_and_its_id(market, api, text):
    market.replace("ethereum", text)

    first = ask(api, per_page=4, order="market_cap_desc", include_rehypothecated="true", ids="bitcoin,ethereum,tether")
    asked = ask(api, ids="ethereum")

    expected = f"[{market.text('bitcoin')},{text},{market.text('tether')}]"
    assert first.body.decode() == expected
    assert asked.body.decode() == f"[{text}]"
    assert "ethereum" in ask(api, "/coins/list").ids


def test_an_added_coin_stands_where_its_rank_says_and_is_listed(market, api):
    assert ask(api, per_page=3).ids == ["bitcoin", "ethereum", "tether"]

    market.add({"id": "newcomer", "market_cap_rank": 1.5, "current_price": 0.5})

    assert ask(api, per_page=3).ids == ["bitcoin", "newcomer", "ethereum"]
    assert "newcomer" in ask(api, "/coins/list").ids


def test_a_removed_coin_is_neither_on_the_market_nor_listed(market, api):
    assert ask(api, per_page=3).ids == ["bitcoin", "ethereum", "tether"]

    market.remove("ethereum")

    assert ask(api, per_page=2).ids == ["bitcoin", "tether"]
    assert ask(api, ids="ethereum").ids == []
    assert "ethereum" not in ask(api, "/coins/list").ids


def test_every_record_can_be_reshaped(market, api):
    market.reshape(lambda record: {key: None if key == "ath" else value for key, value in record.items()})

    page = ask(api, per_page=250, page=2)

    assert {record["ath"] for record in page.json} == {None}


# Orders and pages.


@pytest.mark.parametrize(("order", "reverse"), [("id_asc", False), ("id_desc", True)])
def test_paging_by_id_is_exact(market, api, order, reverse):
    pages = [ask(api, order=order, page=page, include_rehypothecated="true") for page in (1, 2, 3)]

    assert [coin_id for page in pages for coin_id in page.ids] == sorted(market.ids, reverse=reverse)


@pytest.mark.parametrize(
    ("order", "field", "sign"),
    [
        ("market_cap_desc", "market_cap_rank", 1),
        ("market_cap_asc", "market_cap_rank", -1),
        ("volume_desc", "total_volume", -1),
        ("volume_asc", "total_volume", 1),
    ],
)
def test_ranked_coins_have_a_stable_order(api, order, field, sign):
    pages = [ask(api, order=order, per_page=250, page=page).json for page in (1, 2)]

    ranked = [coin for page in pages for coin in page if coin["market_cap_rank"]]
    values = [sign * (coin[field] or 0) for coin in ranked]
    assert len(values) == len({coin["id"] for coin in ranked}) > 100
    assert values == sorted(values)


def test_paging_by_market_cap_repeats_a_fifth_of_the_rows_and_loses_as_many_coins(large):
    seen = [row for page in range(1, 25) for row in large.page("market_cap_desc", page, 250, rehypothecated=True)[0]]

    assert len(seen) == len(large.ids)
    assert 0.17 < 1 - len(set(seen)) / len(seen) < 0.24


def test_unranked_coins_stand_elsewhere_at_each_request(api):
    first, second = (ask(api, per_page=250, page=1).ids for _ in range(2))

    assert first[:100] == second[:100]
    assert first != second
