"""Runs as a person sees them in the admin: how they went, what one is at, and its log."""

import re
from datetime import timedelta
from typing import Literal

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from tests.support.admin import page_of
from tests.support.browser import contrast, fits, open_list
from tests.support.factories import HOUR, MINUTE, NOON, make_run
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
OVER = [*set(Verdict) - {Verdict.PENDING, Verdict.RUNNING}]
LOG = """\
2026-02-05 12:00:00 [scrapy.core.engine] INFO: Spider opened
2026-02-05 12:00:01 [coincrawl] WARNING: page 7 was throttled
2026-02-05 12:00:02 [scrapy.core.scraper] ERROR: Spider error
  | Traceback (most recent call last):
2026-02-05 12:00:03 [scrapy.core.engine] INFO: Spider closed"""


@pytest.fixture
def runs(live_server: object) -> list[CrawlRun]:
    """Twelve, of each verdict that a run may end with."""
    facts = {
        "seen": 250,
        "created": 3,
        "rejected": 1,
        "log_tail": LOG,
        "reason": "page 7 was not answered: " + "x" * 200,
    }
    return [
        make_run(verdict=verdict, started_at=NOON + hours * HOUR, finished_at=NOON + hours * HOUR + MINUTE, **facts)
        for hours, verdict in enumerate(OVER * 2)
    ]


@pytest.fixture
def fast(page: Page) -> None:
    """Seconds take hundredths."""
    page.add_init_script("const wait = setTimeout; window.setTimeout = (call, ms) => wait(call, ms / 100);")


@pytest.fixture
def running(live_server: object) -> CrawlRun:
    return make_run(verdict=Verdict.RUNNING, heartbeat_at=Now(), pages=7, seen=1_750, log_tail=LOG)


@pytest.mark.usefixtures("fast")
def test_the_page_of_a_run_refreshes_itself_until_the_run_is_over(page: Page, running: CrawlRun) -> None:
    page.goto(page_of(running))
    expect(page.get_by_text("7 pages answered, 1,750 records seen.")).to_be_visible()
    page.get_by_label("warnings and errors").check()

    CrawlRun.objects.update(pages=8, seen=2_000, log_tail=LOG.replace("page 7", "page 8"))
    expect(page.get_by_text("8 pages answered, 2,000 records seen.")).to_be_visible()
    expect(page.get_by_role("region", name="Log")).to_contain_text("page 8 was throttled")
    expect(page.get_by_label("warnings and errors")).to_be_checked()

    page.evaluate("window.isTheSamePage = true")
    CrawlRun.objects.update(verdict=Verdict.FAILED, reason="page 9 was not answered", finished_at=NOON + MINUTE)
    expect(page.locator(".verdict-line")).to_have_text("failed")
    expect(page.get_by_text("page 9 was not answered")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert page.evaluate("window.isTheSamePage")

    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate("() => new Promise((done) => setTimeout(done, 30_000))")
    assert requests == []


@pytest.mark.usefixtures("fast")
def test_a_page_is_left_alone_where_somebody_works_in_it(page: Page, running: CrawlRun) -> None:
    page.goto(page_of(running))
    page.get_by_role("button", name="Stop").focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.log'))")

    CrawlRun.objects.update(verdict=Verdict.LOST, log_tail="another", finished_at=NOON + MINUTE)
    expect(page.locator(".verdict-line")).to_have_text("lost")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    expect(page.get_by_role("region", name="Log")).to_contain_text("Spider opened")

    page.evaluate("getSelection().removeAllRanges(); document.activeElement.blur()")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_role("region", name="Log")).to_have_text("another")


@pytest.mark.usefixtures("fast")
def test_a_page_whose_session_is_over_leads_to_the_login(page: Page, running: CrawlRun) -> None:
    page.goto(page_of(running))

    page.context.clear_cookies()

    expect(page.get_by_label("Username")).to_be_visible()


def test_a_log_is_narrowed_to_a_level(page: Page, runs: list[CrawlRun]) -> None:
    page.goto(page_of(runs[0]))
    block = page.get_by_role("region", name="Log")

    page.get_by_label("warnings and errors (2)").check()
    expect(block.get_by_text("Spider opened")).to_be_hidden()
    expect(block.get_by_text("page 7 was throttled")).to_be_visible()

    page.get_by_label(re.compile(r"^\s*errors")).check()
    expect(block.get_by_text("page 7 was throttled")).to_be_hidden()
    expect(block.get_by_text("Traceback")).to_be_visible()

    page.get_by_label("all (4)").check()
    expect(block.get_by_text("Spider closed")).to_be_visible()


def test_a_bar_leads_to_its_run(page: Page, runs: list[CrawlRun]) -> None:
    open_list(page, "Crawl runs")
    expect(page.locator(".run-chart a")).to_have_count(12)

    page.locator(".run-chart a").last.click()

    expect(page).to_have_url(re.compile(page_of(runs[-1])))


def test_a_range_of_dates_is_chosen(page: Page, runs: list[CrawlRun]) -> None:
    make_run(started_at=NOON - timedelta(days=9))
    page.goto("/admin/crawls/crawlrun/?verdict=complete")
    expect(page.locator("#result_list tbody tr")).to_have_count(3)

    page.get_by_label("To", exact=True).fill("2026-02-01")
    page.get_by_role("button", name="Filter").click()

    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?verdict=complete&started_at_max=2026-02-01$"))


def test_bars_stand_out_on_light_and_on_dark(page: Page, runs: list[CrawlRun]) -> None:
    open_list(page, "Crawl runs")

    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        colours = page.locator(".bar").evaluate_all("bars => bars.map(bar => getComputedStyle(bar).fill)")
        ground = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        assert len(set(colours)) >= 5
        assert min(contrast(colour, ground) for colour in colours) > 3  # what WCAG asks of a picture


def test_levels_of_a_log_can_be_read_on_light_and_on_dark(page: Page, runs: list[CrawlRun]) -> None:
    page.goto(page_of(runs[0]))

    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        # Mixed colours are written as color(srgb r g b), from 0 to 1.
        mixed = page.locator(".level").evaluate_all("lines => lines.map(line => getComputedStyle(line).color)")
        colours = [rgb(colour) for colour in mixed]
        ground = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        assert min(contrast(colour, ground) for colour in colours) > 4.5  # what WCAG asks of a text


def rgb(colour: str) -> str:
    if not colour.startswith("color("):
        return colour
    parts = [round(255 * float(part)) for part in re.findall(r"[\d.]+", colour)[:3]]
    return f"rgb({', '.join(map(str, parts))})"


@pytest.mark.parametrize("width", [1280, 390])
def test_runs_fit_the_screen(page: Page, runs: list[CrawlRun], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})

    open_list(page, "Crawl runs")
    assert fits(page, "html, .run-chart, #changelist-filter, .overview .table")
    # What matters most is seen without scrolling sideways, and no box of the page scrolls up and down.
    rejected = page.locator("thead .column-number_rejected").bounding_box()
    assert rejected is not None
    assert rejected["x"] + rejected["width"] <= width
    assert page.locator(".results").evaluate("box => box.scrollHeight === box.clientHeight")

    page.goto(page_of(runs[0]))
    assert fits(page, "html, .run-summary, .run-beside, .form-row, .levels")
