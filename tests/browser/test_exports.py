"""Exports as a person makes them."""

import json

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.browser import fits, open_list, row
from tests.support.factories import make_coin, make_run

PHONE = ViewportSize(width=390, height=844)


@pytest.fixture
def market(live_server: object) -> None:
    for name in ("Bitcoin", "Ethereum", "Tether"):
        make_coin(name.lower(), name=name)


def test_selected_coins_are_exported_with_the_lists_columns(page: Page, market: None) -> None:
    open_list(page, "Coins")
    for name in ("Bitcoin", "Tether"):
        row(page, name).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option("Export selected coins")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("2 coins, those that you have selected.")).to_be_visible()
    page.get_by_label("last_updated").uncheck()
    page.get_by_label("JSON").check()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    rows = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename.endswith(".json")
    assert [entry["name"] for entry in rows] == ["Bitcoin", "Tether"]
    assert "last_updated" not in rows[0]
    assert "ath" not in rows[0]


def test_a_filtered_list_is_exported_and_left_as_it_was(page: Page, market: None) -> None:
    page.goto("/admin/coins/fullcoin/?q=ether&rank=unranked")
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_text("2 coins, on all pages of the list.")).to_be_visible()

    page.get_by_role("link", name="Back").click()

    expect(page.locator("#result_list .field-coin")).to_have_count(2)


@pytest.mark.parametrize(
    "address",
    ["coins/fullcoin/export/", "crawls/crawlrun/export/", "coins/fullcoin/bitcoin/prices/export/"],
    ids=["coins", "runs", "prices"],
)
def test_the_page_fits_a_phone(page: Page, market: None, address: str) -> None:
    make_run()
    page.set_viewport_size(PHONE)

    page.goto(f"/admin/{address}")

    assert fits(page, "html, .form-row")
