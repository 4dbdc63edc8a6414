"""What the admin shows of schedules: their slots, runs and costs."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, JSONField, Value
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from tests.support.admin import hostile, page_of, queries_of, text_of
from tests.support.factories import HOUR, NOON, make_run_of, make_schedule
from tests.support.schedule_pages import ADD, NODES, SCHEDULES, filled_in
from webapp.crawls.costs import Bill
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db


# What is shown -----------------------------------------------------------------------------------
def test_a_schedule_is_listed_in_words(admin_client: Client, noon: None) -> None:
    arguments = {"order": "market_cap_desc", "pages": 1}
    make_schedule("Biggest", arguments=arguments, crontab="30 7 * * *", time_zone="Asia/Kolkata")

    shown = text_of(admin_client, SCHEDULES)

    runs = "markets: order market_cap_desc; pages 1"
    assert f"Biggest 2026-02-06 02:00:00 Run now - - {runs} 30 7 * * * Asia/Kolkata 30 30" in shown


@pytest.mark.usefixtures("noon", "alive_node")
@pytest.mark.parametrize(
    ("values", "busy", "text"),
    [
        pytest.param({}, False, "Hourly 2026-02-05 13:00:00 Run now", id="new: computed"),
        pytest.param({"next_run_at": NOON + HOUR}, False, "Hourly 2026-02-05 13:00:00 Run now", id="to come"),
        pytest.param(
            {"next_run_at": NOON - HOUR},
            True,
            "due since 2026-02-05 11:00:00 UTC waits for its spider",
            id="spider busy",
        ),
        pytest.param({"next_run_at": NOON}, False, "Hourly now waits for a scrapyd", id="spider free"),
        pytest.param(
            {"next_run_at": NOON, "crontab": "30 * * * *"},
            True,
            "Hourly 2026-02-05 12:30:00 Run now",
            id="edited since",
        ),
        pytest.param({"next_run_at": NOON, "enabled": False}, False, "Hourly disabled Run now", id="disabled"),
        pytest.param(
            {"next_run_at": NOON, "not_before": NOON + HOUR},
            False,
            "has failed, and is run again at 2026-02-05 13:00:00: 2026-02-05 12:00:00",
            id="run again",
        ),
    ],
)
def test_the_next_run_is_told(admin_client: Client, values: dict, busy: bool, text: str) -> None:
    make_schedule(**values)
    if busy:
        CrawlRun.objects.create(spider="markets", verdict=Verdict.RUNNING, started_at=NOON, heartbeat_at=NOON)

    shown = text_of(admin_client, SCHEDULES)

    assert text in shown


def test_the_last_run_and_the_last_20_are_marks_with_words_and_links(admin_client: Client) -> None:
    schedule = make_schedule()
    verdicts = [Verdict.FAILED, *[Verdict.COMPLETE] * 18, Verdict.PARTIAL, Verdict.RUNNING]
    runs = [
        make_run_of(schedule, verdict=verdict, at=NOON + HOUR * number, pk=f"job-{number}")
        for number, verdict in enumerate(verdicts)
    ]
    make_run_of(make_schedule("Another"), at=NOON + HOUR * 100)
    CrawlSchedule.objects.filter(pk=schedule.pk).update(last_run=runs[-1])

    page = admin_client.get(SCHEDULES).content.decode()

    marks = re.findall(r'<a class="verdict (\w+)" href="([^"]*)" title="([^"]*)" aria-label="([^"]*)"></a>', page)[1:]
    assert [mark[:2] for mark in marks] == [(run.verdict, page_of(run)) for run in runs[1:]]
    assert [mark[2] == mark[3] for mark in marks] == [True] * 20
    assert marks[0][2] == "complete, 2026-02-05 13:00:00 UTC"
    assert f'<a href="{page_of(runs[-1])}"><span class="verdict running">running</span></a>' in page


@pytest.mark.every_database
def test_of_runs_that_were_recorded_at_once_the_last_slots_are_shown(admin_client: Client) -> None:
    schedule = make_schedule()
    for number in reversed(range(25)):
        make_run_of(schedule, at=NOON + HOUR * number, queued_at=NOON + HOUR * 50)

    page = admin_client.get(SCHEDULES).content.decode()

    hours = re.findall(r'title="complete, 2026-02-0(\d) (\d\d):', page)
    assert len(hours) == 20
    assert (hours[0], hours[-1]) == (("5", "17"), ("6", "12"))


def test_a_run_that_has_not_begun_is_marked_with_its_slot(admin_client: Client) -> None:
    make_run_of(make_schedule(), verdict=Verdict.PENDING, started_at=None)

    page = admin_client.get(SCHEDULES).content.decode()

    assert 'title="pending, 2026-02-05 12:00:00 UTC"' in page


@pytest.mark.every_database
def test_the_page_tells_slots_in_both_clocks_and_what_became_of_the_last_runs(admin_client: Client, noon: None) -> None:
    schedule = make_schedule("Night & day", crontab="30 7 * * *", time_zone="Asia/Kolkata")
    make_run_of(schedule, verdict=Verdict.PARTIAL, reason="page <7> failed", finished_at=NOON + timedelta(seconds=75))

    shown = text_of(admin_client, page_of(schedule))
    page = admin_client.get(page_of(schedule)).content.decode()

    assert "UTC Asia/Kolkata Fri 2026-02-06 02:00:00 Fri 2026-02-06 07:30:00 Sat 2026-02-07 02:00:00" in shown
    assert shown.count(" 07:30:00 ") == 5
    assert "partial 2026-02-05 12:00:00 0:01:15 2026-02-05 12:00:00 page <7> failed" in shown
    (link,) = re.findall(r'<a href="([^"]*)">All its runs</a>', page)
    assert "1 crawl run" in text_of(admin_client, unescape(link))


@pytest.mark.every_database
def test_a_slot_that_waits_is_the_first_of_the_next(admin_client: Client, noon: None) -> None:
    schedule = make_schedule(next_run_at=NOON)

    shown = text_of(admin_client, page_of(schedule))

    assert "UTC Thu 2026-02-05 12:00:00 Thu 2026-02-05 13:00:00" in shown
    assert "Thu 2026-02-05 17:00:00" not in shown


BROKEN: dict[str, dict[str, Any]] = {
    "crontab": {"crontab": "61 * * * *"},
    "time zone": {"time_zone": "Mars/Base"},
    "spider": {"spider": "tarantula"},
    "argument": {"arguments": {"pages": 0}},
    "a list for arguments": {"arguments": ["pages", 1]},
    "null in arguments": {"arguments": {"ids": [None]}},
    "a text for arguments": {"arguments": "pages"},
    "null for arguments": {"arguments": Value(None, JSONField())},
}


@pytest.mark.parametrize("values", BROKEN.values(), ids=list(BROKEN))
def test_a_schedule_that_cannot_run_says_so_and_breaks_nothing(admin_client: Client, values: dict) -> None:
    broken = make_schedule("Broken", next_run_at=NOON, **values)
    make_schedule("Sound")

    listed, shown = text_of(admin_client, SCHEDULES), text_of(admin_client, page_of(broken))

    fault = broken.fault()
    assert fault
    assert f"It cannot run: {fault}" in listed
    assert f"It cannot run: {fault}" in shown
    assert "- - markets: pages 1 0 * * * * UTC 720 720" in listed


@pytest.mark.parametrize("values", BROKEN.values(), ids=list(BROKEN))
def test_a_schedule_that_cannot_run_is_mended_in_the_form(admin_client: Client, values: dict) -> None:
    broken = make_schedule(**values)

    admin_client.post(page_of(broken), filled_in())

    broken.refresh_from_db()
    assert broken.fault() == ""


@hostile
def test_hostile_text_is_text_everywhere(admin_client: Client, text: str) -> None:
    schedule = make_schedule(text, spider=text, arguments={text: [text]}, crontab=text, time_zone=text)
    run = make_run_of(schedule, verdict=Verdict.FAILED, reason=text, pk=text or "empty")
    CrawlSchedule.objects.update(last_run=run)
    Node.objects.heartbeat(text or "empty")

    pages = [admin_client.get(address) for address in (SCHEDULES, page_of(schedule), NODES)]

    assert [page.status_code for page in pages] == [200] * 3
    for page in pages:
        assert escape(text) in page.content.decode()
        assert text == escape(text) or text not in page.content.decode()


@pytest.mark.every_database
def test_the_queries_of_the_list_do_not_grow_with_its_schedules(admin_client: Client) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            schedule = make_schedule(f"Number {number}", arguments={"pages": number + 1})
            runs = [make_run_of(schedule, at=NOON + HOUR * hour) for hour in range(3)]
            CrawlSchedule.objects.filter(pk=schedule.pk).update(last_run=runs[-1])

    add(range(1))
    one = queries_of(admin_client, SCHEDULES)
    add(range(1, 20))
    many = queries_of(admin_client, SCHEDULES)

    assert one == many


def test_the_list_leaves_the_logs_in_the_database(admin_client: Client) -> None:
    schedule = make_schedule()
    CrawlSchedule.objects.update(last_run=make_run_of(schedule))

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(SCHEDULES)

    assert not any('"log_tail"' in query["sql"] for query in captured)


@pytest.mark.parametrize("query", ["name__regex=(((", "spider=markets", "last_run__spider=markets", "%00=1", "__=1"])
def test_lookups_are_refused(admin_client: Client, query: str) -> None:
    response = admin_client.get(f"{SCHEDULES}?{query}")

    assert response.status_code in {302, 400}


@pytest.mark.parametrize("key", ["0", "nonsense", "9" * 30, "9" * 5000])
def test_a_schedule_that_does_not_exist_leads_home(admin_client: Client, key: str) -> None:
    page = admin_client.get(f"{SCHEDULES}{key}/change/")
    pressed = admin_client.post(f"{SCHEDULES}{key}/run/")

    assert (page.status_code, pressed.status_code) == (302, 302)
    assert not CrawlRun.objects.exists()


@pytest.mark.usefixtures("noon")
# What it costs -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "credits_had", "month", "run"),
    [
        pytest.param(
            {}, None, "720 720", "1 request, a credit each (estimated: no run has been complete yet", id="typical"
        ),
        pytest.param({}, 3, "2,160 2,160", "3 requests, a credit each (like its last complete run)", id="measured"),
        pytest.param({"arguments": {}}, None, "55,440 55,440", "77 requests, a credit each", id="the whole market"),
        pytest.param({"spider": "mirror", "arguments": {}}, 19, "13,680 0", "19 requests, no credits", id="no credits"),
        pytest.param(
            {"spider": "history", "arguments": {"top": 20}, "crontab": "@monthly"},
            None,
            "20 20",
            "20 requests, a credit each",
            id="past prices",
        ),
        pytest.param({"crontab": "@monthly"}, None, "1 1", "1 request, a credit each", id="once"),
        pytest.param({"crontab": "0 0 * * * */30"}, None, "60 60", "1 request, a credit each", id="seconds"),
    ],
)
def test_a_schedule_says_what_it_costs(
    admin_client: Client, values: dict, credits_had: int | None, month: str, run: str
) -> None:
    schedule = make_schedule(**values)
    if credits_had is not None:
        make_run_of(schedule, credits=credits_had)
        make_run_of(schedule, credits=1000, arguments={"pages": 1000}, at=NOON + HOUR)  # before it was edited
        make_run_of(schedule, credits=1000, verdict=Verdict.PARTIAL, at=NOON + HOUR * 2)

    listed, shown = text_of(admin_client, SCHEDULES), text_of(admin_client, page_of(schedule))

    assert f"UTC {month} " in listed
    assert f"A run: {run}" in shown
    assert "1 runs" not in shown
    assert " 1 requests" not in shown
    requests = "1 request" if month.startswith("1 ") else "requests"
    assert f"{requests}, {'no credits' if month.endswith(' 0') else 'a credit each'} All schedules:" in shown


def test_the_list_says_what_all_schedules_cost(admin_client: Client) -> None:
    make_schedule()

    assert Bill.of_all().sentence in text_of(admin_client, SCHEDULES)


@pytest.mark.parametrize(
    ("limit", "schedules", "warned"),
    [
        pytest.param(719, [{}], "take about 720 credits a month, and the plan demo has 719", id="beyond"),
        pytest.param(720, [{}], "", id="just enough"),
        pytest.param(0, [{}], "", id="no limit"),
        pytest.param(1000, [{}, {}], "take about 1,440 credits a month", id="together"),
        pytest.param(1000, [{}, {"enabled": False}], "", id="one disabled"),
        pytest.param(1000, [{}, {"spider": "mirror", "arguments": {}}], "", id="one that costs none"),
        pytest.param(1000, [{}, {"crontab": "61 * * * *"}], "", id="one that cannot run"),
    ],
)
def test_schedules_that_exceed_the_plan_are_warned_of(
    admin_client: Client, settings: Any, limit: int, schedules: list[dict], warned: str
) -> None:
    settings.COINGECKO_PLAN, settings.COINGECKO_MONTHLY_CREDITS = "demo", limit
    made = [make_schedule(f"Number {number}", **values) for number, values in enumerate(schedules)]

    pages = [text_of(admin_client, address) for address in (SCHEDULES, ADD, page_of(made[0]))]
    saved = admin_client.post(page_of(made[0]), filled_in(), follow=True).content.decode()

    for shown in (*pages, saved):
        assert warned in shown
        assert ("runs are skipped until the next month" in shown) == bool(warned)
    assert f"the plan demo has {f'{limit:,} credits a month' if limit else 'no limit on them'}" in pages[2]


# Whether anything will run -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "silent"), [pytest.param(50, False, id="ticks"), pytest.param(70, True, id="has stopped")]
)
def test_it_is_told_where_no_scrapyd_is_alive(admin_client: Client, seconds: int, silent: bool) -> None:
    schedule = make_schedule()
    Node.objects.heartbeat("berlin-1", capacity=4)
    Node.objects.update(heartbeat_at=F("heartbeat_at") - timedelta(seconds=seconds))

    pages = [text_of(admin_client, address) for address in (SCHEDULES, page_of(schedule))]
    nodes = admin_client.get(NODES).content.decode()

    assert ["No scrapyd is alive: nothing will run" in shown for shown in pages] == [silent, silent]
    assert f'alt="{not silent}"' in nodes
    assert ("1\xa0minute ago" if silent else "just now") in nodes
    assert "no heartbeat for a week is removed" in nodes


def test_it_is_told_where_there_is_no_scrapyd(admin_client: Client) -> None:
    shown = text_of(admin_client, SCHEDULES)

    assert "No scrapyd is alive: nothing will run" in shown


def test_nobody_changes_a_node(admin_client: Client, alive_node: None) -> None:
    node = Node.objects.get()

    shown = text_of(admin_client, page_of(node))
    answers = [admin_client.post(address) for address in (page_of(node), reverse("admin:crawls_node_add"))]

    assert "Name: berlin-1" in shown
    assert "Capacity: 4" in shown
    assert [answer.status_code for answer in answers] == [403, 403]
