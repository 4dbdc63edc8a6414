"""The admin of coins: what it shows, finds and sorts."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import DecimalField
from django.test import Client
from django.urls import reverse

from tests.support.admin import keys_in_list, page_of, text_of
from tests.support.factories import NOON, make_coin
from webapp.coins.models import FullCoin

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

COINS = reverse("admin:coins_fullcoin_changelist")


def test_a_coin_is_listed_with_short_numbers_and_shown_with_all_digits(admin_client: Client) -> None:
    coin = make_coin(name="Bitcoin", symbol="btc", current_price=Decimal("0.0000012345600"), market_cap=Decimal(10**12))

    listed, shown = text_of(admin_client, COINS), text_of(admin_client, page_of(coin))

    assert "- Bitcoin BTC 0.000001235 - 1,000,000,000,000 -" in listed
    assert "Current price: 0.00000123456 High 24h: -" in shown
    assert "Market cap: 1,000,000,000,000 " in shown


def test_the_extremes_of_every_number_show(admin_client: Client) -> None:
    whole = 30
    decimals = [field for field in FullCoin._meta.concrete_fields if isinstance(field, DecimalField)]
    places = {field.name: field.decimal_places for field in decimals}
    biggest = make_coin("biggest", **{name: Decimal(10) ** (30 + whole - after - 1) for name, after in places.items()})
    smallest = make_coin("smallest", **{name: -Decimal(1).scaleb(-after) for name, after in places.items()})

    listed = text_of(admin_client, COINS)
    pages = [text_of(admin_client, page_of(coin)) for coin in (biggest, smallest)]

    assert f"1 × 10{'²⁸' if whole == 29 else '²⁹'}" in listed
    assert "-1 × 10⁻³⁰" in listed
    assert f"Ath: {10 ** (whole - 1):,} " in pages[0]
    assert f"Atl: -0.{'0' * 29}1 " in pages[1]


def test_every_digit_that_the_database_keeps_shows(admin_client: Client) -> None:
    on_sqlite = connection.vendor == "sqlite"
    digits = "12345.6789012345" if on_sqlite else "123456789012345678901234567890.123456789012345678901234567891"
    coin = make_coin(ath=Decimal(digits))

    shown = text_of(admin_client, page_of(coin))

    assert f"Ath: {Decimal(digits):,} " in shown


def test_instants_show_as_exactly_as_they_are_stored(admin_client: Client) -> None:
    coin = make_coin(ath_date=NOON + timedelta(milliseconds=290), atl_date=NOON, last_updated=NOON.replace(year=1))

    shown = text_of(admin_client, page_of(coin))

    assert "Ath date: 2026-02-05 12:00:00.29 UTC" in shown
    assert "Atl date: 2026-02-05 12:00:00 UTC" in shown
    assert "Last updated: 0001-02-05 12:00:00 UTC" in shown


@pytest.mark.parametrize(
    ("image", "pictures"),
    [
        pytest.param("https://example.org/a.png?1&2", 1, id="https"),
        pytest.param("missing_large.png", 0, id="a bare word"),
        pytest.param("javascript:alert(1)//http://", 0, id="a script"),
        pytest.param(None, 0, id="null"),
    ],
)
def test_a_picture_shows_on_the_coins_page_alone(admin_client: Client, image: str | None, pictures: int) -> None:
    coin = make_coin(image=image)

    listed, page = (admin_client.get(address).content.decode() for address in (COINS, page_of(coin)))

    assert "<img" not in listed.partition('id="result_list"')[2].partition("</table>")[0]
    assert page.count(f'<img src="{(image or "").replace("&", "&amp;")}"') == pictures
    assert 'href="javascript:' not in page


def test_a_coin_of_nulls_shows(admin_client: Client) -> None:
    coin = make_coin("nothing-known")

    listed, shown = text_of(admin_client, COINS), text_of(admin_client, page_of(coin))

    assert "nothing-known" in listed
    assert "Current price: - " in shown


@pytest.fixture
def market(db: None) -> None:
    """Coins with the ranks 1, 11, 101, 251 and 1001, whose volume falls with the rank, and two without either."""
    for rank in (1001, 1, 251, 11, 101):
        make_coin(f"rank-{rank}", name=f"Number {rank}", market_cap_rank=rank, total_volume=rank)
    make_coin("unranked-b", symbol="weth")
    make_coin("unranked-a", missing_since=NOON)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param(
            "",
            ["rank-1", "rank-11", "rank-101", "rank-251", "rank-1001", "unranked-a", "unranked-b"],
            id="by rank, unranked ones last",
        ),
        pytest.param("?rank=top+10", ["rank-1"], id="top 10"),
        pytest.param("?rank=top+100", ["rank-1", "rank-11"], id="top 100"),
        pytest.param("?rank=top+250", ["rank-1", "rank-11", "rank-101"], id="top 250"),
        pytest.param("?rank=top+1,000", ["rank-1", "rank-11", "rank-101", "rank-251"], id="top 1,000"),
        pytest.param("?rank=ranked&q=1001", ["rank-1001"], id="ranked, and searched by name"),
        pytest.param("?rank=unranked", ["unranked-a", "unranked-b"], id="unranked"),
        pytest.param("?market=missing", ["unranked-a"], id="missing"),
        pytest.param("?market=on+the+market&rank=unranked", ["unranked-b"], id="on the market"),
        pytest.param("?q=WETH", ["unranked-b"], id="searched by symbol"),
        pytest.param("?q=unranked-b", ["unranked-b"], id="searched by id"),
        pytest.param("?q=%25", [], id="searched for a percent sign"),
    ],
)
def test_coins_are_found(admin_client: Client, market: None, query: str, found: list[str]) -> None:
    names = keys_in_list(admin_client, COINS + query)

    assert names == found


@pytest.mark.parametrize(
    ("order", "first"), [pytest.param("6", "rank-1", id="rising"), pytest.param("-6", "rank-1001", id="falling")]
)
def test_coins_without_a_value_are_sorted_last_either_way(
    admin_client: Client, market: None, order: str, first: str
) -> None:
    names = keys_in_list(admin_client, f"{COINS}?o={order}")

    assert names[0] == first
    assert {*names[-2:]} == {"unranked-a", "unranked-b"}


def test_filters_can_count(admin_client: Client, market: None) -> None:
    shown = text_of(admin_client, COINS + "?_facets=True")

    assert "top 250 (3)" in shown
    assert "missing (1)" in shown
