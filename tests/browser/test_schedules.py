"""Schedules and jobs as a person sees them in the admin."""

from datetime import timedelta
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.support.admin import page_of
from tests.support.browser import contrast, fits, open_list, row
from tests.support.factories import NOON
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node
from webapp.crawls.verdict import Verdict

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def schedules(live_server: Any) -> CrawlSchedule:
    """One with twenty runs, which it is, one that waits for its spider, and one that cannot run."""
    times = {"next_run_at": NOON, "time_zone": "America/Argentina/ComodRivadavia"}
    CrawlSchedule.objects.create(name="Layer 1 in the morning", spider="mirror", crontab="30 7 * * mon-fri", **times)
    CrawlSchedule.objects.create(name="x" * 100, spider="markets", arguments={"order": "sideways"}, crontab="x" * 100)
    arguments = {"order": "market_cap_desc", "pages": 1}
    schedule = CrawlSchedule.objects.create(
        name="Biggest", spider="markets", arguments=arguments, crontab="*/10 * * * *"
    )
    verdicts = [*set(Verdict) - {Verdict.PENDING, Verdict.RUNNING}] * 3 + [Verdict.COMPLETE] * 2
    for number, verdict in enumerate(verdicts):
        at = NOON + timedelta(minutes=10 * number)
        times = dict.fromkeys(("slot", "queued_at", "started_at"), at)
        facts = {"reason": "page 7 was not answered: 502 Bad Gateway", "finished_at": at + timedelta(seconds=9)}
        run = CrawlRun.objects.create(spider="markets", schedule=schedule, verdict=verdict, **times, **facts)
    CrawlSchedule.objects.filter(pk=schedule.pk).update(last_run=run)
    return schedule


def test_a_schedule_is_made_run_and_its_job_cancelled(page: Page) -> None:
    Node.objects.heartbeat("berlin-1", capacity=4)
    page.goto("/admin/")
    page.locator("#content-main").get_by_role("link", name="Schedules", exact=True).click()
    page.get_by_role("link", name="Add schedule").click()
    page.get_by_label("Name").fill("Biggest")
    page.get_by_label("Spider").select_option("markets")
    page.get_by_label("Arguments").fill("pages=0")
    page.get_by_label("Crontab").fill("*/10 * * * *")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".field-arguments .errorlist")).to_have_text(
        "pages=0 is not valid: pages is a whole number from 1 to 1000."
    )
    expect(page.locator(".errorlist")).to_have_count(1)
    expect(page.get_by_label("Name")).to_have_value("Biggest")

    page.get_by_label("Arguments").fill("pages=1")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(row(page, "Biggest")).to_contain_text("markets: pages 1")

    row(page, "Biggest").get_by_role("button", name="Run now").click()
    expect(page.locator(".messagelist .success")).to_contain_text("Biggest is queued")

    row(page, "Biggest").get_by_role("button", name="Run now").click()
    expect(page.locator(".messagelist .error")).to_contain_text("A run of markets is queued or under way")

    row(page, "Biggest").locator(".marks a").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".messagelist .success")).to_contain_text("The job was removed from the queue")
    expect(page.locator(".verdict-line")).to_have_text("skipped")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)

    page.get_by_role("link", name="History").click()
    expect(page.locator("#change-history")).to_contain_text("Cancelled, before it had begun.")


def test_schedules_are_disabled_in_bulk(page: Page, schedules: CrawlSchedule) -> None:
    open_list(page, "Schedules")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("Disable selected schedules")
    page.get_by_role("button", name="Go").click()

    expect(page.locator(".messagelist .success, .messagelist .info")).to_contain_text("Now disabled: Biggest, Layer 1")
    expect(page.locator("#result_list .field-enabled img[alt=False]")).to_have_count(3)


def test_the_marks_of_runs_stand_out_and_have_words(page: Page, schedules: CrawlSchedule) -> None:
    open_list(page, "Schedules")
    marks = row(page, "Biggest").locator(".marks").get_by_role("link")

    expect(marks).to_have_count(20)
    expect(marks.last).to_have_accessible_name("complete, 2026-02-05 15:10:00 UTC")

    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        colours = marks.evaluate_all("marks => marks.map(mark => getComputedStyle(mark, '::before').color)")
        ground = row(page, "Biggest").evaluate("row => getComputedStyle(row).backgroundColor")
        assert min(contrast(colour, ground) for colour in colours) > 3  # what WCAG asks of a sign


def test_schedules_fit_a_laptop_and_a_telephone(page: Page, schedules: CrawlSchedule) -> None:
    open_list(page, "Schedules")
    expect(page.get_by_text("No scrapyd is alive")).to_be_visible()

    assert fits(page, "html, .results")

    page.set_viewport_size({"width": 1400, "height": 900})
    marks = row(page, "Biggest").locator(".marks").get_by_role("link")
    tops = marks.evaluate_all("marks => marks.map(mark => mark.getBoundingClientRect().top)")
    assert len({*tops}) == 1
    assert fits(page, "html, .results")

    page.goto(page_of(schedules))
    assert fits(page, "html, .form-row, .table")

    page.set_viewport_size({"width": 375, "height": 700})
    open_list(page, "Schedules")
    button = row(page, "Layer 1 in the morning").get_by_role("button", name="Run now").bounding_box()
    assert button is not None
    assert button["x"] + button["width"] <= 375

    page.goto(page_of(schedules))
    assert fits(page, "html, .form-row")  # the table of runs scrolls in itself


def test_a_log_is_seen_from_its_end_and_stays_in_its_block(page: Page) -> None:
    log = "\n".join([f"line {number}" for number in range(199)] + ["x" * 1000])
    run = CrawlRun.objects.create(spider="markets", verdict=Verdict.RUNNING, heartbeat_at=NOON, log_tail=log)
    page.goto(page_of(run))

    block = page.get_by_role("region", name="Log")

    box, text = block.bounding_box(), block.locator("pre").bounding_box()
    assert box is not None
    assert text is not None
    assert text["height"] > box["height"]
    assert text["y"] + text["height"] == pytest.approx(box["y"] + box["height"], abs=1)
    assert fits(page, "html, .log")
