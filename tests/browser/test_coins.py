"""The admin as a person sees it."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import F, Model
from playwright.sync_api import Page, expect
from rest_framework.authtoken.models import Token

from tests.support.admin import page_of
from tests.support.browser import contrast, fits, open_list, row
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from webapp.coins.models import FullCoin, NamedView
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import RECORDS
from webapp.crawls.verdict import Verdict

PICTURE = "https://pictures.example/bitcoin.png"


@pytest.fixture
def market(live_server: Any, settings: Any) -> None:
    settings.ADMIN_PICTURES = False
    make_coin(
        "bitcoin",
        name="Bitcoin",
        symbol="btc",
        market_cap_rank=1,
        current_price=Decimal("96114.0848"),
        market_cap=Decimal(1_900_123_456_789),
        total_volume=Decimal(180_897_443_786),
        price_change_percentage_24h=Decimal("-7.72911"),
        last_updated=NOON,
        image=PICTURE,
    )
    make_coin("dust", name="Dust", symbol="dst", market_cap_rank=900, current_price=Decimal("0.0000001"), image=PICTURE)
    make_coin("gone", name="<script>alert(1)</script>", atl_change_percentage=Decimal("3.2E+46"), missing_since=NOON)
    make_coin("gold", name="الذهب الرقمي", symbol="ذهب", total_supply=Decimal(10) ** 25)


@pytest.fixture
def runs(live_server: Any) -> CrawlRun:
    """One run of each verdict; the complete one, which it is, has a rejected record."""
    for number, verdict in enumerate(Verdict):
        make_run(id=verdict, verdict=verdict, started_at=NOON + timedelta(minutes=number))
    CrawlRun.objects.filter(pk="complete").update(
        **dict.fromkeys(RECORDS, 17_190),
        arguments={"order": "market_cap_desc"},
        messages="the API sent no total\npage 7 came twice",
        finished_at=F("started_at") + timedelta(seconds=75),
    )
    complete = CrawlRun.objects.get(pk="complete")
    reasons = "\n".join(f"field_{number}: not a number" for number in range(30))
    make_rejected(
        "x" * 255, run=complete, reasons=reasons, page="ids bitcoin, ethereum", raw='{"name": "<b>", "p": 1.10}'
    )
    return complete


def test_the_tests_run_as_in_production() -> None:
    assert settings.DEBUG is False


def test_a_person_logs_in_and_out(page: Page) -> None:
    User.objects.create_superuser("ada", password="correct horse")
    page.goto("/")
    page.get_by_role("button", name="Log out").click()
    page.goto("/")
    expect(page.get_by_label("Username")).to_be_focused()  # Chromium complains where somebody is faster than the page

    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()

    expect(page.locator("#user-tools")).to_contain_text("ada")


def test_the_index_lists_crawled_data_first(page: Page) -> None:
    page.goto("/")
    headings = page.locator("#content-main caption")

    expect(page).to_have_title(re.compile("coincrawl"))
    expect(headings).to_have_text(["Crawled data", "Crawls", "Read API", "Users and groups"])


def test_the_index_begins_with_what_is_failing(page: Page, market: None) -> None:
    make_run(newest_update=NOON - timedelta(days=30), finished_at=NOON)
    page.goto("/")

    expect(page.locator("#overview .answer")).to_have_text("No: 1 of 6 checks fails (the source).")
    expect(page.locator("#overview .problem")).to_contain_text("The source of markets answers, but its data is old")
    assert fits(page, "html, #overview")


def test_coins_are_listed_searched_and_filtered(page: Page, market: None) -> None:
    open_list(page, "Coins")
    coins = page.locator("#result_list .field-coin")

    expect(coins).to_have_text(["Bitcoin BTC", "Dust DST", "الذهب الرقمي ذهب", "<script>alert(1)</script> "])
    expect(row(page, "Bitcoin")).to_contain_text("96,114.08")
    expect(row(page, "Bitcoin").get_by_title("1,900,123,456,789")).to_have_text("1.90 T")
    row(page, "Bitcoin").get_by_title("1,900,123,456,789").dispatch_event("click")  # as no mouse does it
    expect(page.get_by_role("status")).to_have_text("1,900,123,456,789")
    expect(row(page, "Dust").get_by_title("0.0000001")).to_have_text("0.0₆1")

    page.get_by_role("link", name="top 10 (1)", exact=True).click()
    expect(coins).to_have_text(["Bitcoin BTC"])

    page.get_by_role("link", name="Clear all filters").click()
    page.get_by_role("link", name="missing (1)", exact=True).click()
    expect(coins).to_have_count(1)

    page.get_by_role("link", name="Clear all filters").click()
    page.get_by_label("Search").fill("dst")
    page.get_by_role("button", name="Search").click()
    expect(coins).to_have_text(["Dust DST"])


def test_a_coins_page_shows_all_digits_and_its_picture(
    page: Page, market: None, pictures: list[str], settings: Any
) -> None:
    settings.ADMIN_PICTURES = True
    open_list(page, "Coins")
    page.get_by_role("link", name="Bitcoin").click()

    expect(page.get_by_role("heading", name="Bitcoin (BTC)")).to_be_visible()
    expect(page.locator(".field-current_price .readonly")).to_have_text("96,114.0848")
    expect(page.locator(".field-missing_since")).to_contain_text("When a complete crawl")
    expect(page.locator(".field-image img")).to_be_visible()
    assert {*pictures} == {PICTURE}


def test_markup_on_a_page_is_text(page: Page, market: None) -> None:
    open_list(page, "Coins")
    page.get_by_role("link", name="<script>").click()

    expect(page.locator(".field-name .readonly")).to_have_text("<script>alert(1)</script>")
    expect(page.locator(".field-atl_change_percentage .readonly")).to_have_text("+32" + ",000" * 15 + " %")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: make_coin("x" * 255, name="x" * 255, image=f"https://{'x' * 400}"), id="coin"),
        pytest.param(lambda: make_run(reason="x" * 500, arguments={"ids": ["x" * 86] * 250}), id="run"),
        pytest.param(lambda: make_rejected("x" * 255, raw="x" * 64_000, reasons="x" * 500), id="rejected record"),
    ],
)
def test_long_words_stay_inside_their_page(page: Page, make: Callable[[], Model], pictures: list[str]) -> None:
    page.goto(page_of(make()))

    assert fits(page, "html, .form-row")


def test_long_words_of_people_and_of_reasons_stay_inside_a_phone(page: Page, pictures: list[str]) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    coin, user = make_coin("x" * 255, name="W" * 255), User.objects.get()
    make_rejected("x" * 255, reasons="the database rejected it: " + "x" * 500)
    NamedView.objects.create(list="coins.fullcoin", slug="long", name="W" * 100)
    kind = ContentType.objects.get_for_model(FullCoin)
    LogEntry.objects.create(
        user=user, content_type=kind, object_id=coin.pk, action_flag=CHANGE, change_message="W" * 999
    )

    for address in (page_of(coin), page_of(coin).replace("/change/", "/history/"), "/admin/coins/fullcoin/"):
        page.goto(address)

        assert fits(page, "html, .form-row, .results"), address

    expect(page.locator(".actions")).to_be_hidden()
    page.locator(".action-select").check()
    expect(page.locator(".actions")).to_be_in_viewport()


def test_a_run_leads_to_its_rejected_records(page: Page, runs: CrawlRun) -> None:
    open_list(page, "Crawl runs")

    expect(row(page, "complete")).to_contain_text("0:01:15")
    expect(page.locator("#result_list .verdict")).to_have_text(list(reversed(Verdict)))

    row(page, "complete").get_by_role("link").click()
    expect(page.locator(".run-messages")).to_have_text("the API sent no total\npage 7 came twice", use_inner_text=True)

    page.locator(".run-beside").get_by_role("row", name="Rejected").get_by_role("link").click()
    expect(row(page, "field_0: not a number")).to_contain_text("and 27 more")

    row(page, "field_0").locator(".field-coin a").click()
    expect(page.locator(".field-raw pre")).to_have_text('{ "name": "<b>", "p": 1.10 }')
    expect(page.locator(".field-reasons .readonly")).to_contain_text("field_29: not a number")


def test_a_token_is_made_shown_once_and_deleted(page: Page) -> None:
    User.objects.create_user("berlin")
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name="Tokens", exact=True).click()
    page.get_by_role("link", name="Add token").click()
    page.get_by_label("User").select_option("berlin")
    page.get_by_role("button", name="Save").click()

    expect(row(page, "berlin")).to_be_visible()
    key = Token.objects.get().key
    expect(page.locator(".messagelist")).to_contain_text(key)

    page.reload()
    expect(page.locator("html")).not_to_contain_text(key)

    row(page, "berlin").get_by_role("link").click()
    expect(page.locator(".field-user .readonly")).to_have_text("berlin")
    page.get_by_role("link", name="Delete").click()
    expect(page.locator("html")).not_to_contain_text(key)
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("0 Tokens")).to_be_visible()
    assert not Token.objects.exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_verdict_has_a_mark_that_stands_out(page: Page, runs: CrawlRun, theme: Any) -> None:
    page.emulate_media(color_scheme=theme)
    open_list(page, "Crawl runs")

    marks = page.locator("#result_list .verdict").evaluate_all(
        "marks => marks.map(mark => getComputedStyle(mark, '::before')).map(({content, color}) => [content, color])"
    )
    ground = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")

    assert len({shape for shape, _ in marks} - {"none"}) == len(Verdict)
    assert min(contrast(colour, ground) for _, colour in marks) > 3  # what WCAG asks of a sign


@pytest.mark.parametrize("name", ["Coins", "Crawl runs", "Rejected records"])
def test_a_list_fits_a_laptop(page: Page, market: None, runs: CrawlRun, name: str) -> None:
    open_list(page, name)

    assert fits(page, "html, .results")
