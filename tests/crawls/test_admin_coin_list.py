"""How people find their way in the list of coins: from a coin back to the list, active filters, hidden coins."""

import re
from html import escape, unescape
from urllib.parse import urljoin

import pytest
from django.test import Client
from django.urls import reverse

from tests.support.admin import hostile, keys_in_list, page_of, text_of
from tests.support.factories import NOON, make_coin
from webapp.coins.models import CoinReview, FullCoin

pytestmark = pytest.mark.django_db

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


@pytest.mark.every_database
@pytest.mark.parametrize("way", [[], ["30d"], ["log scale"], ["History"], ["History", "Bitcoin (BTC)"]])
def test_a_coin_leads_back_to_the_list_with_its_filters(admin_client: Client, opened: str, way: list[str]) -> None:
    address = opened
    for step in way:
        address = urljoin(address, links(admin_client.get(address).content.decode())[step])

    assert links(admin_client.get(address).content.decode())["Coins"] == REVIEWED


@pytest.mark.every_database
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

    assert f'"value"><bdi>{coin_id}</bdi>' in admin_client.get(page).content.decode()
    assert back == [page, page]
    assert admin_client.post(review, {"note": "good"})["Location"] == f"{page}#review"
    assert "Note: good" in admin_client.get(history).content.decode()
    assert re.search(r">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</th>", admin_client.get(history).content.decode())


# What limits the list ---------------------------------------------------------------------------
def chips(page: str) -> dict[str, str]:
    """What is in use, by its words: the address without it."""
    part = page.partition('class="chips"')[2].partition("</div>")[0]
    return {words.removesuffix(" \u2716 (remove)"): address for words, address in links(part).items()}


@pytest.mark.every_database
def test_each_limit_has_a_chip_that_removes_it(admin_client: Client) -> None:
    query = "?columns=coin&market=missing&market_cap_min=5&missing_since_max=2026-02-05&o=1&q=bit"

    found = chips(admin_client.get(COINS + query).content.decode())

    assert found == {
        "search: bit": "?columns=coin&market=missing&market_cap_min=5&missing_since_max=2026-02-05&o=1",
        "market cap: at least 5": "?columns=coin&market=missing&missing_since_max=2026-02-05&o=1&q=bit",
        "went missing: until 2026-02-05": "?columns=coin&market=missing&market_cap_min=5&o=1&q=bit",
        "market: missing": "?columns=coin&market_cap_min=5&missing_since_max=2026-02-05&o=1&q=bit",
        "Clear all": "?columns=coin&o=1",
    }


@pytest.mark.every_database
def test_a_list_without_limits_has_no_chips(admin_client: Client) -> None:
    addresses = (COINS, f"{COINS}?o=1&columns=coin&q=+", reverse("admin:crawls_rejectedrecord_changelist"))

    assert [chips(admin_client.get(address).content.decode()) for address in addresses] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("started_at_min=7d", "start: Last 7 days", id="choice"),
        pytest.param("started_at_min=2026-02-05", "start: since 2026-02-05", id="from"),
        pytest.param("started_at_max=2026-02-05", "start: until 2026-02-05", id="to"),
        pytest.param("started_at_min=2025-11-29T23:22:58.7%2B00:00", "start: since 29 Nov 2025 23:22 UTC", id="time"),
        pytest.param(
            "started_at_min=2025-11-09T03:22:58.7Z&started_at_max=2025-11-09T03:22:58.7Z",
            "start: at 9 Nov 2025 03:22:58 UTC",
            id="moment",
        ),
        pytest.param("started_at_min=2026-02-05&started_at_max=2026-02-05", "start: on 2026-02-05", id="day"),
        pytest.param("verdict=failed", "verdict: failed", id="verdict"),
    ],
)
def test_runs_have_chips(admin_client: Client, query: str, words: str) -> None:
    page = admin_client.get(f"{reverse('admin:crawls_crawlrun_changelist')}?{query}").content.decode()

    assert list(chips(page)) == [words, "Clear all"]


@pytest.mark.every_database
@hostile
def test_a_chip_shows_any_search_as_text(admin_client: Client, text: str) -> None:
    page = admin_client.get(COINS, {"q": text}, follow=True).content.decode()

    assert page.count(f"<bdi>search: {escape(text.strip())}</bdi>") == (2 if text.strip() else 0)


@pytest.mark.every_database
def test_all_of_a_filter_leaves_the_ranges(admin_client: Client) -> None:
    page = admin_client.get(f"{COINS}?market=missing&market_cap_min=5&market_cap_rank_max=9").content.decode()

    part = page.partition('data-filter-title="market"')[2].partition("</details>")[0]
    assert links(part)["All"] == "?market_cap_min=5&market_cap_rank_max=9"


@pytest.mark.parametrize(
    ("query", "clean"),
    [
        pytest.param("?current_price_min=&current_price_max=", "", id="nothing typed"),
        pytest.param("?q=&rank=ranked&market_cap_min=1M&market_cap_max=", "?rank=ranked&market_cap_min=1M", id="mixed"),
        pytest.param("?all=&q=", "?all=", id="another parameter"),
        pytest.param("?current_price_min=5&current_price_min=", "", id="twice, the last one counts"),
    ],
)
def test_empty_fields_of_a_form_leave_the_address(admin_client: Client, query: str, clean: str) -> None:
    response = admin_client.get(COINS + query)

    assert (response.status_code, response["Location"]) == (302, COINS + clean)
    assert admin_client.get(COINS + clean).status_code == 200


def test_an_action_on_an_address_with_empty_fields_is_done(admin_client: Client) -> None:
    make_coin("bitcoin")

    response = admin_client.post(f"{COINS}?q=", {"action": "export_selected", "_selected_action": "bitcoin"})

    assert response.status_code == 200


def test_a_list_without_rows_says_what_is_in_use(admin_client: Client) -> None:
    make_coin("bitcoin", market_cap_rank=500)
    make_coin("bitter", market_cap_rank=600)

    with_filter, without = (
        admin_client.get(f"{COINS}?o=1&q={query}").content.decode() for query in ("bit&rank=top+10", "gold")
    )

    hint = with_filter.partition('class="hint"')[2].partition("</p>")[0]
    assert "No coin is found with all of this: <bdi>search: bit</bdi>, <bdi>rank: top 10</bdi>" in hint
    assert links(hint) == {"2 coins": "?o=1&q=bit", "Clear all": "?o=1"}
    assert "The search alone" not in without
    assert 'class="hint"' in without
    assert 'class="hint"' not in admin_client.get(f"{COINS}?q=bit").content.decode()


# Hidden coins -----------------------------------------------------------------------------------
@pytest.fixture
def spam(db: None) -> None:
    """Two hidden coins, and one that is not, all named alike."""
    for coin_id, symbol in (("spam", None), ("spam-two", "spm")):
        CoinReview.objects.create(coin=make_coin(coin_id, symbol=symbol, name="Spam coin"), hidden=True)
    make_coin("spamless", name=None, symbol=None)


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "found", "left_out"),
    [
        pytest.param("", ["spamless"], "2 hidden", id="no search"),
        pytest.param("q=spa", ["spamless"], "2 hidden", id="a part"),
        pytest.param("q=+SPAM+", ["spam", "spamless"], "1 hidden", id="an id"),
        pytest.param("q=SPM", ["spam-two"], "", id="a symbol"),
        pytest.param("q=spam+coin", ["spam", "spam-two"], "", id="a name"),
        pytest.param("q=spam&review=hidden", ["spam", "spam-two"], "", id="asked for"),
        pytest.param("q=spam&review=hidden+or+not", ["spam", "spam-two", "spamless"], "", id="with the others"),
        pytest.param("q=spam&rank=ranked", [], "", id="another filter"),
        pytest.param("q=less", ["spamless"], "", id="none is hidden"),
        pytest.param("q=" + "x" * 301, ["spamless"], "2 hidden", id="an invalid search"),
    ],
)
def test_hidden_coins_are_left_out_unless_they_are_named(
    admin_client: Client, spam: None, query: str, found: list[str], left_out: str
) -> None:
    page = admin_client.get(f"{COINS}?{query}").content.decode()

    about = page.partition('class="about-list"')[2].partition("</p>")[0]
    assert sorted(keys_in_list(admin_client, f"{COINS}?{query}")) == found
    assert (left_out or "hidden") in about if left_out else "hidden" not in about
    assert page.count('class="badge">hidden<') == len({*found} - {"spamless"})


@pytest.mark.every_database
def test_hidden_coins_are_one_click_away(admin_client: Client, spam: None) -> None:
    page = admin_client.get(f"{COINS}?q=spa&o=2").content.decode()

    address = links(page)["show"]

    shown = admin_client.get(COINS + address).content.decode()
    assert sorted(re.findall(r'name="_selected_action" value="([^"]*)"', shown)) == ["spam", "spam-two", "spamless"]
    assert "3 results" in shown
    assert links(shown)["hide them again"] == "?o=2&q=spa"


# What the columns say ---------------------------------------------------------------------------
def test_a_list_says_in_which_currency_amounts_are(admin_client: Client) -> None:
    assert "Amounts in" not in admin_client.get(COINS).content.decode()
    make_coin("bitcoin", vs_currency="eur")

    assert "Amounts in EUR." in admin_client.get(COINS).content.decode()


def test_a_week_without_prices_says_why_it_is_not_drawn(admin_client: Client) -> None:
    make_coin("bitcoin", current_price=5)

    page = admin_client.get(COINS).content.decode()

    assert '<span title="No earlier price of the last seven days is stored: a line needs two.">-</span>' in page


def test_large_numbers_of_coins_are_easy_to_read(admin_client: Client) -> None:
    FullCoin.objects.bulk_create(
        FullCoin(coin_id=str(number), vs_currency="usd", first_seen_at=NOON, changed_at=NOON) for number in range(1_000)
    )
    make_coin("gone", missing_since=NOON)

    shown = text_of(admin_client, f"{COINS}?market=on+the+market&columns=coin")

    assert "on the market (1,000)" in shown
    assert "1,000 results ( 1,001 total )" in shown
    assert "1,000 coins" in shown
