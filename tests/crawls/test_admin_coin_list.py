"""How people find their way in the list of coins: from a coin back to the list, active filters, hidden coins."""

import re
from html import unescape
from urllib.parse import urljoin

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.admin import page_of
from tests.support.factories import make_coin

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

COINS = reverse("admin:coins_fullcoin_changelist")
REVIEWED = f"{COINS}?columns=coin%2Cath&o=2&q=bit&rank=ranked"


def links(page: str) -> dict[str, str]:
    """The addresses of a page's links, by what they say."""
    found = re.findall(r'(?s)<a\b[^>]*?href="([^"]*)"[^>]*>(.*?)</a>', page)
    return {" ".join(unescape(re.sub("<[^>]*>", " ", text)).split()): unescape(address) for address, text in found}


# From a coin back to the list ---------------------------------------------------------------------
@pytest.fixture
def opened(admin_client: Client) -> str:
    """The address of a coin's page, as the filtered list has it."""
    make_coin("bitcoin", name="Bitcoin", symbol="btc", market_cap_rank=1)
    return links(admin_client.get(REVIEWED).content.decode())["Bitcoin BTC"]


@pytest.mark.parametrize("way", [[], ["30d"], ["logarithmic scale"], ["History"], ["History", "Bitcoin (BTC)"]])
def test_a_coin_leads_back_to_the_list_with_its_filters(admin_client: Client, opened: str, way: list[str]) -> None:
    address = opened
    for step in way:
        address = urljoin(address, links(admin_client.get(address).content.decode())[step])

    assert links(admin_client.get(address).content.decode())["Coins"] == REVIEWED


def test_a_saved_review_leads_back_to_the_list_with_its_filters(admin_client: Client, opened: str) -> None:
    page = admin_client.get(opened).content.decode()
    review = unescape(re.findall(r'action="([^"]*/review/[^"]*)"', page)[0])

    answers = [admin_client.post(review, {"note": note}, follow=True) for note in ("good", "x" * 10_001)]

    assert [links(answer.content.decode())["Coins"] for answer in answers] == [REVIEWED, REVIEWED]


def test_a_coin_that_was_not_opened_from_a_list_leads_to_the_whole_list(admin_client: Client) -> None:
    page = admin_client.get(page_of(make_coin())).content.decode()

    assert links(page)["Coins"] == COINS


# Ids that browsers read as folders ----------------------------------------------------------------
@pytest.mark.parametrize("coin_id", [".", "..", "_2E", "_2E_2E", "a/../b", "...", ".a"])
def test_each_id_has_pages_that_a_browser_can_open(admin_client: Client, coin_id: str) -> None:
    make_coin(coin_id, name="Odd one")
    listed = links(admin_client.get(COINS).content.decode())["Odd one"]

    def follow(address: str, name: str) -> str:
        return urljoin(address, links(admin_client.get(address).content.decode())[name])

    page = urljoin(COINS, listed)
    history, export = follow(page, "History"), follow(page, "Export prices")
    back = [follow(history, "Odd one"), follow(export, "Odd one")]
    review = urljoin(page, re.findall(r'action="([^"]*/review/)"', admin_client.get(page).content.decode())[0])

    assert f'"readonly"><bdi>{coin_id}</bdi>' in admin_client.get(page).content.decode()
    assert back == [page, page]
    assert admin_client.post(review, {"note": "good"})["Location"] == f"{page}#review"
    assert "Note: good" in admin_client.get(history).content.decode()
    assert re.search(r">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</th>", admin_client.get(history).content.decode())
