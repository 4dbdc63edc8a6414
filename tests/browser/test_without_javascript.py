"""The admin without JavaScript: on a phone, where it has to make do with least."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from tests.support.admin import page_of
from tests.support.factories import make_run
from tests.support.whole_site import LOG, make_market
from webapp.coins.clock import database_clock
from webapp.crawls.verdict import Verdict

PHONE = ViewportSize(width=390, height=844)
COINS = "/admin/coins/fullcoin/"


@pytest.fixture
def now(live_server: LiveServer) -> datetime:
    now = database_clock()
    make_market(now)
    return now


@pytest.fixture
def plain_page(browser: Browser, live_server: LiveServer, admin_client: Client, settings: Any) -> Iterator[Page]:
    """A page on a phone that runs no scripts, with a superuser's session."""
    settings.ADMIN_PICTURES = False
    session = admin_client.cookies[django_settings.SESSION_COOKIE_NAME].value
    with browser.new_context(viewport=PHONE, base_url=live_server.url, java_script_enabled=False) as context:
        context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
        yield context.new_page()


def test_coins_are_filtered(plain_page: Page, now: datetime) -> None:
    page = plain_page
    page.goto(COINS)
    ranked = page.get_by_role("link", name="ranked (2)", exact=True)
    expect(ranked).to_be_hidden()

    page.locator("label", has_text="Filters").click()
    ranked.click()

    expect(page.locator("#result_list tbody .field-coin .name")).to_have_text(["Bitcoin BTC", "Dust DST"])
    expect(page.locator("label", has_text="Filters (in use)")).to_be_visible()


def test_columns_are_moved_and_saved(plain_page: Page, now: datetime) -> None:
    page = plain_page
    page.goto(f"{COINS}columns/?rank=ranked")
    page.get_by_label("Rank", exact=True).uncheck()
    page.get_by_role("button", name="Move price up").click()
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#result_list thead .text a").first).to_have_text("Price")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)  # filtered as before


def test_a_list_is_exported(plain_page: Page, now: datetime) -> None:
    page = plain_page
    page.goto(f"{COINS}?q=btc")
    page.get_by_role("link", name="Export").click()
    page.get_by_role("button", name="None").click()
    page.get_by_label("symbol").check()
    page.get_by_label("JSON").check()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    assert [coin["symbol"] for coin in json.loads(download.value.path().read_text())] == ["btc"]


def test_a_chart_is_drawn_with_its_values(plain_page: Page, now: datetime) -> None:
    page = plain_page
    page.goto(f"{COINS}bitcoin/change/")
    page.get_by_role("link", name="30d", exact=True).click()
    chart = page.get_by_role("img", name="Price, from")

    expect(chart.locator("path.line").first).to_be_visible()
    expect(chart.locator("rect.gap")).to_have_count(1)
    expect(page.locator(".drawing .levels").first).to_contain_text("93,000")
    page.get_by_text("1 gap: times without prices").click()
    expect(page.locator(".gaps li")).to_be_visible()


def test_a_log_is_narrowed_and_a_run_under_way_is_loaded_again(plain_page: Page, live_server: LiveServer) -> None:
    page = plain_page
    run = make_run(verdict=Verdict.RUNNING, heartbeat_at=database_clock(), log_tail=LOG)
    page.goto(page_of(run))
    block = page.get_by_role("region", name="Log")

    page.get_by_label("warnings and errors (2)").check()

    expect(block.get_by_text("Spider opened")).to_be_hidden()
    expect(block.get_by_text("page 7 was throttled")).to_be_visible()
    expect(page.locator('meta[http-equiv="refresh"]')).to_have_attribute("content", "15")
