"""The admin of schedules and nodes through Django's test client: the form, what is shown, the verbs, and who may."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import F, JSONField, Value
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from tests.support.admin import hostile, page_of, text_of
from tests.support.factories import HOUR, NOON, make_run_of, make_schedule
from webapp.coins import clock
from webapp.crawls.admin.schedule_form import ScheduleForm
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

SCHEDULES = reverse("admin:crawls_crawlschedule_changelist")
ADD = reverse("admin:crawls_crawlschedule_add")
NODES = reverse("admin:crawls_node_changelist")


def run_page(schedule: CrawlSchedule) -> str:
    return reverse("admin:crawls_crawlschedule_run", args=[schedule.pk])


def filled_in(**values: Any) -> dict[str, Any]:
    """The form as a browser sends it."""
    texts = {"name": "Hourly", "spider": "markets", "arguments": "pages=1", "crontab": "0 * * * *", "time_zone": "UTC"}
    return {**texts, "enabled": "on", "_save": "Save"} | values


def staff(client: Client, *permissions: str) -> Client:
    """A client of somebody in the admin who has these permissions, and no other."""
    user = User.objects.create_user("maria", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that slots go by stands at noon, a Thursday's."""
    monkeypatch.setattr(clock, "database_clock", lambda: NOON)


@pytest.fixture
def beating(db: None) -> None:
    Node.objects.heartbeat("berlin-1", capacity=4)


# The form ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("spider", "lines", "stored"),
    [
        pytest.param("markets", "", {}, id="none"),
        pytest.param(
            "markets",
            "pages=2\r\norder=market_cap_desc",
            {"order": "market_cap_desc", "pages": 2},
            id="as values",
        ),
        pytest.param("markets", "\n  pages = 2  \n\n", {"pages": 2}, id="with blanks"),
        pytest.param("markets", "ids=b, a,b", {"ids": ["a", "b"]}, id="a list"),
        pytest.param("mirror", "only=changed", {"only": "changed"}, id="without the address that MIRROR_URL has"),
        pytest.param(
            "mirror",
            "url=https://coins.example/api/coins/",
            {"url": "https://coins.example/api/coins/"},
            id="with an address",
        ),
    ],
)
def test_arguments_are_written_a_line_each_and_stored_as_values(
    admin_client: Client, spider: str, lines: str, stored: dict
) -> None:
    response = admin_client.post(ADD, filled_in(spider=spider, arguments=lines))

    assert response.status_code == 302
    schedule = CrawlSchedule.objects.get()
    assert (schedule.spider, schedule.arguments) == (spider, stored)


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        pytest.param({"crontab": "61 * * * *"}, "crontab", "'61 * * * *' is no crontab", id="crontab"),
        pytest.param({"crontab": "every day"}, "crontab", "A crontab has five fields", id="words for a crontab"),
        pytest.param({"time_zone": "Mars/Base"}, "time_zone", "'Mars/Base' is no time zone", id="time zone"),
        pytest.param({"spider": "tarantula"}, "spider", "There is no spider 'tarantula' in the catalog.", id="spider"),
        pytest.param({"arguments": "only=changed"}, "arguments", "markets has no argument 'only'.", id="argument"),
        pytest.param({"arguments": "pages=0"}, "arguments", "pages is a whole number from 1", id="value"),
        pytest.param({"arguments": "ids=a\npages=1"}, "arguments", "ids and pages cannot be given", id="both"),
        pytest.param({"arguments": "pages"}, "arguments", "The line 'pages' is no name=value.", id="no value"),
        pytest.param({"arguments": "=1"}, "arguments", "The line '=1' is no name=value.", id="no name"),
        pytest.param({"arguments": "pages=1\npages=2"}, "arguments", "pages is given twice.", id="twice"),
        pytest.param({"arguments": "category=a\0b"}, "arguments", "category is one of", id="NUL"),
        pytest.param({"name": ""}, "name", "This field is required.", id="no name at all"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_with_a_sentence(
    admin_client: Client, changed: dict, field: str, sentence: str
) -> None:
    response = admin_client.post(ADD, filled_in(**changed))

    assert response.status_code == 200
    form = response.context["adminform"].form
    assert list(form.errors) == [field]
    assert len(form.errors[field]) == 1
    assert sentence in form.errors[field][0]
    assert not CrawlSchedule.objects.exists()


def test_a_mirror_without_an_address_is_refused(admin_client: Client, settings: Any) -> None:
    settings.MIRROR_URL = ""

    response = admin_client.post(ADD, filled_in(spider="mirror", arguments=""))

    sentence = "mirror needs -a url=..., or MIRROR_URL in the environment."
    assert response.context["adminform"].form.errors == {"arguments": [sentence]}
    assert not CrawlSchedule.objects.exists()


def test_a_wrong_line_is_not_made_worse_by_the_arguments_of_before(admin_client: Client) -> None:
    schedule = make_schedule()

    response = admin_client.post(page_of(schedule), filled_in(spider="mirror", arguments="changed"))

    assert response.context["adminform"].form.errors == {"arguments": ["The line 'changed' is no name=value."]}


def test_the_form_lists_each_spiders_arguments_and_suggests_time_zones(admin_client: Client) -> None:
    shown = text_of(admin_client, ADD)
    page = admin_client.get(ADD).content.decode()

    for name, entry in SPIDERS.items():
        assert f"{name}: {entry.summary}" in shown
        for argument in entry.arguments:
            assert f"{argument}= {entry.arguments[argument].allowed}" in shown
    assert "may be left out where MIRROR_URL is set" in shown
    assert "not together with pages, category, per_page, order" in shown
    assert '<option value="Europe/Berlin">' in page


def test_a_form_saved_as_it_was_changes_nothing(admin_client: Client) -> None:
    schedule = make_schedule(arguments={"ids": ["a", "b"]}, time_zone="Europe/Berlin")
    before = CrawlSchedule.objects.values().get()
    lines = admin_client.get(page_of(schedule)).context["adminform"].form["arguments"].value()

    admin_client.post(page_of(schedule), filled_in(arguments=lines, time_zone="Europe/Berlin"))

    assert lines == "ids=a,b"
    assert CrawlSchedule.objects.values().get() == before


def test_an_edit_leaves_alone_what_the_beat_has_written_meanwhile(rf: Any) -> None:
    make_schedule(next_run_at=NOON)
    opened = CrawlSchedule.objects.get()
    CrawlSchedule.objects.update(next_run_at=NOON + HOUR)
    form = ScheduleForm(filled_in(name="Every hour"), instance=opened)
    assert form.is_valid()

    admin.site.get_model_admin(CrawlSchedule).save_model(rf.post("/"), form.instance, form, change=True)

    schedule = CrawlSchedule.objects.get()
    assert (schedule.name, schedule.next_run_at) == ("Every hour", NOON + HOUR)


@pytest.mark.parametrize("was_enabled", [True, False])
def test_a_schedule_switched_in_the_form_forgets_its_slot(admin_client: Client, was_enabled: bool) -> None:
    schedule = make_schedule(enabled=was_enabled, next_run_at=NOON)

    admin_client.post(page_of(schedule), filled_in(enabled="" if was_enabled else "on"))

    schedule.refresh_from_db()
    assert (schedule.enabled, schedule.next_run_at) == (not was_enabled, None)


# What is shown -----------------------------------------------------------------------------------
def test_a_schedule_is_listed_in_words(admin_client: Client, noon: None) -> None:
    arguments = {"order": "market_cap_desc", "pages": 1}
    make_schedule("Biggest", arguments=arguments, crontab="30 7 * * *", time_zone="Asia/Kolkata")

    shown = text_of(admin_client, SCHEDULES)

    runs = "markets: order market_cap_desc; pages 1"
    assert f"Biggest {runs} 30 7 * * * Asia/Kolkata 2026-02-06 02:00:00 - - 30 30 Run now" in shown


@pytest.mark.usefixtures("noon", "beating")
@pytest.mark.parametrize(
    ("values", "busy", "text"),
    [
        pytest.param({}, False, "UTC 2026-02-05 13:00:00 -", id="new: computed"),
        pytest.param({"next_run_at": NOON + HOUR}, False, "UTC 2026-02-05 13:00:00 -", id="to come"),
        pytest.param(
            {"next_run_at": NOON - HOUR}, True, "waits for its spider since 2026-02-05 12:00:00", id="spider busy"
        ),
        pytest.param({"next_run_at": NOON}, False, "waits for a scrapyd since 2026-02-05 12:00:00", id="spider free"),
        pytest.param(
            {"next_run_at": NOON, "crontab": "30 * * * *"}, True, "UTC 2026-02-05 12:30:00 -", id="edited since"
        ),
        pytest.param({"next_run_at": NOON, "enabled": False}, False, "UTC - -", id="disabled"),
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


def test_the_page_tells_slots_in_both_clocks_and_what_became_of_the_last_runs(admin_client: Client, noon: None) -> None:
    schedule = make_schedule("Night & day", crontab="30 7 * * *", time_zone="Asia/Kolkata")
    make_run_of(schedule, verdict=Verdict.PARTIAL, reason="page <7> failed", finished_at=NOON + timedelta(seconds=75))

    shown = text_of(admin_client, page_of(schedule))
    page = admin_client.get(page_of(schedule)).content.decode()

    assert "UTC Asia/Kolkata Fri 2026-02-06 02:00:00 Fri 2026-02-06 07:30:00 Sat 2026-02-07 02:00:00" in shown
    assert shown.count(" 07:30:00 ") == 5
    assert "partial 2026-02-05 12:00:00 2026-02-05 12:00:00 0:01:15 page <7> failed" in shown
    (link,) = re.findall(r'<a href="([^"]*)">All its runs</a>', page)
    assert "1 crawl run" in text_of(admin_client, unescape(link))


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
    assert "Sound markets: pages 1" in listed


@pytest.mark.parametrize("values", BROKEN.values(), ids=list(BROKEN))
def test_a_schedule_that_cannot_run_is_mended_in_the_form(admin_client: Client, values: dict) -> None:
    broken = make_schedule(**values)

    admin_client.post(page_of(broken), filled_in())

    broken.refresh_from_db()
    assert broken.fault() == ""


@pytest.mark.parametrize("arguments", [["pages", 1], "pages", {"pages": 0}, {"ids": [None]}])
def test_arguments_that_cannot_be_are_shown_as_they_are_and_refused(admin_client: Client, arguments: Any) -> None:
    broken = make_schedule(arguments=arguments)
    shown = admin_client.get(page_of(broken)).context["adminform"].form["arguments"].value()

    response = admin_client.post(page_of(broken), filled_in(arguments=shown))

    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == ["arguments"]


def test_the_form_of_a_new_schedule_is_empty(admin_client: Client) -> None:
    form = admin_client.get(ADD).context["adminform"].form

    texts = {name: form[name].value() or "" for name in form.fields}
    assert texts == {"name": "", "spider": "", "arguments": "", "crontab": "", "time_zone": "UTC", "enabled": True}


def test_an_unknown_spider_is_shown_as_it_is_and_not_as_another(admin_client: Client) -> None:
    schedule = make_schedule(spider="tarantula")

    page = admin_client.get(page_of(schedule)).content.decode()

    assert '<option value="tarantula" selected>' in page


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


def test_the_queries_of_the_list_do_not_grow_with_its_schedules(admin_client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(SCHEDULES)
        return len(captured)

    def add(numbers: range) -> None:
        for number in numbers:
            schedule = make_schedule(f"Number {number}", arguments={"pages": number + 1})
            runs = [make_run_of(schedule, at=NOON + HOUR * hour) for hour in range(3)]
            CrawlSchedule.objects.filter(pk=schedule.pk).update(last_run=runs[-1])

    add(range(1))
    one = queries()
    add(range(1, 20))
    many = queries()

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
        pytest.param({}, None, "720 720", "1 call, a credit each (about; no run has been complete yet", id="typical"),
        pytest.param({}, 3, "2,160 2,160", "3 calls, a credit each (as its last complete run took)", id="measured"),
        pytest.param({"arguments": {}}, None, "55,440 55,440", "77 calls, a credit each", id="the whole market"),
        pytest.param({"spider": "mirror", "arguments": {}}, 19, "13,680 0", "19 calls, no credits", id="no credits"),
        pytest.param({"crontab": "0 0 * * * */30"}, None, "60 60", "1 call, a credit each", id="seconds"),
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

    assert f" {month} Run now" in listed
    assert f"A run: {run}" in shown
    assert f"calls, {'no credits' if month.endswith(' 0') else 'a credit each'} All schedules:" in shown


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
    ("seconds", "silent"), [pytest.param(50, False, id="beats"), pytest.param(70, True, id="has stopped")]
)
def test_it_is_told_where_no_scrapyd_beats(admin_client: Client, seconds: int, silent: bool) -> None:
    schedule = make_schedule()
    Node.objects.heartbeat("berlin-1", capacity=4)
    Node.objects.update(heartbeat_at=F("heartbeat_at") - timedelta(seconds=seconds))

    pages = [text_of(admin_client, address) for address in (SCHEDULES, page_of(schedule))]
    nodes = admin_client.get(NODES).content.decode()

    assert ["No scrapyd is alive: nothing will run" in shown for shown in pages] == [silent, silent]
    assert f'alt="{not silent}"' in nodes


def test_it_is_told_where_there_is_no_scrapyd(admin_client: Client) -> None:
    shown = text_of(admin_client, SCHEDULES)

    assert "No scrapyd is alive: nothing will run" in shown


def test_nobody_changes_a_node(admin_client: Client, beating: None) -> None:
    node = Node.objects.get()

    shown = text_of(admin_client, page_of(node))
    answers = [admin_client.post(address) for address in (page_of(node), reverse("admin:crawls_node_add"))]

    assert "Name: berlin-1" in shown
    assert "Capacity: 4" in shown
    assert [answer.status_code for answer in answers] == [403, 403]


# Run now -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("posted", "back"), [({"in_list": ""}, lambda schedule: SCHEDULES), ({}, page_of)], ids=["list", "page"]
)
def test_run_now_queues_a_run_and_leads_back(
    admin_client: Client, posted: dict, back: Callable[[CrawlSchedule], str]
) -> None:
    schedule = make_schedule()

    response = admin_client.post(run_page(schedule), posted, follow=True)

    run = CrawlRun.objects.get()
    assert (run.verdict, run.schedule, run.slot, run.arguments) == (Verdict.PENDING, schedule, None, {"pages": 1})
    assert response.redirect_chain == [(back(schedule), 302)]
    assert told(response) == [f'Hourly is queued: <a href="{page_of(run)}">job {run.pk}</a>.']
    history = text_of(admin_client, reverse("admin:crawls_crawlschedule_history", args=[schedule.pk]))
    assert f"Run now, as job {run.pk}." in history


@pytest.mark.parametrize(
    ("values", "busy", "reason"),
    [
        pytest.param({}, True, "A run of markets is queued or under way", id="spider busy"),
        pytest.param({"crontab": "61 * * * *"}, False, "It cannot run: ", id="faulty"),
    ],
)
def test_run_now_is_refused_with_a_reason(admin_client: Client, values: dict, busy: bool, reason: str) -> None:
    schedule = make_schedule(**values)
    if busy:
        CrawlRun.objects.create(spider="markets")

    response = admin_client.post(run_page(schedule), follow=True)

    (message,) = response.context["messages"]
    assert (message.level_tag, reason in message.message) == ("error", True)
    assert CrawlRun.objects.count() == busy
    assert not LogEntry.objects.exists()


def test_run_now_takes_a_post_with_a_token_against_forgery() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("admin"))
    schedule = make_schedule()

    answers = [client.get(run_page(schedule)), client.head(run_page(schedule)), client.post(run_page(schedule))]

    assert [answer.status_code for answer in answers] == [405, 405, 403]
    assert not CrawlRun.objects.exists()


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param(["view_crawlschedule", "change_crawlschedule", "stop_crawlrun"], 403, id="without"),
        pytest.param(["run_crawlschedule"], 403, id="of what one may not see"),
        pytest.param(["view_crawlschedule", "run_crawlschedule"], 302, id="with"),
    ],
)
def test_run_now_has_a_permission_of_its_own(client: Client, permissions: list[str], status: int) -> None:
    schedule = make_schedule()
    staff(client, *permissions)

    response = client.post(run_page(schedule))

    assert response.status_code == status
    assert CrawlRun.objects.exists() == (status == 302)
    if "view_crawlschedule" in permissions:
        for address in (SCHEDULES, page_of(schedule)):
            assert (run_page(schedule) in client.get(address).content.decode()) == (status == 302)


# Who may do what else ----------------------------------------------------------------------------
@pytest.mark.parametrize("on", [True, False])
def test_schedules_are_switched_in_bulk_and_forget_their_slots(admin_client: Client, on: bool) -> None:
    others = [make_schedule(f"Number {number}", enabled=not on, next_run_at=NOON) for number in range(2)]
    same = make_schedule("As it was", enabled=on, next_run_at=NOON)
    CrawlSchedule.objects.update(changed_at=NOON)
    keys = [schedule.pk for schedule in (*others, same)]
    action = {"action": "enable" if on else "disable", "_selected_action": keys}

    response = admin_client.post(SCHEDULES, action, follow=True)

    rows = {schedule.name: schedule for schedule in CrawlSchedule.objects.all()}
    assert {row.enabled for row in rows.values()} == {on}
    assert [row.next_run_at for row in rows.values()] == [NOON, None, None]
    assert [row.changed_at > NOON for row in rows.values()] == [False, True, True]
    word = "enabled" if on else "disabled"
    assert told(response) == [f"Now {word}: Number 0, Number 1."]
    assert {entry.object_repr: entry.change_message for entry in LogEntry.objects.all()} == {
        "Number 0": f"{word.capitalize()}.",
        "Number 1": f"{word.capitalize()}.",
    }


def test_a_switch_that_changes_nothing_says_so(admin_client: Client) -> None:
    schedule = make_schedule()

    response = admin_client.post(SCHEDULES, {"action": "enable", "_selected_action": [schedule.pk]}, follow=True)

    assert told(response) == ["All of them were enabled already."]


def test_who_may_only_look_finds_nothing_to_change(client: Client) -> None:
    schedule = make_schedule(arguments={"ids": ["a", "b"]}, next_run_at=NOON)
    before = CrawlSchedule.objects.values().get()
    staff(client, "view_crawlschedule")

    shown, page = text_of(client, page_of(schedule)), client.get(page_of(schedule)).content.decode()
    delete = reverse("admin:crawls_crawlschedule_delete", args=[schedule.pk])
    answers = [client.post(address, filled_in(name="x")) for address in (page_of(schedule), ADD, delete)]
    client.post(SCHEDULES, {"action": "disable", "_selected_action": [schedule.pk]})
    client.post(SCHEDULES, {"action": "delete_selected", "_selected_action": [schedule.pk], "post": "yes"})

    assert "Arguments: ids a, b" in shown
    assert "<textarea" not in page
    assert 'name="_save"' not in page
    assert [answer.status_code for answer in answers] == [403] * 3
    assert CrawlSchedule.objects.values().get() == before


def test_who_may_change_but_not_run_saves(client: Client) -> None:
    schedule = make_schedule()
    staff(client, "change_crawlschedule")

    client.post(page_of(schedule), filled_in(name="Every hour"))

    assert CrawlSchedule.objects.get().name == "Every hour"


@pytest.mark.parametrize("permission", ["view_crawlrun", "run_crawlschedule"])
def test_staff_without_permission_sees_nothing(client: Client, permission: str) -> None:
    staff(client, permission)

    answers = [client.get(address) for address in (SCHEDULES, ADD, page_of(make_schedule()), NODES)]

    assert [answer.status_code for answer in answers] == [403] * 4


def test_a_schedule_is_deleted_and_its_runs_stay(admin_client: Client) -> None:
    schedule = make_schedule()
    run = make_run_of(schedule)
    CrawlSchedule.objects.update(last_run=run)
    delete = reverse("admin:crawls_crawlschedule_delete", args=[schedule.pk])

    asked = text_of(admin_client, delete)
    admin_client.post(delete, {"post": "yes"})

    assert "Are you sure you want to delete the schedule" in asked
    assert not CrawlSchedule.objects.exists()
    run.refresh_from_db()
    assert run.schedule is None


def test_a_name_that_is_taken_is_refused_at_its_field(admin_client: Client) -> None:
    make_schedule("Hourly")
    values = {"name": "Hourly", "spider": "markets", "arguments": "", "crontab": "0 * * * *", "time_zone": "UTC"}

    answer = admin_client.post(reverse("admin:crawls_crawlschedule_add"), values)

    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors == {"name": ["Schedule with this Name already exists."]}


def test_arguments_that_were_written_as_texts_by_hand_are_reckoned_with(admin_client: Client) -> None:
    make_schedule("By hand", arguments={"pages": "2", "per_page": "100"}, crontab="0 0 * * *")

    answer = admin_client.get(reverse("admin:crawls_crawlschedule_changelist"))

    assert answer.status_code == 200
    assert ">60</" in answer.content.decode()
