"""Every page of the admin on a laptop and on a phone, in light and in dark: nothing is cut off, and axe is content."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.support.whole_site import fill_site
from webapp.coins.clock import database_clock

CUT_OFF = Path(__file__).with_name("cut_off.js").read_text()
AXE = Axe().axe_script
OF_COLOURS = ["color-contrast", "link-in-text-block"]
WITH_COLOURS = 1400  # the width at which the colours are checked: they are the same at another
# What the keyboard comes to: a link to the content first, and nothing that does not show that it has the focus.
STOPS = "a[href], button, input:not([type=hidden]), select, textarea, summary"
UNSEEN = """(stops) => [...document.querySelectorAll(stops)].filter((one, place) => {
    one.focus();
    const isSeen = document.activeElement !== one || getComputedStyle(one).outlineWidth === "2px";
    return !isSeen || (place === 0 && !one.matches(".skip-to-content-link"));
}).map((one) => one.outerHTML.slice(0, 200))"""
# Django's scripts write these labels of a box that moves choices to and fro.
OF_DJANGO = ".help-tooltip"


@pytest.fixture
def site(live_server: Any, settings: Any) -> dict[str, str]:
    settings.ADMIN_PICTURES = False
    settings.COINGECKO_MONTHLY_CREDITS = 10_000
    return fill_site(database_clock())


@pytest.mark.parametrize("width", [1400, 390])
def test_every_page_is_whole_and_accessible(page: Page, site: dict[str, str], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})

    found, titles = {}, {}
    for name, address in site.items():
        page.emulate_media(color_scheme="light")
        page.goto(address)
        titles[name] = page.title()
        found[name] = [*page.evaluate(CUT_OFF), *barriers(page)]
        if width != WITH_COLOURS:
            continue
        found[name] += without_keyboard(page)
        page.emulate_media(color_scheme="dark")
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")  # colours change slowly
        found[f"{name}, dark"] = [*barriers(page, runOnly=OF_COLOURS)]

    assert {name: lines for name, lines in found.items() if lines} == {}
    assert [title for title in titles.values() if not re.fullmatch(r".+ \| coincrawl", title)] == []
    assert titles["schedule, deleted"] == "The whole market | Delete | coincrawl"


@pytest.mark.parametrize("name", ["coin with long texts", "rejected record"])
def test_a_long_heading_leaves_room_for_the_buttons_beside_it(page: Page, site: dict[str, str], name: str) -> None:
    page.goto(site[name])
    tools = page.locator(".object-tools").bounding_box()
    heading = page.locator("#content > :is(h1, h2)").last.bounding_box()

    assert tools is not None
    assert heading is not None
    assert heading["x"] + heading["width"] <= tools["x"]


@pytest.mark.parametrize("width", [1400, 390])
def test_pages_without_a_session_are_whole_and_accessible(page: Page, complaints: list[str], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.context.clear_cookies()

    found = {}
    for address in ("/admin/login/", "/nothing/"):
        page.goto(address)
        found[address] = [*page.evaluate(CUT_OFF), *barriers(page)]

    assert {name: lines for name, lines in found.items() if lines} == {}
    assert [words for words in complaints if "404" in words] == complaints
    complaints.clear()


def test_a_page_that_is_not_allowed_or_not_there_leads_back(page: Page, complaints: list[str]) -> None:
    User.objects.update(is_superuser=False)

    for address, heading in (("/admin/coins/fullcoin/", "Not allowed"), ("/nothing/", "Not found")):
        page.goto(address)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert [*page.evaluate(CUT_OFF), *barriers(page)] == []
        page.get_by_role("link", name="To the front page").click()
        expect(page).to_have_url(re.compile("/admin/$"))

    assert len(complaints) == 2  # the browser names both answers
    complaints.clear()


def without_keyboard(page: Page) -> list[str]:
    """What is not as it should be for somebody who uses the keyboard alone."""
    page.keyboard.press("Tab")  # so that the browser shows the focus
    unseen: list[str] = page.evaluate(UNSEEN, STOPS)
    return [f"not seen, or no link to the content: {element}" for element in unseen]


def barriers(page: Page, **rules: Any) -> Iterator[str]:
    """What axe finds, however serious it is."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # With `preload`, axe would add styles to the page, which the Content Security Policy forbids.
    options = {"resultTypes": ["violations"], "preload": False, **rules}
    found = page.evaluate("([context, options]) => axe.run(context, options)", [{"exclude": [[OF_DJANGO]]}, options])
    for violation in found["violations"]:
        for node in violation["nodes"]:
            yield f"{violation['id']} ({violation['impact']}): {node['html'][:200]}"
