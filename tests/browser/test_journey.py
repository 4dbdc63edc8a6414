"""What people come for, from signing in to a file or a finished run, as they do it."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.support.browser import open_list, row
from tests.support.exports import read_xlsx
from tests.support.factories import make_schedule
from tests.support.nodes import StartNode
from tests.support.processes import PATIENCE
from tests.support.whole_site import make_market
from webapp.coins.clock import database_clock
from webapp.coins.models import FullCoin
from webapp.coins.numbers import compact
from webapp.crawls.models import CrawlRun

COINS = "/admin/coins/fullcoin/"
SECONDS = 1_000  # ms
# Written alike by the server and by the script.
OF_ALL_SIZES = (
    "0 0.5 96114 96114.0848 994999.99 1.000000000012 -0.123456 0.0012346 1.2346e-6 9.9999e-6 9.99999e-10 1.2e-9 "
    "-1.234567e-12 1.2e-18 -1e-30 -4127835.5 25099999999 999999999999 1380000000000.7 999994999999999 999995000000000 "
    "3.2e46"
)


@pytest.fixture
def now(live_server: LiveServer, settings: Any) -> datetime:
    """When the market of `make_market` is stored."""
    settings.ADMIN_PICTURES = False
    now = database_clock()
    make_market(now)
    return now


def coins(page: Page) -> Locator:
    return page.locator("#result_list tbody .field-coin .name")


def headings(page: Page) -> list[str]:
    return [text for text in page.locator("#result_list thead .text").all_inner_texts() if text]


def sign_in_as(page: Page, live_server: LiveServer, user: User) -> None:
    page.wait_for_load_state("load")  # else the rest of the page would be asked for without a session
    client = Client()
    client.force_login(user)
    session = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    page.context.clear_cookies()
    page.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])


def test_a_coin_is_found_from_the_login_on(page: Page, now: datetime) -> None:
    User.objects.create_superuser("ada", password="correct horse")
    page.context.clear_cookies()
    page.goto(COINS)
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("ada")
    page.get_by_label("Password").fill("correct horse")
    page.keyboard.press("Enter")
    expect(coins(page)).to_have_count(FullCoin.objects.count())
    page.wait_for_load_state("load")  # with its scripts

    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("btc")
    page.keyboard.press("Enter")
    expect(coins(page)).to_have_text(["Bitcoin BTC"])

    coins(page).click()
    expect(page.get_by_role("heading", name="Bitcoin (BTC)")).to_be_visible()


def test_a_filtered_list_with_chosen_columns_is_shared(page: Page, now: datetime, live_server: LiveServer) -> None:
    open_list(page, "Coins")
    page.get_by_role("link", name="ranked (2)", exact=True).click()
    page.get_by_label("rank, at most").fill("100")
    page.get_by_role("button", name="Apply").click()
    expect(coins(page)).to_have_text(["Bitcoin BTC"])

    page.get_by_role("link", name="Columns").click()
    page.get_by_role("checkbox", name="Updated").uncheck()
    page.get_by_role("button", name="Move volume up").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_contain_text("The list has the columns that you have chosen.")
    chosen = headings(page)
    assert chosen.index("VOLUME") == chosen.index("MARKET CAP") - 1
    assert "UPDATED" not in chosen

    page.get_by_text("Save this view").click()
    page.get_by_label("Name").fill("The biggest")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="The biggest")).to_have_attribute("aria-current", "page")

    sign_in_as(page, live_server, User.objects.create_superuser("maria"))
    page.goto(f"{COINS}views/the-biggest/")
    expect(coins(page)).to_have_text(["Bitcoin BTC"])
    assert headings(page) == chosen


def test_a_filtered_list_is_exported_as_a_workbook(page: Page, now: datetime) -> None:
    page.goto(f"{COINS}?rank=ranked")
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("2 coins, on all pages of the list.")).to_be_visible()
    page.get_by_label("XLSX").check()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    rows = read_xlsx(download.value.path().read_bytes())
    assert download.value.suggested_filename.endswith(".xlsx")
    assert [row["coin_id"] for row in rows] == ["bitcoin", "dust"]
    assert [row["current_price"] for row in rows] == [96114.0848, 1e-7]
    assert [row["market_cap_rank"] for row in rows] == [1, 900]


def test_a_coins_chart_is_read_and_zoomed(page: Page, now: datetime) -> None:
    page.goto(f"{COINS}bitcoin/change/")
    page.get_by_role("link", name="30d", exact=True).click()
    expect(page.get_by_role("link", name="30d", exact=True)).to_have_attribute("aria-current", "true")
    plot = page.locator("#drawings .u-over").first
    time, price, market_cap, volume = (page.locator("#chart-values dd").nth(place) for place in range(4))
    summary, reset = page.locator("#chart-summary"), page.get_by_role("button", name="Reset zoom")
    days = page.locator("#drawings canvas").first
    numbers = OF_ALL_SIZES.split()
    assert page.evaluate("numbers => numbers.map((one) => compactNumber(one))", [*map(float, numbers)]) == [
        compact(Decimal(number)) for number in numbers
    ]
    assert page.evaluate("compactNumber(1.23456789e-9, 8)") == "0.0₈12345679"
    expect(price).to_have_text("-")
    expect(time).to_have_text("point at the chart, drag to zoom in")
    box = plot.bounding_box()
    assert box is not None
    left, middle, y = box["x"] + box["width"] * 0.2, box["x"] + box["width"] * 0.21, box["y"] + box["height"] * 0.5

    page.mouse.move(middle, y)
    expect(price).to_have_text(re.compile(r"^9\d,\d{3}$"))
    expect(time).to_have_text(re.compile(r"^20\d\d-\d\d-\d\d \d\d:00:00$"))
    expect(market_cap).to_have_text(re.compile(r"^1,[89]\d\d,\d{3},\d{3},\d{3}$"))
    expect(volume).to_have_text(re.compile(r"^2\d,\d{3},\d{3},\d{3}$"))

    whole, of_all = days.evaluate("canvas => canvas.toDataURL()"), summary.inner_text()
    expect(reset).to_be_hidden()
    for undo in (reset.click, lambda: plot.dblclick(position={"x": 5, "y": 5})):
        page.mouse.move(left, y)
        page.mouse.down()
        page.mouse.move(middle + 4, y, steps=4)
        page.mouse.up()
        expect(reset).to_be_visible()
        assert days.evaluate("canvas => canvas.toDataURL()") != whole
        expect(summary).to_have_text(
            re.compile(
                r"^20[-\d]+ \d\d:\d\d to 20[-\d]+ \d\d:\d\d UTC: Low 9\d,\d{3}, high 9\d,\d{3}, "
                r"first to last price in the chart [▲▼] [+-]\d"
            )
        )
        assert summary.inner_text().partition("Low")[2] != of_all.partition("Low")[2]
        undo()
        expect(reset).to_be_hidden()
        expect(summary).to_have_text(of_all)
        page.wait_for_function("whole => document.querySelector('#drawings canvas').toDataURL() === whole", arg=whole)


def test_gaps_of_a_chart_are_shaded(page: Page, now: datetime) -> None:
    page.goto(f"{COINS}bitcoin/change/")
    expect(page.locator("#drawings canvas")).to_have_count(3)

    # The shares of pixels with a colour, from top to bottom, at places of the chart's width. One may have a grid line.
    script = """plot => {
        const { offsetLeft, offsetTop, clientWidth, clientHeight } = plot;
        const context = plot.parentElement.querySelector("canvas").getContext("2d");
        const { data } = context.getImageData(offsetLeft, offsetTop, clientWidth, clientHeight);
        const rows = [...Array(clientHeight).keys()];
        const isDrawn = (row, place) => data[4 * (row * clientWidth + Math.round(clientWidth * place)) + 3] > 0;
        return [0.32, 0.1, 0.11].map(place => rows.filter(row => isDrawn(row, place)).length / clientHeight);
    }"""
    in_gap, *elsewhere = page.locator("#drawings .u-over").first.evaluate(script)

    assert in_gap > 0.95
    assert min(elsewhere) < 0.5


def test_a_coin_is_reviewed(page: Page, now: datetime) -> None:
    page.goto(f"{COINS}dust/change/")
    page.get_by_label("Note").fill("Not traded anywhere.")
    page.get_by_label("Hidden").check()
    page.get_by_role("button", name="Save the review").click()

    expect(page.get_by_text("Reviewed by admin, just now.")).to_be_visible()
    page.get_by_role("link", name="Coins", exact=True).click()
    expect(row(page, "Bitcoin")).to_be_visible()
    expect(row(page, "Dust")).to_have_count(0)
    page.get_by_role("link", name="with a note (1)").click()
    expect(coins(page)).to_have_text(["Dust DST hidden"])


def test_a_run_is_started_from_the_page_and_watched_until_it_is_complete(
    page: Page, start_node: StartNode, settings: Any
) -> None:
    settings.ADMIN_PICTURES = False
    make_schedule("The whole market", arguments={}, crontab="0 0 1 1 *")
    node = start_node()
    page.goto("/admin/crawls/crawlschedule/")

    row(page, "The whole market").get_by_role("button", name="Run now").click()
    page.locator(".messagelist .success").get_by_role("link").click()
    page.evaluate("window.isTheSamePage = true")

    expect(page.locator(".verdict-line")).to_have_text("complete", timeout=PATIENCE * SECONDS)
    assert page.evaluate("window.isTheSamePage")
    expect(page.get_by_role("region", name="Log")).to_contain_text("Crawling markets from")
    expect(page.locator(".run-beside tr", has_text="Seen")).to_contain_text("600")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert CrawlRun.objects.get().node == node.name

    page.get_by_role("row", name=re.compile("^New")).get_by_role("link").click()
    expect(page.locator(".paginator")).to_contain_text("600 coins")
