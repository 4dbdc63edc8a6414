"""The form of a schedule: what it takes, what it rejects, and what it leaves alone."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.support.admin import page_of, text_of
from tests.support.factories import HOUR, NOON, make_schedule
from tests.support.schedule_pages import ADD, filled_in, told
from webapp.crawls.admin.schedule_form import ScheduleForm
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlSchedule

pytestmark = pytest.mark.django_db


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
        pytest.param({"crontab": "61 * * * *"}, "crontab", "'61 * * * *' is not a crontab", id="crontab"),
        pytest.param({"crontab": "every day"}, "crontab", "A crontab has five fields", id="words for a crontab"),
        pytest.param({"time_zone": "Mars/Base"}, "time_zone", "'Mars/Base' is not a time zone", id="time zone"),
        pytest.param({"spider": "tarantula"}, "spider", "There is no spider 'tarantula'.", id="spider"),
        pytest.param({"arguments": "only=changed"}, "arguments", "markets has no argument 'only'.", id="argument"),
        pytest.param({"arguments": "pages=0"}, "arguments", "pages is a whole number from 1", id="value"),
        pytest.param({"arguments": "ids=a\npages=1"}, "arguments", "ids and pages cannot be given", id="both"),
        pytest.param({"arguments": "pages"}, "arguments", "The line 'pages' must be name=value.", id="no value"),
        pytest.param({"arguments": "=1"}, "arguments", "The line '=1' must be name=value.", id="no name"),
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
    focused = re.findall(r"<(?:input|select|textarea)[^>]* name=\"(\w+)\"[^>]* autofocus", response.content.decode())
    assert focused == [field]
    assert "admin/js/change_form.js" not in response.content.decode()
    assert not CrawlSchedule.objects.exists()


@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(
    ("changed", "is_shown"),
    [
        pytest.param({"name": ""}, True, id="another field is wrong"),
        pytest.param({"name": "", "crontab": "61 * * * *"}, False, id="crontab"),
        pytest.param({"name": "", "time_zone": "Mars/Base"}, False, id="time zone"),
        pytest.param({"name": "", "crontab": ""}, False, id="none"),
    ],
)
def test_a_schedule_that_is_not_valid_yet_shows_what_its_crontab_means(
    admin_client: Client, changed: dict, is_shown: bool
) -> None:
    values = filled_in(crontab="30 7 * * *", time_zone="Asia/Kolkata") | changed

    shown = " ".join(re.sub("<[^>]*>", " ", admin_client.post(ADD, values).content.decode()).split())

    slots = "Its next slots: UTC Asia/Kolkata Fri 2026-02-06 02:00:00 Fri 2026-02-06 07:30:00 Sat 2026-02-07 02:00:00"
    assert (slots in shown) == is_shown
    assert ("Its next slots" in shown) == is_shown


@pytest.mark.every_database
@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize("is_new", [True, False])
def test_a_schedule_that_is_saved_tells_its_next_slots(admin_client: Client, is_new: bool) -> None:
    address = ADD if is_new else page_of(make_schedule())

    response = admin_client.post(address, filled_in(crontab="*/20 * * * *"), follow=True)

    slots = ", ".join(f"Thu 2026-02-05 {time}:00" for time in ("12:20", "12:40", "13:00", "13:20", "13:40"))
    assert told(response)[1] == f"Its next slots (UTC): {slots}."


@pytest.mark.every_database
def test_a_schedule_that_is_saved_disabled_tells_no_slots(admin_client: Client) -> None:
    response = admin_client.post(ADD, filled_in(enabled=""), follow=True)

    assert "next slots" not in " ".join(told(response))


def test_a_mirror_without_an_address_is_refused(admin_client: Client, settings: Any) -> None:
    settings.MIRROR_URL = ""

    response = admin_client.post(ADD, filled_in(spider="mirror", arguments=""))

    sentence = "mirror needs -a url=..., or MIRROR_URL in the environment."
    assert response.context["adminform"].form.errors == {"arguments": [sentence]}
    assert not CrawlSchedule.objects.exists()


def test_a_wrong_line_is_not_made_worse_by_the_arguments_of_before(admin_client: Client) -> None:
    schedule = make_schedule()

    response = admin_client.post(page_of(schedule), filled_in(spider="mirror", arguments="changed"))

    assert response.context["adminform"].form.errors == {"arguments": ["The line 'changed' must be name=value."]}


def test_the_form_lists_each_spiders_arguments_and_suggests_time_zones(admin_client: Client) -> None:
    shown = text_of(admin_client, ADD)
    page = admin_client.get(ADD).content.decode()

    for name, entry in SPIDERS.items():
        assert f"{name}: {entry.summary}" in shown
        for argument in entry.arguments:
            assert f"{argument}= {entry.arguments[argument].allowed}" in shown
    assert "not needed if MIRROR_URL is set" in shown
    assert "not together with pages, category, per_page, order" in shown
    assert '<option value="Europe/Berlin">' in page


@pytest.mark.every_database
def test_a_form_saved_as_it_was_changes_nothing(admin_client: Client) -> None:
    schedule = make_schedule(arguments={"ids": ["a", "b"]}, time_zone="Europe/Berlin")
    before = CrawlSchedule.objects.values().get()
    lines = admin_client.get(page_of(schedule)).context["adminform"].form["arguments"].value()

    admin_client.post(page_of(schedule), filled_in(arguments=lines, time_zone="Europe/Berlin"))

    assert lines == "ids=a,b"
    assert CrawlSchedule.objects.values().get() == before


@pytest.mark.every_database
def test_an_edit_leaves_alone_what_the_tick_has_written_meanwhile(rf: Any) -> None:
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
