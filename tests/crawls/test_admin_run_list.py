"""The list of runs: its filters by time, its chart, how many were complete, and that it never reads all of them."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode

from tests.support.admin import keys_in_list, page_of, text_of
from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_run, make_schedule
from tests.support.plans import is_read_as_a_whole
from webapp.coins.admin.paging import BoundedPaginator
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

RUNS = reverse("admin:crawls_crawlrun_changelist")
WAITS = {"verdict": Verdict.PENDING, "started_at": None}


def bars(client: Client, address: str) -> list[tuple[str, str]]:
    """The address and the words of each run of the chart."""
    page = client.get(address).content.decode()
    return re.findall(r'<a href="([^"]*)" tabindex="-1" aria-label="[^"]*"><title>([^<]*)</title>', page)


def success(client: Client, address: str = RUNS) -> list[str]:
    """The lines of the table with what was complete."""
    page = client.get(address).content.decode()
    table = re.search(r'(?s)aria-label="The last runs">.*?<tbody>(.*?)</tbody>', page)
    assert table is not None
    return [" ".join(re.sub("<[^>]*>", " ", line).split()) for line in table[1].split("</tr>") if line]


# Filters by time ---------------------------------------------------------------------------------
@pytest.mark.every_database
@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"started_at_min": "1h"}, ["waits", "now"], id="last hour"),
        pytest.param({"started_at_min": "today"}, ["waits", "now", "morning"], id="today"),
        pytest.param({"started_at_min": "1d"}, ["waits", "now", "morning", "yesterday"], id="24 hours"),
        pytest.param({"started_at_min": "7d"}, ["waits", "now", "morning", "yesterday"], id="7 days"),
        pytest.param({"started_at_min": "30d"}, ["waits", "now", "morning", "yesterday", "january"], id="30 days"),
        pytest.param({"started_at_min": "2026-02-05"}, ["waits", "now", "morning"], id="from a day"),
        pytest.param(
            {"started_at_max": "2026-02-04"}, ["yesterday", "january", "dropped"], id="to a day, with all of it"
        ),
        pytest.param({"started_at_min": "2026-01-01", "started_at_max": "2026-01-31"}, ["january"], id="a range"),
        pytest.param({"started_at_min": "2026-02-05T12:00:00Z"}, ["waits", "now"], id="from an instant, inclusive"),
        pytest.param(
            {"started_at_max": "2026-02-05T03:00:00+01:00", "started_at_min": "1d"}, ["morning", "yesterday"], id="zone"
        ),
        pytest.param({"started_at_min": " ", "started_at_max": " "}, None, id="an empty form"),
        pytest.param(
            {"started_at_min": "2026-02-06", "started_at_max": "2026-02-01"}, ["waits"], id="an end before all"
        ),
        pytest.param({"started_at_min": "2026-02-06", "started_at_max": "2026-02-05"}, ["waits"], id="the day before"),
    ],
)
def test_runs_are_filtered_by_time(admin_client: Client, query: dict, found: list[str] | None) -> None:
    starts = {"now": NOON, "morning": NOON - 10 * HOUR, "yesterday": NOON - 20 * HOUR, "january": NOON - 20 * DAY}
    for key, at in starts.items():
        make_run(id=key, started_at=at)
    make_run(id="waits", **WAITS)
    make_run(id="dropped", verdict=Verdict.SKIPPED, started_at=None, finished_at=NOON - 40 * DAY)

    keys = keys_in_list(admin_client, f"{RUNS}?{urlencode(query)}")

    assert keys == (["waits", *starts, "dropped"] if found is None else found)


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2026-13-01",
        "2026-02-05T25:00",
        "0001-01-01T00:00:00+05:00",
        "9" * 5000,
        "<script>",
        "1e9",
        "-1d",
        "{0}",
    ],
)
@pytest.mark.parametrize("name", ["started_at_min", "started_at_max"])
def test_a_time_that_is_none_is_shown_as_it_was_typed(admin_client: Client, name: str, value: str) -> None:
    make_run(id="complete")
    make_run(id="failed", verdict="failed")

    response = admin_client.get(RUNS, {name: value, "verdict": "failed"})

    page = response.content.decode()
    assert [run.pk for run in response.context["cl"].result_list] == ["failed"]
    assert f'<input type="text" name="{name}" value="{escape(value)}" aria-invalid="true"' in page
    assert f'aria-describedby="{name}-fault"' in page
    assert f'<p class="fault" id="{name}-fault">This' in page
    assert f"Not filtered by start, {'since' if name.endswith('min') else 'until'}: " in page


def test_only_the_beginning_can_be_a_choice(admin_client: Client) -> None:
    assert "Not filtered by start, until" in text_of(admin_client, f"{RUNS}?started_at_max=7d")


def test_an_end_before_the_beginning_is_marked(admin_client: Client) -> None:
    page = admin_client.get(f"{RUNS}?started_at_min=2026-02-06&started_at_max=2026-02-05").content.decode()

    assert re.findall(r'type="date" name="(\w+)" value="[^"]*" aria-invalid="true"', page) == ["started_at_max"]
    assert '<p class="fault" id="started_at_max-fault">The beginning is after the end.</p>' in page


@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31", "9999-12-30T00:00:00Z"])
def test_the_first_and_the_last_time_are_no_error(admin_client: Client, value: str) -> None:
    answers = [admin_client.get(RUNS, {name: value}) for name in ("started_at_min", "started_at_max")]

    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.every_database
def test_the_form_of_a_range_keeps_the_other_filters(admin_client: Client) -> None:
    query = {"verdict": "failed", "o": "-5", "p": "3", "started_at_min": "2026-02-01T10:00:00Z", "started_at_max": ""}

    page = admin_client.get(RUNS, query, follow=True).content.decode()

    form = re.search(r'(?s)<form method="get" class="range">(.*?)</form>', page)
    assert form is not None
    assert re.findall(r'type="(\w+)" name="(\w+)" value="([^"]*)"', form[1]) == [
        ("hidden", "verdict", "failed"),
        ("hidden", "o", "-5"),
        ("text", "started_at_min", "2026-02-01T10:00:00Z"),
        ("date", "started_at_max", ""),
    ]


@pytest.mark.every_database
def test_a_choice_of_time_is_marked_and_keeps_the_other_filters(admin_client: Client) -> None:
    page = admin_client.get(RUNS, {"verdict": "failed", "started_at_min": "7d"}).content.decode()

    assert re.search(r'<li class="selected">\s*<a href="\?started_at_min=7d&amp;verdict=failed">Last 7 days</a>', page)
    assert '<a href="?verdict=failed">Any time</a>' in page


@pytest.mark.every_database
def test_no_choice_of_time_is_marked_if_it_is_not_all_that_limits(admin_client: Client) -> None:
    page = admin_client.get(RUNS, {"started_at_min": "7d", "started_at_max": "2026-02-05"}).content.decode()

    choices = page.partition("By start")[2].partition("</ul>")[0]
    assert "selected" not in choices


# How many were complete --------------------------------------------------------------------------
@pytest.fixture
def history(noon: None) -> None:
    hourly, daily = make_schedule("Hourly"), make_schedule("Daily & more")
    for hours, verdict in enumerate(["complete", "failed", "complete", "running", "skipped"], start=1):
        make_run(verdict=verdict, started_at=NOON - hours * HOUR, schedule=hourly, spider=f"markets {hours}")
    for days, verdict in {3: "lost", 8: "partial", 20: "interrupted", 31: "failed"}.items():
        make_run(verdict=verdict, started_at=NOON - days * DAY, schedule=daily)
    make_run(**WAITS)


@pytest.mark.usefixtures("history")
def test_the_list_says_how_many_runs_were_complete(admin_client: Client) -> None:
    lines = success(admin_client)

    # In 24 hours, 7 days and 30 days. What has not run or is under way does not count.
    assert lines == [
        "Success 66.6 % 50 % 33.3 %",
        "complete 2 2 2",
        "partial 0 0 1",
        "failed 1 1 1",
        "interrupted 0 0 1",
        "lost 0 1 1",
        "skipped 1 1 1",
    ]


@pytest.mark.usefixtures("history")
def test_success_is_of_the_schedule_and_of_no_verdict_or_time(admin_client: Client) -> None:
    lines = success(admin_client, f"{RUNS}?schedule=Daily+%26+more&verdict=lost&started_at_max=2026-02-01")

    assert lines == [
        "Success - 0 % 0 %",
        "complete 0 0 0",
        "partial 0 0 1",
        "failed 0 0 0",
        "interrupted 0 0 1",
        "lost 0 1 1",
        "skipped 0 0 0",
    ]


@pytest.mark.usefixtures("history")
def test_each_number_leads_to_its_runs(admin_client: Client) -> None:
    page = unescape(admin_client.get(f"{RUNS}?schedule=Hourly").content.decode())

    href = re.search(r'href="(\?[^"]*verdict=failed[^"]*)">1</a>', page)

    assert href is not None
    assert href[1] == "?schedule=Hourly&started_at_min=1d&verdict=failed"
    assert len(keys_in_list(admin_client, RUNS + href[1])) == 1


# The chart ---------------------------------------------------------------------------------------
def test_the_chart_shows_each_run_as_a_link_with_its_numbers(admin_client: Client) -> None:
    old = make_run(finished_at=NOON + 90 * MINUTE, seen=17_190, created=3, rejected=1)
    new = make_run(verdict=Verdict.LOST, started_at=NOON + DAY, heartbeat_at=NOON + DAY + MINUTE)
    make_run(**WAITS)

    found, shown = bars(admin_client, RUNS), text_of(admin_client, RUNS)

    assert re.search(r" 5 Feb (2026 )?12:00 UTC 6 Feb (2026 )?12:00 UTC ", shown)
    assert found == [
        (page_of(old), "complete, 2026-02-05 12:00:00 UTC, 1:30:00: 17,190 seen, 3 new, 1 rejected"),
        (page_of(new), "lost, 2026-02-06 12:00:00 UTC, 0:01:00: 0 seen, 0 new, 0 rejected"),
    ]


def test_a_bar_is_as_high_as_its_value(admin_client: Client) -> None:
    for minutes in (1, 2, 4):
        end = NOON + minutes * HOUR + minutes * MINUTE
        make_run(started_at=NOON + minutes * HOUR, finished_at=end, seen=17_190)

    page = admin_client.get(RUNS).content.decode()

    heights = re.findall(r'<rect class="bar complete" [^>]* height="([\d.]+)">', page)
    assert heights == ["10.5", "21.0", "42.0"]


def test_a_run_that_had_far_more_than_the_others_is_cut_off_and_this_is_said(admin_client: Client) -> None:
    for hours, created in enumerate([20_000, 10, 5, 0]):
        make_run(started_at=NOON + hours * HOUR, created=created, seen=20_000)

    page, shown = admin_client.get(RUNS).content.decode(), text_of(admin_client, RUNS)

    heights = re.findall(r'<rect class="bar new" [^>]* height="([\d.]+)">', page)
    assert heights == ["34.0", "4.0", "34.0", "17.0"]  # the first has a gap below its end, the last has no bar
    assert "New up to 10 1 cut off: 20,000" in shown
    assert shown.count("cut off") == 1


@pytest.mark.parametrize(("most", "is_cut"), [(100, False), (101, True)])
def test_a_bar_is_cut_off_from_ten_times_as_much_as_the_others_have(
    admin_client: Client, most: int, is_cut: bool
) -> None:
    for hours, created in enumerate([most, 10, 9, 8]):
        make_run(started_at=NOON + hours * HOUR, created=created)

    assert ("1 cut off" in text_of(admin_client, RUNS)) == is_cut


def test_what_is_nothing_in_all_runs_takes_no_room_in_the_chart(admin_client: Client) -> None:
    make_run(created=1, seen=1)

    shown = text_of(admin_client, RUNS)

    assert "The last run. Rejected: 0 in all of them. Duration up to 0:00:00 Seen up to 1 New up to 1 " in shown
    assert "Rejected up to" not in shown


@pytest.mark.every_database
def test_the_chart_has_the_last_hundred_runs_of_the_filtered_list(admin_client: Client) -> None:
    runs = [
        CrawlRun(id=f"{number:03}", spider="markets", verdict=Verdict.COMPLETE, started_at=NOON + number * MINUTE)
        for number in range(102)
    ]
    CrawlRun.objects.bulk_create(runs)
    make_run(id="failed", verdict=Verdict.FAILED, started_at=NOON + DAY)

    found = bars(admin_client, f"{RUNS}?verdict=complete&o=4&p=2")

    assert [address for address, _ in found] == [page_of(run) for run in runs[2:]]


def test_without_runs_there_is_no_chart(admin_client: Client) -> None:
    make_run(**WAITS)

    page = admin_client.get(RUNS).content.decode()

    assert "run-chart" not in page


# With a million runs -----------------------------------------------------------------------------
@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of two rows a page counts three at most."""
    monkeypatch.setattr(BoundedPaginator, "LIMIT", 3)
    monkeypatch.setattr(admin.site.get_model_admin(CrawlRun), "list_per_page", 2)


def make_runs(number: int) -> None:
    for place in range(number):
        make_run(id=f"run {place}", started_at=NOON - place * HOUR, seen=place)


@pytest.mark.every_database
@pytest.mark.usefixtures("few")
def test_a_list_counts_so_many_rows_and_says_that_there_are_more(admin_client: Client) -> None:
    make_runs(4)

    shown = text_of(admin_client, RUNS)

    assert "1 2 more than 3 crawl runs; filter by time to see the others" in shown


@pytest.mark.every_database
@pytest.mark.usefixtures("few")
def test_a_list_that_is_counted_to_its_end_says_its_number(admin_client: Client) -> None:
    make_runs(3)

    shown = text_of(admin_client, RUNS)

    assert "1 2 3 crawl runs" in shown


@pytest.mark.usefixtures("few")
def test_behind_the_last_page_the_list_says_how_to_go_on(admin_client: Client) -> None:
    make_runs(5)

    keys, shown = keys_in_list(admin_client, f"{RUNS}?p=99"), text_of(admin_client, f"{RUNS}?p=99")

    assert keys == ["run 2"]
    assert "The list ends here. Filter by time to see the other crawl runs." in shown


@pytest.mark.every_database
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("number", "is_sorted"), [pytest.param(3, True, id="few"), pytest.param(4, False, id="many")])
def test_only_a_list_of_few_is_sorted_by_other_columns(admin_client: Client, number: int, is_sorted: bool) -> None:
    make_runs(number)
    by_seen = f"{RUNS}?o=-4"

    keys, shown = keys_in_list(admin_client, by_seen), text_of(admin_client, by_seen)

    assert keys == (["run 2", "run 1"] if is_sorted else ["run 0", "run 1"])
    assert ("More than 3 crawl runs are only sorted by time." in shown) == (not is_sorted)


QUERIES = [
    "",
    "?p=2",
    "?verdict=complete",
    "?spider=markets",
    "?schedule=Hourly",
    "?schedule=(none)",
    "?started_at_min=7d",
    "?started_at_max=2026-02-04",
    "?spider=markets&verdict=failed&started_at_min=2026-01-01",
]


def statements(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured if query["sql"].startswith("SELECT")]


@pytest.mark.every_database
@pytest.mark.parametrize("query", QUERIES)
def test_the_number_of_queries_does_not_grow_with_the_runs(admin_client: Client, query: str) -> None:
    schedule = make_schedule()
    address = RUNS + query.replace("?p=2", "")
    for spider in ("markets", "mirror"):
        make_run(schedule=schedule, started_at=NOON - DAY, spider=spider)
        make_run(verdict=Verdict.FAILED, started_at=NOON - DAY, spider=spider)
    one = len(statements(admin_client, address))
    make_runs(20)

    assert len(statements(admin_client, address)) == one


@pytest.mark.every_database
def test_no_rows_are_read_if_the_count_is_zero(admin_client: Client) -> None:
    make_run()

    asked = statements(admin_client, f"{RUNS}?verdict=lost")

    assert not [sql for sql in asked if "log_file" in sql]


@pytest.mark.usefixtures("few", "noon")
@pytest.mark.parametrize("query", QUERIES)
def test_each_list_is_read_from_an_index(admin_client: Client, query: str) -> None:
    schedule = make_schedule()
    for place in range(5):
        make_run(started_at=NOON - place * DAY, schedule=schedule if place % 2 else None)
        make_run(started_at=NOON - place * DAY, verdict=Verdict.FAILED, schedule=schedule if place % 2 else None)
    of_runs = [sql for sql in statements(admin_client, RUNS + query) if 'FROM "crawls_crawlrun"' in sql]

    assert len(of_runs) == 4  # the count, the page, the success and the chart
    assert of_runs[0].endswith("ORDER BY 1 DESC LIMIT 4) subquery")
    for sql in of_runs:
        assert not is_read_as_a_whole(sql, "crawls_crawlrun"), sql


@pytest.mark.every_database
def test_a_list_has_no_counts_beside_its_filters(admin_client: Client) -> None:
    make_run()

    page: Any = admin_client.get(f"{RUNS}?_facets=True")

    assert "Show counts" not in page.content.decode()
    assert not page.context["cl"].add_facets


@pytest.mark.every_database
def test_the_order_says_nothing_of_jobs_that_were_dropped(admin_client: Client) -> None:
    make_run(id="dropped", verdict=Verdict.SKIPPED, started_at=None, finished_at=NOON - DAY)
    make_run(id="newer", started_at=NOON)
    make_run(id="waits", **WAITS)
    make_run(id="older", started_at=NOON - timedelta(days=2))

    assert keys_in_list(admin_client, RUNS) == ["waits", "newer", "dropped", "older"]
