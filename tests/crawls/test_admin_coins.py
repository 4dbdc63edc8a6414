"""The admin of coins: what it shows, finds and sorts."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.admin import ModelAdmin, site
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import DecimalField
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from tests.support.admin import keys_in_list, page_of, queries_of, text_of
from tests.support.factories import DAY, HOUR, MINUTE, NOON, SECOND, make_coin, make_run
from tests.support.hostile import TEXTS
from tests.support.prices import make_bar
from webapp.coins.models import CoinReview, FullCoin
from webapp.coins.prices.tiers import Step
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

COINS = reverse("admin:coins_fullcoin_changelist")
RANKED = ["rank-1", "rank-1001", "rank-101", "rank-11", "rank-251"]
NO_NUMBERS = [
    "abc",
    "NaN",
    "Infinity",
    "1_000",
    "{0}",
    "2026-02-05",
    "--1",
    "+",
    "1,5x",
    "\U0001f680",
    "<script>",
    "x" * 5_000,
]
NO_SIZES = ["1e29", "-1e-99", "1e99999999999999999999", "9" * 200, f"0.{'1' * 200}"]
NO_TIMES = ["abc", "5", "2026-13-01", "2026-02-05T25:00", "\u202e2026"]
TOO_FAR = ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "9999-12-31"]


@pytest.mark.every_database
def test_a_coin_is_listed_with_short_numbers_and_shown_with_all_digits(admin_client: Client) -> None:
    coin = make_coin(name="Bitcoin", symbol="btc", current_price=Decimal("0.0000012345600"), market_cap=Decimal(10**12))

    listed, shown = text_of(admin_client, COINS), text_of(admin_client, page_of(coin))

    assert "- Bitcoin BTC 0.000001235 - - 1.00 T - -" in listed
    assert "Price: 0.00000123456 High in 24 h: -" in shown
    assert "Market cap: 1,000,000,000,000 " in shown


@pytest.mark.every_database
def test_the_extremes_of_every_number_show(admin_client: Client) -> None:
    whole = 30
    decimals = [field for field in FullCoin._meta.concrete_fields if isinstance(field, DecimalField)]
    places = {field.name: field.decimal_places for field in decimals}
    biggest = make_coin("biggest", **{name: Decimal(10) ** (30 + whole - after - 1) for name, after in places.items()})
    smallest = make_coin("smallest", **{name: -Decimal(1).scaleb(-after) for name, after in places.items()})

    listed = text_of(admin_client, COINS)
    pages = [text_of(admin_client, page_of(coin)) for coin in (biggest, smallest)]

    assert f"1 × 10{'²⁸' if whole == 29 else '²⁹'}" in listed
    assert "-0.0 ₂₉ 1 " in listed
    assert f"All-time high: {10 ** (whole - 1):,} " in pages[0]
    assert f"All-time low: -0.{'0' * 29}1 " in pages[1]


@pytest.mark.every_database
def test_every_digit_that_the_database_keeps_shows(admin_client: Client) -> None:
    on_sqlite = connection.vendor == "sqlite"
    digits = "12345.6789012345" if on_sqlite else "123456789012345678901234567890.123456789012345678901234567891"
    coin = make_coin(ath=Decimal(digits))

    shown = text_of(admin_client, page_of(coin))

    assert f"All-time high: {Decimal(digits):,} " in shown


def test_instants_show_to_the_second_and_on_pointing_as_they_are_stored(admin_client: Client) -> None:
    coin = make_coin(ath_date=NOON + timedelta(milliseconds=290), atl_date=NOON, last_updated=NOON.replace(year=1))

    shown = admin_client.get(page_of(coin)).content.decode()

    text = " ".join(re.sub("<[^>]*>", " ", shown).split())
    assert 'title="2026-02-05 12:00:00.29 UTC"' in shown
    assert "Date of the all-time high: 2026-02-05 12:00:00 UTC" in text
    assert "Date of the all-time low: 2026-02-05 12:00:00 UTC" in text
    assert "Last updated: 0001-02-05 12:00:00 UTC" in text


@pytest.mark.parametrize(
    ("image", "pictures"),
    [
        pytest.param("https://example.org/a.png?1&2", 1, id="https"),
        pytest.param("http://example.org/a.png", 0, id="http"),
        pytest.param("missing_large.png", 0, id="a bare word"),
        pytest.param("javascript:alert(1)//http://", 0, id="a script"),
        pytest.param(None, 0, id="null"),
    ],
)
def test_a_picture_shows_if_it_comes_over_https(admin_client: Client, image: str | None, pictures: int) -> None:
    coin = make_coin(image=image)

    pages = {address: admin_client.get(address).content.decode() for address in (COINS, page_of(coin))}

    for address, page in pages.items():
        number = pictures if address == COINS else 2 * pictures  # above the chart, and beside its address
        assert page.count(f'<img src="{(image or "").replace("&", "&amp;")}"') == number
        assert page.count('loading="lazy" referrerpolicy="no-referrer"') == number
        assert 'href="javascript:' not in page


def test_no_picture_shows_if_they_are_switched_off(admin_client: Client, settings: Any) -> None:
    settings.ADMIN_PICTURES = False
    coin = make_coin(image="https://example.org/a.png")

    pages = [admin_client.get(address).content.decode() for address in (COINS, page_of(coin))]

    assert not any('<img src="https:' in page for page in pages)


@pytest.mark.every_database
def test_a_coin_of_nulls_shows(admin_client: Client) -> None:
    coin = make_coin("nothing-known")

    listed, shown = text_of(admin_client, COINS), text_of(admin_client, page_of(coin))

    assert "nothing-known" in listed
    assert "Price: - " in shown


@pytest.fixture
def market(db: None) -> None:
    """Coins with the ranks 1, 11, 101, 251 and 1001, whose volume falls with the rank, and two without either."""
    for rank in (1001, 1, 251, 11, 101):
        make_coin(f"rank-{rank}", name=f"Number {rank}", market_cap_rank=rank, total_volume=rank)
    make_coin("unranked-b", symbol="weth")
    make_coin("unranked-a", missing_since=NOON)


@pytest.mark.every_database
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


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("order", "first"), [pytest.param("7", "rank-1", id="rising"), pytest.param("-7", "rank-1001", id="falling")]
)
def test_coins_without_a_value_are_sorted_last_either_way(
    admin_client: Client, market: None, order: str, first: str
) -> None:
    names = keys_in_list(admin_client, f"{COINS}?o={order}")

    assert names[0] == first
    assert {*names[-2:]} == {"unranked-a", "unranked-b"}


@pytest.mark.every_database
def test_filters_count(admin_client: Client, market: None) -> None:
    shown = text_of(admin_client, COINS)

    assert "top 250 (3)" in shown
    assert "missing (1)" in shown


@pytest.mark.every_database
@pytest.mark.parametrize("query", ["", "?rank=ranked&market=missing&q=rank"])
def test_the_counts_of_all_filters_are_one_pass(admin_client: Client, market: None, query: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        admin_client.get(COINS + query)

    assert len([sql for sql in (query["sql"] for query in captured) if "FILTER (" in sql or "IN (SELECT" in sql]) == 1


CHOICES = {
    "rank": ["top 10", "ranked", "unranked"],
    "market": ["on the market", "missing"],
    "data": ["without price", "changed by the last run"],
    "review": ["hidden", "reviewed", "hidden or not"],
}


@pytest.mark.every_database
@pytest.mark.parametrize(
    "used",
    [
        {},
        {"rank": "unranked"},
        {"market": "missing", "review": "hidden or not"},
        {"q": "rank-1"},  # exactly the name of a hidden coin, which the list then has
        {"market_cap_rank_max": "100", "review": "hidden"},
        {"rank": "none", "review": "none"},  # which are no choices
    ],
    ids=str,
)
def test_a_filter_counts_the_coins_that_its_choice_would_find(
    rf: RequestFactory, admin_user: User, market: None, used: dict[str, str]
) -> None:
    for key, hidden, reviewed in (("rank-1", True, NOON), ("unranked-a", True, None), ("rank-11", False, NOON)):
        CoinReview.objects.create(coin_id=key, hidden=hidden, reviewed_at=reviewed)
    FullCoin.objects.filter(pk__in=["rank-1", "rank-101", "unranked-b"]).update(current_price=1)

    counted = coin_list(rf, admin_user, used).facets

    for name, choices in CHOICES.items():
        for choice in choices:
            there = coin_list(rf, admin_user, {**used, name: choice}).result_count
            assert counted[name][choice] == there, (name, choice)


def coin_list(rf: RequestFactory, user: User, query: dict[str, str]) -> Any:
    """The list with these parameters, without its page."""
    request = rf.get(COINS, query)
    request.user = user
    return site.get_model_admin(FullCoin).get_changelist_instance(request)


def test_the_checkbox_of_a_row_is_that_of_django() -> None:
    admin_of_coins = site.get_model_admin(FullCoin)
    for text in TEXTS:
        coin = FullCoin(coin_id=text or "x", name=text, symbol=text[:100])

        made = admin_of_coins.action_checkbox(coin)

        assert made == ModelAdmin.action_checkbox(admin_of_coins, coin)


@pytest.mark.every_database
@pytest.mark.parametrize("name", ["market", "data", "rank", "review"])
def test_a_choice_that_does_not_exist_filters_nothing_and_says_so(
    admin_client: Client, market: None, name: str
) -> None:
    page = text_of(admin_client, f"{COINS}?{name}=nonsense&q=unranked-b")

    assert f"Not filtered by {name}: \u201c nonsense \u201d. There is no such choice. Choose one of: " in page
    assert keys_in_list(admin_client, f"{COINS}?{name}=nonsense&q=unranked-b") == ["unranked-b"]


@pytest.fixture
def dated(noon: None, db: None) -> None:
    """Coins as of noon, and a run that began an hour ago."""
    make_run(id="an earlier one", started_at=NOON - 2 * DAY)
    make_run(id="the last one", started_at=NOON - HOUR)
    make_run(id="of prices", spider="history", started_at=NOON)
    make_run(id="a job that waits", verdict=Verdict.PENDING, started_at=None)
    days = {"first_seen_at": NOON - 9 * DAY, "changed_at": NOON - 2 * HOUR, "current_price": 1}
    make_coin("new", **days | {"first_seen_at": NOON - HOUR, "changed_at": NOON - HOUR}, last_updated=NOON)
    make_coin("still", **days, last_updated=NOON - 3 * DAY)
    make_coin("gone", **days, last_updated=NOON - 3 * DAY, missing_since=NOON - HOUR)
    make_coin("priceless", **days | {"current_price": None, "changed_at": NOON - MINUTE})


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("data=new+since+yesterday", ["new"], id="new"),
        pytest.param("data=changed+by+the+last+run", ["new", "priceless"], id="changed"),
        pytest.param("data=not+updated+for+a+day", ["still"], id="not updated"),
        pytest.param("data=without+price", ["priceless"], id="without price"),
        pytest.param("first_seen_at_min=2026-02-05T11:00:00Z", ["new"], id="first seen since"),
        pytest.param("first_seen_at_max=2026-02-04", ["gone", "priceless", "still"], id="first seen until a day"),
        pytest.param("first_seen_at_max=2026-02-05", ["gone", "new", "priceless", "still"], id="and within it"),
        pytest.param(
            "missing_since_min=2026-02-05T12:00:00%2B01:00&missing_since_max=2026-02-05T11:00", ["gone"], id="gone"
        ),
        pytest.param("changed_at_min=2026-02-05T11:59:00.000001Z", [], id="changed after all"),
    ],
)
def test_coins_are_filtered_by_what_crawls_did(admin_client: Client, dated: None, query: str, found: list[str]) -> None:
    assert sorted(keys_in_list(admin_client, f"{COINS}?{query}")) == found


def test_without_any_run_no_coin_was_changed_by_the_last_one(admin_client: Client) -> None:
    make_coin()

    assert keys_in_list(admin_client, f"{COINS}?data=changed+by+the+last+run") == []


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("market_cap_rank_min=11&market_cap_rank_max=251", ["rank-101", "rank-11", "rank-251"], id="ranks"),
        pytest.param("market_cap_rank_max=10.5", ["rank-1"], id="a fraction"),
        pytest.param("current_price_min=+", RANKED, id="blank"),
        pytest.param("current_price_max=1e-17", ["rank-1"], id="tiny"),
        pytest.param("market_cap_rank_min=0.25k&market_cap_rank_max=1+K", ["rank-251"], id="thousands"),
        pytest.param("market_cap_rank_max=1,001&market_cap_rank_min=%241,000", ["rank-1001"], id="as money"),
        pytest.param("price_change_percentage_24h_max=-5+%25", ["rank-11"], id="percent"),
        pytest.param("market_cap_max=1T&market_cap_min=.5b", [], id="trillions"),
        pytest.param("current_price_min=1e-17&current_price_max=1,000.5", ["rank-1"], id="both ends count"),
        pytest.param("price_change_percentage_24h_max=-5", ["rank-11"], id="falling"),
        pytest.param("market_cap_min=9999999999999999999999999999", [], id="28 digits"),
        pytest.param(
            "market_cap_rank_min=-9999999999999999999999999999",
            RANKED,
            id="below all",
        ),
        pytest.param("market_cap_rank_min=1E28", [], id="more than a rank can be"),
    ],
)
def test_coins_are_filtered_by_ranges(admin_client: Client, market: None, query: str, found: list[str]) -> None:
    FullCoin.objects.filter(pk="rank-1").update(current_price=Decimal("1e-17"))
    FullCoin.objects.filter(pk="rank-11").update(price_change_percentage_24h=Decimal(-5))

    names = keys_in_list(admin_client, f"{COINS}?rank=ranked&{query}")

    assert sorted(names) == sorted(found)


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("name", "limit", "words"),
    [
        *(("current_price_min", limit, "This is not a number. Write it as 1,234.5") for limit in NO_NUMBERS),
        *(("market_cap_rank_max", limit, "This number is too large or too small.") for limit in NO_SIZES),
        *(("changed_at_max", limit, "This is not a date or time. Write it as 2026-02-05") for limit in NO_TIMES),
        *(("changed_at_max", limit, "This time is too far away.") for limit in TOO_FAR),
        ("market_cap_rank_max", "10.9", "The least is greater than the most."),
    ],
)
def test_an_invalid_limit_is_shown_as_it_was_typed_and_the_rest_applies(
    admin_client: Client, market: None, name: str, limit: str, words: str
) -> None:
    query = {"rank": "ranked", "q": "number", "market_cap_rank_min": "11", "p": "1", name: limit}

    response = admin_client.get(COINS, query)

    page = response.content.decode()
    (field,) = re.findall(rf'<input type="text" name="{name}"[^>]*>', page)
    form = page.partition('class="ranges"')[2].partition("</form>")[0]
    assert [coin.pk for coin in response.context["cl"].result_list] == ["rank-11", "rank-101", "rank-251", "rank-1001"]
    assert f'value="{escape(limit)}"' in field
    assert f'aria-invalid="true" aria-describedby="{name}-fault"' in field
    assert f'<p class="fault" id="{name}-fault">{escape(words)}' in form
    assert '<input type="hidden" name="q" value="number">' in form
    assert page.count('aria-invalid="true"') == 1
    assert response.context["cl"].search_alone is None
    (note,) = response.context["cl"].notes
    assert f"<bdi>{escape(limit if len(limit) <= 100 else limit[:100] + chr(0x2026))}</bdi>" in note
    assert [chip.words for chip in response.context["cl"].chips()] == [
        "search: number",
        "rank: at least 11",
        "rank: ranked",
    ]
    assert 'id="show-filters" checked' in page


@pytest.mark.every_database
def test_valid_limits_are_not_marked(admin_client: Client, market: None) -> None:
    page = admin_client.get(f"{COINS}?current_price_min=1,000&changed_at_min=2026-02-05").content.decode()

    assert "aria-invalid" not in page
    assert "Not filtered by" not in page
    assert 'id="show-filters" checked' not in page


@pytest.mark.every_database
def test_the_form_of_ranges_keeps_the_other_filters(admin_client: Client, market: None) -> None:
    page = admin_client.get(f"{COINS}?rank=ranked&q=number&market_cap_rank_max=11&p=1").content.decode()

    form = page.partition('class="ranges"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="rank" value="ranked">' in form
    assert '<input type="hidden" name="q" value="number">' in form
    assert 'name="p"' not in form
    assert re.findall(r'name="market_cap_rank_max" value="(.*?)"', form) == ["11"]
    assert "Clear ranges" in form


@pytest.mark.every_database
def test_a_time_has_inputs_if_a_link_has_limited_it(admin_client: Client) -> None:
    without, limited = (
        admin_client.get(f"{COINS}{query}").content.decode() for query in ("", "?changed_at_min=2026-02-05")
    )

    assert "changed_at_min" not in without
    assert "Clear ranges" not in without
    assert re.findall(r'type="text" name="changed_at_m\w+" value="(.*?)"', limited) == ["2026-02-05", ""]
    assert 'name="first_seen_at_min"' not in limited


@pytest.mark.parametrize("few", [1, 500])
def test_exact_matches_come_first(admin_client: Client, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("webapp.crawls.admin.coins.FEW", few)
    make_coin("a-coin", name="All of ether", market_cap_rank=1)
    make_coin("ethereum", name="Ethereum", symbol="eth", market_cap_rank=2)
    make_coin("wrapped", name="Wrapped", symbol="ETHER", market_cap_rank=900)

    assert keys_in_list(admin_client, f"{COINS}?q=ether") == ["wrapped", "ethereum", "a-coin"]
    assert keys_in_list(admin_client, f"{COINS}?q=+ether+") == ["wrapped", "ethereum", "a-coin"]
    assert keys_in_list(admin_client, f"{COINS}?q=ether&o=1") == ["a-coin", "ethereum", "wrapped"]
    assert keys_in_list(admin_client, f"{COINS}?q=ether&rank=top+100") == ["ethereum", "a-coin"]


@pytest.mark.every_database
def test_matches_of_one_kind_keep_the_order(admin_client: Client) -> None:
    for coin_id, rank in (("ether-c", 2), ("ether-a", 3), ("ether-b", 1)):
        make_coin(coin_id, market_cap_rank=rank)

    assert keys_in_list(admin_client, f"{COINS}?q=ether") == ["ether-b", "ether-c", "ether-a"]


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("percentage", "words"),
    [("-5", "▼ -5.00 %"), ("0", "0.00 %"), ("12345.678", "▲ +12,345.68 %"), ("-0.0001", "▼ -0.0001 %")],
)
def test_a_change_has_two_digits_unless_they_would_say_nothing(
    admin_client: Client, percentage: str, words: str
) -> None:
    make_coin(price_change_percentage_24h=Decimal(percentage))

    assert f">{words}</span>" in admin_client.get(COINS).content.decode()


@pytest.mark.every_database
def test_a_blank_search_keeps_the_order(admin_client: Client) -> None:
    make_coin("nameless", name="", market_cap_rank=2)
    make_coin("first", name="First", market_cap_rank=1)

    assert keys_in_list(admin_client, f"{COINS}?q=+") == ["first", "nameless"]


def test_a_change_has_a_sign_an_arrow_and_a_colour(admin_client: Client) -> None:
    make_coin("up", price_change_percentage_24h=Decimal("7.729"))
    make_coin("down", price_change_percentage_24h=Decimal("-0.00012"))
    make_coin("level", price_change_percentage_24h=Decimal(0))
    make_coin("wild", price_change_percentage_24h=Decimal("3.2e46"))

    page = admin_client.get(COINS).content.decode()

    assert '<span class="change up" title="7.729 %">▲ +7.73 %</span>' in page
    assert '<span class="change down" title="-0.00012 %">▼ -0.00012 %</span>' in page
    assert '<span class="change level" title="0 %">0.00 %</span>' in page
    assert "▲ +3.2 × 10⁴⁶ %</span>" in page


@pytest.mark.every_database
def test_a_number_shows_every_digit_on_pointing(admin_client: Client) -> None:
    make_coin(market_cap=Decimal(1_380_000_000_001), current_price=Decimal("1.2e-9"))

    page = admin_client.get(COINS).content.decode()

    assert '<span title="1,380,000,000,001">1.38 T</span>' in page
    assert '<span title="0.0000000012">0.0<span class="zeros">₈</span>12</span>' in page


@time_machine.travel(NOON, tick=False)
def test_a_time_shows_how_long_ago_it_was_or_its_date_after_a_day(admin_client: Client) -> None:
    make_coin("past", last_updated=NOON - 3 * MINUTE)
    make_coin("future", last_updated=NOON + DAY)
    make_coin("recent", last_updated=NOON - MINUTE + timedelta(milliseconds=1))
    make_coin("fast", last_updated=NOON + MINUTE - timedelta(milliseconds=1))
    make_coin("hours", last_updated=NOON - DAY + SECOND)
    make_coin("day", last_updated=NOON - DAY)
    make_coin("year", last_updated=NOON - 60 * DAY)

    page = admin_client.get(COINS).content.decode()

    assert 'title="2026-02-05 11:57:00 UTC">3\xa0minutes ago</time>' in page
    assert ">23\xa0hours ago</time>" in page
    assert 'title="2026-02-04 12:00:00 UTC">4 Feb 12:00</time>' in page
    assert 'title="2025-12-07 12:00:00 UTC">7 Dec 2025 12:00</time>' in page
    assert 'title="2026-02-06 12:00:00 UTC">2026-02-06 12:00:00</time> <em class="future">in the future</em>' in page
    assert page.count(">just now</time>") == 2
    assert page.count("in the future") == 1


@time_machine.travel(NOON, tick=False)
def test_a_coins_dates_in_the_future_are_marked(admin_client: Client) -> None:
    wrong = make_coin(
        "wrong", last_updated=NOON + DAY, ath_date=NOON + MINUTE, atl_date=datetime(9999, 12, 31, tzinfo=UTC)
    )
    right = make_coin("right", last_updated=NOON, ath_date=NOON + MINUTE - timedelta(microseconds=1))

    marked, unmarked = (text_of(admin_client, page_of(coin)) for coin in (wrong, right))

    assert "Last updated: 2026-02-06 12:00:00 UTC in the future" in marked
    assert "Date of the all-time high: 2026-02-05 12:01:00 UTC in the future" in marked
    assert "Date of the all-time low: 9999-12-31 00:00:00 UTC in the future" in marked
    assert "in the future" not in unmarked


def test_the_week_is_drawn_from_hours_and_the_current_price(admin_client: Client, noon: None) -> None:
    make_coin("rising", current_price=3, last_updated=NOON)
    make_coin("falling", current_price=Decimal("0.5"), last_updated=NOON)
    make_coin("alone", current_price=1, last_updated=NOON)
    for coin_id in ("rising", "falling"):
        make_bar(coin_id, Step.HOUR, time=NOON - 8 * DAY, close=9)  # older than a week
        make_bar(coin_id, Step.HOUR, time=NOON - 6 * DAY, close=2)
        make_bar(coin_id, Step.DAY, time=Step.DAY.start(NOON - 5 * DAY), close=7)  # of a day
        make_bar(coin_id, Step.HOUR, time=NOON - 3 * DAY, close=1)

    page = admin_client.get(COINS).content.decode()

    assert page.count('<svg class="spark') == 2
    assert 'aria-label="7 days: +50.0%"' in page
    assert 'aria-label="7 days: -75.0%"' in page
    assert re.search(r'class="spark up".*?<path d="M0.0 15.0L[\d.]+ 30.0L110.0 0.0"/>', page)


@pytest.mark.every_database
@pytest.mark.parametrize("last_updated", [NOON, datetime(9999, 12, 31, tzinfo=UTC)], ids=["now", "a wrong clock"])
def test_the_week_ends_now_even_if_a_clock_is_wrong(admin_client: Client, noon: None, last_updated: datetime) -> None:
    make_coin("up", current_price=2, last_updated=last_updated)
    make_bar("up", Step.HOUR, time=NOON - 4 * DAY, close=1, last_at=NOON - 4 * DAY)
    make_bar("up", Step.HOUR, time=NOON - 2 * DAY, close=1, last_at=NOON - 2 * DAY)

    page = admin_client.get(COINS).content.decode()

    assert '<path d="M0.0 30.0L55.0 30.0L110.0 0.0"/>' in page


@pytest.mark.parametrize("first", [-1, 0])
def test_no_percentage_is_of_a_price_that_is_not_above_zero(admin_client: Client, noon: None, first: int) -> None:
    make_coin("down", current_price=-2, last_updated=NOON)
    make_bar("down", Step.HOUR, time=NOON - 3 * DAY, close=first)

    page = admin_client.get(COINS).content.decode()

    assert 'class="spark down"' in page
    assert 'aria-label="7 days"' in page


@pytest.mark.every_database
def test_a_list_reads_all_weeks_at_once(admin_client: Client) -> None:
    make_coin("first")
    few = queries_of(admin_client, COINS)
    for number in range(30):
        make_coin(f"coin-{number}")
        make_bar(f"coin-{number}", Step.HOUR, time=timezone.now())

    assert queries_of(admin_client, COINS) == few <= 14


def test_no_prices_are_read_for_a_list_that_shows_none(admin_client: Client) -> None:
    make_coin()

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(f"{COINS}?columns=coin")

    assert not [query["sql"] for query in captured if "coins_pricebar" in query["sql"]]


@pytest.mark.every_database
def test_hidden_coins_show_only_if_the_filter_asks(admin_client: Client) -> None:
    ada = User.objects.get()
    CoinReview.objects.create(coin=make_coin("spam"), hidden=True, reviewed_by=ada, reviewed_at=NOON)
    CoinReview.objects.create(coin=make_coin("known"), note="checked")
    make_coin("plain")

    assert keys_in_list(admin_client, COINS) == ["known", "plain"]
    assert keys_in_list(admin_client, f"{COINS}?review=hidden") == ["spam"]
    assert keys_in_list(admin_client, f"{COINS}?review=hidden+or+not") == ["known", "plain", "spam"]
    assert keys_in_list(admin_client, f"{COINS}?review=reviewed") == ["spam"]
    assert keys_in_list(admin_client, f"{COINS}?review=with+a+note") == ["known"]
    assert "hidden (1)" in text_of(admin_client, COINS)
