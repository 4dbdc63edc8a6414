"""A coin's page in the admin: when its values changed, its rejected records, and what people say of it."""

import re
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from django.utils.text import capfirst

from tests.support.admin import hostile, page_of, text_of
from tests.support.factories import DAY, HOUR, MINUTE, NOON, YEAR, make_coin, make_rejected, make_run
from tests.support.schedule_pages import staff, told
from webapp.coins.models import CoinReview, FullCoin
from webapp.crawls.admin.coin_labels import LABELS

pytestmark = pytest.mark.django_db


def page(client: Client, coin: FullCoin, query: str = "") -> str:
    response = client.get(page_of(coin) + query)
    assert response.status_code == 200
    return response.content.decode()


# When values changed -----------------------------------------------------------------------------
def store(at: datetime, **values: Any) -> None:
    FullCoin.objects.upsert([{"coin_id": "bitcoin", "symbol": "btc", **values}], at, at)


def groups_of(shown: str) -> dict[str, str]:
    """By heading of a group of fields, its markup."""
    return {part.partition("<")[0]: part for part in shown.split('class="fieldset-heading">')[1:]}


def of_the_coin(shown: str) -> str:
    """What is said above all groups."""
    return words_of(shown.partition('<div class="fields">')[2].partition("<fieldset")[0])


def words_of(markup: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", markup).split()).replace(" ,", ",")


@pytest.mark.every_database
@time_machine.travel(NOON, tick=False)
def test_a_page_says_once_when_its_values_changed_and_by_which_run_and_where_others_did(admin_client: Client) -> None:
    make_run(id="first", started_at=NOON - 5 * DAY, finished_at=NOON - 4 * DAY)
    make_run(id="later", started_at=NOON - HOUR, finished_at=NOON)
    store(NOON - 5 * DAY + MINUTE, name="Bitcoin", ath=1, atl=1, current_price=1, high_24h=1, low_24h=1)
    store(NOON - 30 * MINUTE, name="Bit Coin", current_price=2, high_24h=2, low_24h=1)

    with CaptureQueriesContext(connection) as captured:
        shown = page(admin_client, FullCoin.objects.get())

    assert len([query["sql"] for query in captured if "WITH spiders" in query["sql"]]) == 1
    groups = groups_of(shown)
    old, new = "31 Jan 12:01, run 31 Jan 12:00", "30 minutes ago, run 5 Feb 11:00"
    assert of_the_coin(shown) == f"Changed {old}, where no other date is given"
    assert [groups[name].count('class="changed"') for name in ("All-time high", "Return on investment")] == [0, 0]
    assert f"Bit Coin {new}" in words_of(groups["Coin"])
    assert groups["Coin"].count('class="changed"') == 1
    assert f"Changed {new}, where no other date is given Price: 2 High in 24 h: 2 Low" in words_of(groups["Price"])
    assert [words_of(groups["Price"]).count(text) for text in (f"1 {old}", new, old)] == [1, 1, 1]
    assert 'title="2026-02-05 11:30:00 UTC"' in groups["Price"]
    assert 'href="/admin/crawls/crawlrun/later/change/"' in groups["Price"]
    assert 'title="markets, 2026-02-05 11:00:00 UTC"' in groups["Price"]


@time_machine.travel(NOON, tick=False)
def test_a_value_that_may_be_of_two_runs_says_so(admin_client: Client) -> None:
    make_run(id="old", started_at=NOON - YEAR, finished_at=NOON)
    make_run(id="new", started_at=NOON - HOUR, finished_at=NOON, spider="mirror")
    store(NOON - 30 * MINUTE, name="Bitcoin")

    shown = page(admin_client, FullCoin.objects.get())

    said = "Changed 30 minutes ago, by one of these runs: 5 Feb 11:00 or 5 Feb 2025 12:00"
    assert (of_the_coin(shown), shown.count('class="changed"')) == (said, 1)
    assert 'title="More than one run was under way then' in shown


@time_machine.travel(NOON, tick=False)
def test_a_run_that_is_not_kept_is_left_out(admin_client: Client) -> None:
    store(NOON - 30 * MINUTE, name="Bitcoin")

    assert of_the_coin(page(admin_client, FullCoin.objects.get())) == "Changed 30 minutes ago"


@time_machine.travel(NOON, tick=False)
def test_a_run_is_no_link_for_those_who_may_not_view_runs(client: Client) -> None:
    make_run(id="run", started_at=NOON - HOUR, finished_at=NOON)
    store(NOON - 30 * MINUTE, name="Bitcoin")

    shown = page(staff(client, "view_fullcoin"), FullCoin.objects.get())

    assert "30 minutes ago, run 5 Feb 11:00" in words_of(shown)
    assert "/crawlrun/" not in shown


@time_machine.travel(NOON, tick=False)
def test_values_without_a_date_of_change(admin_client: Client) -> None:
    coin = make_coin(name="Bitcoin")
    without = page(admin_client, coin)
    FullCoin.objects.upsert([{"coin_id": coin.pk, "ath": 2, "atl": 3, "ath_change_percentage": 4}], NOON, NOON)

    shown = page(admin_client, FullCoin.objects.get())

    assert 'class="changed"' not in without
    assert of_the_coin(shown) == "Changed just now, where no other date is given"
    assert "Name: Bitcoin date not known" in words_of(groups_of(shown)["Coin"])
    assert 'class="changed"' not in groups_of(shown)["All-time low"]  # of its date, which has never had a value


# Rejected records --------------------------------------------------------------------------------
def test_a_page_shows_all_fields_but_what_only_programs_can_read(admin_client: Client) -> None:
    coin = make_coin(field_changes="only programs read this")

    shown = text_of(admin_client, page_of(coin))

    names = {field.name for field in FullCoin._meta.concrete_fields if field.name != "field_changes"}
    labels = [LABELS.get(name, name.replace("_", " ")) for name in names]
    assert [label for label in labels if f"{capfirst(label)}:" not in shown] == []
    assert "only programs read this" not in shown
    assert "The last last_updated that" in shown


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


@pytest.mark.every_database
def test_a_review_is_saved_and_recorded(admin_client: Client, noon: None) -> None:
    coin = make_coin()
    before = FullCoin.objects.values().get()

    response = review(admin_client, coin, note="Looks <i>odd</i>", hidden="on")

    saved = CoinReview.objects.get()
    assert (saved.note, saved.hidden, saved.reviewed_at) == ("Looks <i>odd</i>", True, NOON)
    assert saved.reviewed_by == User.objects.get()
    assert told(response) == ["The review is saved."]
    assert "Looks &lt;i&gt;odd&lt;/i&gt;" in response.content.decode()
    recorded = LogEntry.objects.get().get_change_message()
    assert recorded == "Reviewed it; changed: note and hidden. Hidden. Note: Looks <i>odd</i>"
    assert FullCoin.objects.values().get() == before
    assert "Reviewed it" in text_of(admin_client, page_of(coin).replace("/change/", "/history/"))


def test_a_review_that_is_too_long_is_shown_again(admin_client: Client) -> None:
    coin = make_coin()
    CoinReview.objects.create(coin=coin, note="before", reviewed_at=NOON)

    response = review(admin_client, coin, note="<b>" + "x" * 9_998, hidden="on")

    assert told(response) == ["The review is not saved: see below."]
    shown = response.content.decode()
    assert "at most 10000 characters (it has 10001)" in shown
    assert f">\n&lt;b&gt;{'x' * 9_998}</textarea>" in shown
    assert re.search(r'name="hidden"[^>]* checked', shown)
    assert "maxlength" not in shown  # a browser cuts what is pasted, without a word
    assert f'href="{page_of(coin)}?range=1y"' in shown  # its own address takes no GET
    assert CoinReview.objects.get().note == "before"


def test_the_lines_of_a_note_end_in_one_character(admin_client: Client) -> None:
    coin = make_coin()

    review(admin_client, coin, note="x\r\n" * 4_999 + "xy")

    assert CoinReview.objects.get().note == "x\n" * 4_999 + "xy"


def test_the_reviews_before_are_one_click_away(admin_client: Client) -> None:
    coin = make_coin()
    link = f'<a href="{page_of(coin).replace("/change/", "/history/")}">All reviews</a>'

    pages = [page(admin_client, coin), review(admin_client, coin, note="mine").content.decode()]

    assert [link in shown for shown in pages] == [False, True]


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
