"""The admin in a browser: its lists, and whether what is on a page can be seen."""

import re

from playwright.sync_api import Locator, Page, expect


def open_list(page: Page, name: str) -> None:
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name=name, exact=True).click()
    expect(page.locator("#result_list")).to_be_visible()
    page.wait_for_load_state("load")  # with its scripts


def row(page: Page, text: str) -> Locator:
    return page.locator("#result_list tbody tr", has_text=text)


def fits(page: Page, selector: str) -> bool:
    """Whether all of each element can be seen without scrolling sideways."""
    script = "elements => elements.every(element => element.scrollWidth <= element.clientWidth)"
    return bool(page.locator(selector).evaluate_all(script))


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours written as rgb(r, g, b): 1 for equal ones, 21 for black and white."""
    lightness = []
    for colour in (one, other):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        lightness.append(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    return max(lightness) / min(lightness)
