"""What people do with schedules in the admin: run them now, enable and delete them, and who may."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from tests.support.admin import page_of, text_of
from tests.support.factories import NOON, SECOND, make_run, make_run_of, make_schedule
from tests.support.schedule_pages import ADD, NODES, SCHEDULES, filled_in, run_page, staff, told
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


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


@pytest.mark.parametrize(("seconds", "is_lost"), [(170, False), (181, True)])
def test_run_now_marks_a_run_lost_that_shows_no_sign_of_life(admin_client: Client, seconds: int, is_lost: bool) -> None:
    schedule = make_schedule()
    silent = make_run(verdict=Verdict.RUNNING, heartbeat_at=Now() - seconds * SECOND)

    response = admin_client.post(run_page(schedule), follow=True)

    (message,) = told(response)
    silent.refresh_from_db()
    assert silent.verdict == (Verdict.LOST if is_lost else Verdict.RUNNING)
    lost = f'<a href="{page_of(silent)}">A run</a> had no heartbeat any more, and is marked as lost.'
    assert (lost in message) == ("Hourly is queued" in message) == is_lost


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
