"""Rejected records as a person works with them."""

from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.support.admin import page_of
from tests.support.browser import contrast, fits, open_list, row
from tests.support.factories import make_coin, make_rejected, make_run
from webapp.coins.models import FullCoin
from webapp.coins.texts import whole_json
from webapp.crawls.models import RejectedRecord

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LONG = "x" * 5_000


@pytest.fixture
def records(live_server: Any) -> RejectedRecord:
    """One that is valid by now, which it is, and four that are not."""
    run = make_run()
    for number in range(3):
        sent = {"coin_id": f"long-{number}", "name": LONG, "roi_times": "<script>alert(1)</script>", "ath": 10**60}
        raw = whole_json({"id": f"long-{number}", "name": LONG, "roi": {"times": sent["roi_times"]}, "ath": 10**60})
        reasons = "name: longer than 255 characters\nroi_times: a text, not a number\nath: too long"
        make_rejected(f"long-{number}", run=run, values=whole_json(sent), raw=raw, reasons=reasons)
    make_rejected("", run=run, reasons="coin_id: missing (in the record named الذهب)")
    values = {"coin_id": "bitcoin", "name": "Bitcoin", "ath": 7}
    return make_rejected("bitcoin", run=run, values=whole_json(values), raw='{"id": "bitcoin"}', reasons="ath: wrong")


def test_a_record_is_tried_again_and_its_coin_is_stored(page: Page, records: RejectedRecord) -> None:
    make_coin(name="Old")
    open_list(page, "Rejected records")
    row(page, "bitcoin").get_by_role("link", name="bitcoin").click()
    compared = page.locator(".comparison tr", has_text="name")
    expect(compared.first).to_contain_text("“Old”")

    page.get_by_role("button", name="Try again").click()

    expect(page.locator(".messagelist .success")).to_have_text("bitcoin: Stored. This is the next open record.")
    expect(page.locator(".field-coin_id")).to_contain_text("(no id)")
    page.locator(".messagelist").get_by_role("link", name="bitcoin").click()
    expect(page.locator(".field-status .readonly")).to_have_text("Resolved")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    assert FullCoin.objects.get().name == "Bitcoin"

    page.get_by_role("link", name="History").click()
    expect(page.locator("#change-history")).to_contain_text("Tried again: Stored.")


def test_two_are_ignored_and_one_of_them_is_opened_again(page: Page, records: RejectedRecord) -> None:
    open_list(page, "Rejected records")
    for name in ("long-0", "long-1"):
        row(page, name).locator("input.action-select").check()
    page.locator("select[name=action]").select_option("Ignore selected records")
    page.get_by_role("button", name="Go").click()

    expect(page.locator(".messagelist .success")).to_contain_text("2 records are now ignored.")
    expect(page.locator("#result_list tbody tr")).to_have_count(3)

    page.get_by_role("link", name="Undo").click()
    expect(page.get_by_role("button", name="Open 2 records again")).to_be_visible()
    page.get_by_role("link", name="List them").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    row(page, "long-0").get_by_role("link", name="long-0").click()
    page.get_by_role("button", name="Open again").click()
    expect(page.locator(".field-status .readonly")).to_have_text("Open")


def test_all_records_of_a_reason_are_ignored(page: Page, records: RejectedRecord) -> None:
    open_list(page, "Rejected records")
    page.get_by_role("link", name="By reason").click()
    reason = page.locator(".reasons tr", has_text="name: longer than 255 characters")
    expect(reason.locator(".records")).to_have_text("3")

    reason.get_by_role("link", name="Ignore all").click()
    assert RejectedRecord.objects.ignored().count() == 0
    page.get_by_role("button", name="Ignore 3 records").click()

    expect(page.locator(".messagelist .success")).to_contain_text("3 records are now ignored.")
    assert RejectedRecord.objects.ignored().count() == 3


def test_invalid_values_stand_out_in_any_theme(page: Page, records: RejectedRecord) -> None:
    page.goto(page_of(RejectedRecord.objects.get(coin_id="long-0")))
    marked = page.locator(".field-raw mark", has_text="times")
    expect(marked).to_have_text('"times": "<script>alert(1)</script>"')

    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        text, ground = marked.evaluate("mark => [getComputedStyle(mark).color, getComputedStyle(mark).backgroundColor]")
        page_ground = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        assert contrast(text, ground) > 4.5  # what WCAG asks of a text
        assert ground not in (page_ground, "rgba(0, 0, 0, 0)")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_fit_a_laptop_and_a_telephone(page: Page, records: RejectedRecord, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.goto(page_of(RejectedRecord.objects.get(coin_id="long-0")))
    page.locator("summary").first.click()
    page.wait_for_function("document.querySelector('details').open")

    assert fits(page, "html, .form-row")

    page.goto("/admin/crawls/rejectedrecord/reasons/")
    assert fits(page, "html, #content-main")

    page.goto("/admin/crawls/rejectedrecord/")
    assert fits(page, "html, #changelist-form .results")
    if width == 390:  # nothing scrolls but the page, and what matters is in sight
        results = page.locator("#changelist-form .results")
        assert results.evaluate("box => getComputedStyle(box).overflowY") == "visible"
        for cell in ("field-status", "field-first_reasons", "field-number_count"):
            box = row(page, "long-0").locator(f".{cell}").bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
