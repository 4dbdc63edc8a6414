"""The admin of crawl runs as jobs, through Django's test client: what it shows of one, and how it is stopped."""

import re
from datetime import timedelta
from typing import Any, cast

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.http import urlencode

from tests.support.admin import keys_in_list, page_of, queries_of, text_of
from tests.support.factories import HOUR, MINUTE, NOON, SECOND, make_run, make_schedule
from webapp.crawls.admin.runs import CrawlRunAdmin
from webapp.crawls.models import CrawlRun, Node
from webapp.crawls.queue import STOPPED_BEFORE, JobError
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

RUNS = reverse("admin:crawls_crawlrun_changelist")
WAITS = {"verdict": Verdict.PENDING, "started_at": None}
CLAIMED = WAITS | {"claim": "berlin's", "claimed_at": NOON, "node": "berlin-1"}
RUNNING = {"verdict": Verdict.RUNNING, "heartbeat_at": Now()}
SILENT = {"verdict": Verdict.RUNNING, "heartbeat_at": Now() - 181 * SECOND}
NOON_IN_WORDS = "2026-02-05 12:00:00 UTC"


def stop_page(run: CrawlRun) -> str:
    return reverse("admin:crawls_crawlrun_stop", args=[run.pk])


def buttons(client: Client, run: CrawlRun) -> list[str]:
    """What the buttons on the run's page say."""
    page = client.get(page_of(run)).content.decode()
    return re.findall(rf'action="{stop_page(run)}">.*?<button type="submit">([^<]*)</button>', page)


# What it shows -----------------------------------------------------------------------------------
def test_a_run_shows_its_job_its_schedule_and_its_log(admin_client: Client) -> None:
    schedule = make_schedule()
    times = {"slot": NOON, "queued_at": NOON + timedelta(seconds=1)}
    log = "first line\n<b>the last</b> {0} %s"
    run = make_run(id="job-1", node="berlin-1", schedule=schedule, log_tail=log, log_file="/var/log/job-1.log", **times)

    page = admin_client.get(page_of(run)).content.decode()
    shown = text_of(admin_client, page_of(run))

    assert "<pre>first line\n&lt;b&gt;the last&lt;/b&gt; {0} %s</pre>" in page
    assert f'<a href="{page_of(schedule)}">Hourly</a>' in page
    for line in (
        "Key: job-1",
        "Node: berlin-1",
        f"Slot: {NOON_IN_WORDS}",
        "Queued at: 2026-02-05 12:00:01 UTC",
        "The end of its log first line",
        "The whole log is in /var/log/job-1.log on berlin-1 .",
    ):
        assert line in shown


def test_a_page_leaves_out_what_a_run_does_not_have(admin_client: Client) -> None:
    run = make_run()

    shown = text_of(admin_client, page_of(run))

    for line in ("Arguments: everything", "Went back: 0", "Key:"):
        assert line in shown
    for label in ("The end of its log", "Schedule:", "Slot", "Settings:", "Finished at:", "Rejected records:"):
        assert label not in shown


def test_what_few_people_look_for_is_folded(admin_client: Client) -> None:
    page = admin_client.get(page_of(make_run())).content.decode()

    assert [line.strip() for line in re.findall(r"(?s)<summary>.*?<h2[^>]*>(.*?)</h2>", page)] == [
        "Records",
        "Requests",
        "Time",
        "Job",
        "Further fields",
    ]


def test_a_slot_that_is_due_again_says_so_in_words(admin_client: Client) -> None:
    run = make_run(verdict=Verdict.LOST, slot=NOON, due_again=True)

    assert "Slot due again: yes" in text_of(admin_client, page_of(run))


@pytest.mark.parametrize("verdict", [Verdict.COMPLETE, Verdict.FAILED])
def test_what_went_wrong_comes_first(admin_client: Client, verdict: str) -> None:
    facts = {"reason": "page 7 was not answered", "messages": "Rounded.", "log_tail": "2026-02-05 the log"}
    run = make_run(verdict=verdict, **facts)

    page = admin_client.get(page_of(run)).content.decode()

    parts = ["the log", "This run"] if verdict == Verdict.FAILED else ["This run", "the log"]
    places = [page.index(part) for part in ("page 7 was not answered", "Rounded.", *parts, "Records</h2>")]
    assert places == sorted(places)


def test_the_list_leaves_the_logs_in_the_database(admin_client: Client) -> None:
    make_run(log_tail="a log", schedule=make_schedule())

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(RUNS)

    assert not any('"log_tail"' in query["sql"] for query in captured)


@pytest.mark.every_database
def test_the_queries_of_the_list_do_not_grow_with_its_schedules(admin_client: Client) -> None:
    make_run(schedule=make_schedule())
    one = queries_of(admin_client, RUNS)
    for number in range(10):
        make_run(schedule=make_schedule(f"Number {number}"))
    many = queries_of(admin_client, RUNS)

    assert one == many


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("Night & day", ["nightly"], id="by name"),
        pytest.param("(none)", ["by hand"], id="of none"),
    ],
)
def test_runs_are_filtered_by_schedule(admin_client: Client, name: str, found: list[str]) -> None:
    for key, schedule in {"nightly": "Night & day", "hourly": "Hourly"}.items():
        make_run(id=key, schedule=make_schedule(schedule))
    make_run(id="by hand")
    address = f"{RUNS}?{urlencode({'schedule': name})}"

    assert keys_in_list(admin_client, address) == found


# Stopping ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "label"),
    [
        pytest.param(WAITS, ["Cancel"], id="waiting"),
        pytest.param(CLAIMED, ["Cancel"], id="claimed"),
        pytest.param(RUNNING, ["Stop"], id="running"),
        pytest.param({"verdict": Verdict.LOST}, [], id="over"),
        pytest.param(RUNNING | {"stop_requested_at": NOON}, [], id="asked to stop"),
        pytest.param(SILENT, ["Mark as lost"], id="silent"),
        pytest.param(SILENT | {"stop_requested_at": NOON}, ["Mark as lost"], id="silent, asked to stop"),
    ],
)
def test_the_button_says_what_it_would_do(admin_client: Client, values: dict, label: list[str]) -> None:
    run = make_run(**values)

    assert buttons(admin_client, run) == label


@pytest.mark.parametrize(
    ("values", "verdict", "level", "words"),
    [
        pytest.param(WAITS, Verdict.SKIPPED, "success", "was removed from the queue", id="waiting"),
        pytest.param(CLAIMED, Verdict.PENDING, "success", "is just beginning", id="claimed"),
        pytest.param(RUNNING, Verdict.RUNNING, "success", "at its next heartbeat, within 15 s", id="running"),
        pytest.param(
            {"verdict": Verdict.FAILED, "finished_at": NOON},
            Verdict.FAILED,
            "error",
            f"The run is over: failed, since {NOON_IN_WORDS}.",
            id="over",
        ),
        pytest.param(
            RUNNING | {"stop_requested_at": NOON},
            Verdict.RUNNING,
            "error",
            f"A stop was requested already, at {NOON_IN_WORDS}.",
            id="asked to stop",
        ),
        pytest.param(
            SILENT, Verdict.LOST, "success", "The run is marked as lost: its last heartbeat was at", id="silent"
        ),
    ],
)
def test_a_run_is_stopped_and_it_is_said_what_will_happen(
    admin_client: Client, values: dict, verdict: str, level: str, words: str
) -> None:
    run = make_run(**values)

    response = admin_client.post(stop_page(run), follow=True)

    run.refresh_from_db()
    (message,) = response.context["messages"]
    assert response.redirect_chain == [(page_of(run), 302)]
    assert (message.level_tag, words in message.message) == (level, True), message.message
    assert run.verdict == verdict
    assert "Its slot" not in message.message
    assert bool(run.stop_requested_at) == (verdict not in (Verdict.FAILED, Verdict.LOST))
    if verdict != Verdict.LOST:
        assert run.reason == (STOPPED_BEFORE if verdict == Verdict.SKIPPED else "")
    history = text_of(admin_client, reverse("admin:crawls_crawlrun_history", args=[run.pk]))
    assert ("admin" in history.partition("Action")[2]) == (level == "success")


@pytest.mark.every_database
def test_of_a_run_that_is_marked_lost_it_is_told_that_its_slot_is_due_once_more(admin_client: Client) -> None:
    schedule = make_schedule(next_run_at=Now() + HOUR)
    run = make_run(schedule=schedule, slot=NOON, stop_requested_at=None, **SILENT)

    response: Any = admin_client.post(stop_page(run), follow=True)

    (message,) = response.context["messages"]
    assert message.message.endswith("UTC. Its slot is due once more.")
    schedule.refresh_from_db()
    assert schedule.next_run_at == NOON


@pytest.mark.every_database
def test_of_a_run_that_has_ended_meanwhile_its_end_is_told() -> None:
    run = make_run(**RUNNING)
    CrawlRun.objects.update(verdict=Verdict.FAILED, finished_at=NOON)

    with pytest.raises(JobError, match=f"^The run is over: failed, since {NOON_IN_WORDS}"):
        cast(CrawlRunAdmin, admin.site.get_model_admin(CrawlRun)).press("stop", run)


@pytest.mark.every_database
def test_of_a_run_that_was_deleted_meanwhile_this_is_told() -> None:
    run = make_run(**RUNNING)
    CrawlRun.objects.all().delete()

    with pytest.raises(JobError, match=r"^The run has been deleted"):
        cast(CrawlRunAdmin, admin.site.get_model_admin(CrawlRun)).press("stop", run)


def test_a_stop_that_was_asked_for_is_shown_with_its_time(admin_client: Client) -> None:
    run = make_run(stop_requested_at=NOON, **RUNNING)

    shown = text_of(admin_client, page_of(run))

    assert f"A stop was requested at {NOON_IN_WORDS}: the run ends at its next heartbeat" in shown


@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(
    ("seconds", "duration", "words"),
    [
        pytest.param(45, "0:10:00", "running", id="alive"),
        pytest.param(50, "0:09:10", "running No heartbeat for 50 seconds", id="quiet"),
        pytest.param(181, "0:06:59", "running No heartbeat for 3 minutes", id="silent"),
    ],
)
def test_a_run_without_heartbeats_is_told_in_the_list_and_claims_no_more_time(
    admin_client: Client, seconds: int, duration: str, words: str
) -> None:
    heartbeat = NOON - seconds * SECOND
    run = make_run(
        verdict=Verdict.RUNNING, started_at=NOON - 10 * MINUTE, heartbeat_at=heartbeat, stop_requested_at=NOON
    )

    page = admin_client.get(RUNS).content.decode().partition("<tbody>")[2].partition('id="result_list"')[2]
    shown, opened = " ".join(re.sub("<[^>]*>", " ", page).split()), text_of(admin_client, page_of(run))

    assert re.search(rf"{words} 5 Feb (2026 )?11:50 {duration} ", shown.replace("\xa0", " "))
    assert ("the run has had no heartbeat since." in opened) == (seconds > 45)


@pytest.mark.parametrize(
    ("values", "ticks", "told"),
    [
        pytest.param(WAITS, False, True, id="waits for nobody"),
        pytest.param(WAITS, True, False, id="waits"),
        pytest.param(RUNNING, False, False, id="runs already"),
    ],
)
def test_a_job_that_nobody_will_take_says_so(admin_client: Client, values: dict, ticks: bool, told: bool) -> None:
    run = make_run(**values)
    if ticks:
        Node.objects.heartbeat("berlin-1")

    shown = text_of(admin_client, page_of(run))

    assert ("No scrapyd is alive" in shown) == told


def test_a_stop_takes_a_post_with_a_token_against_forgery() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("admin"))
    run = make_run(**RUNNING)

    answers = [client.get(stop_page(run)), client.post(stop_page(run))]

    assert [answer.status_code for answer in answers] == [405, 403]
    assert CrawlRun.objects.get().stop_requested_at is None


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param(["view_crawlrun", "change_crawlrun", "run_crawlschedule"], 403, id="without"),
        pytest.param(["stop_crawlrun"], 403, id="of what one may not see"),
        pytest.param(["view_crawlrun", "stop_crawlrun"], 302, id="with"),
    ],
)
def test_stopping_has_a_permission_of_its_own(client: Client, permissions: list[str], status: int) -> None:
    run = make_run(**RUNNING)
    user = User.objects.create_user("maria", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)

    shown = buttons(client, run)
    response = client.post(stop_page(run))

    assert response.status_code == status
    assert shown == (["Stop"] if status == 302 else [])
    assert bool(CrawlRun.objects.get().stop_requested_at) == (status == 302)


MAY_RUN = ["view_crawlrun", "view_crawlschedule", "run_crawlschedule"]


@pytest.mark.parametrize(
    ("verdict", "permissions", "shown"),
    [
        pytest.param(Verdict.FAILED, MAY_RUN, ["Run its schedule now"], id="failed"),
        pytest.param(Verdict.COMPLETE, MAY_RUN, [], id="complete"),
        pytest.param(Verdict.FAILED, MAY_RUN[:2], [], id="without the permission to run"),
        pytest.param(Verdict.FAILED, [*MAY_RUN[:1], *MAY_RUN[2:]], [], id="of a schedule that one may not see"),
    ],
)
def test_a_run_that_went_wrong_has_the_button_of_its_schedule(
    client: Client, verdict: Verdict, permissions: list[str], shown: list[str]
) -> None:
    schedule = make_schedule()
    run = make_run(schedule=schedule, verdict=verdict)
    user = User.objects.create_user("maria", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)

    page = client.get(page_of(run))

    assert [button.label for button in page.context["buttons"]] == shown
    address = reverse("admin:crawls_crawlschedule_run", args=[schedule.pk])
    assert (f'<form method="post" action="{address}">' in page.content.decode()) == bool(shown)


@pytest.mark.parametrize("key", ["nonsense", "a_00b", "9" * 5000])
def test_a_run_that_does_not_exist_cannot_be_stopped(admin_client: Client, key: str) -> None:
    response: Any = admin_client.post(f"{RUNS}{key}/stop/")

    assert response.status_code == 302
