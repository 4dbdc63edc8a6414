"""What people do with rejected records in the admin: try them again and ignore them, and who may."""

import re
from html import unescape
from time import monotonic
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from tests.support.admin import hostile, keys_in_list, page_of, queries_of, text_of
from tests.support.broken_databases import held, locked
from tests.support.factories import HOUR, NOON, make_coin, make_rejected, make_run
from tests.support.schedule_pages import staff, told
from webapp.coins.models import FullCoin
from webapp.coins.texts import whole_json
from webapp.crawls.admin import rejected_many
from webapp.crawls.models import RejectedRecord

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
VERBS = ("retry", "ignore", "reopen")
Status = RejectedRecord.Status


def rejected(coin_id: str = "bitcoin", *, sent: dict[str, Any] | None = None, **facts: Any) -> RejectedRecord:
    """An open record, whose values are valid by now unless `sent` are others."""
    return make_rejected(coin_id, **{"values": whole_json({"coin_id": coin_id} | (sent or {}))} | facts)


def button(record: RejectedRecord, verb: str) -> str:
    return reverse(f"admin:crawls_rejectedrecord_{verb}", args=[record.pk])


def statuses() -> dict[str, str]:
    return dict(RejectedRecord.objects.values_list("coin_id", "status"))


def act(client: Client, action: str, *records: RejectedRecord, query: str = "", **posted: Any) -> Any:
    keys = [record.pk for record in records]
    return client.post(REJECTED + query, {"action": action, "_selected_action": keys, "index": 0} | posted, follow=True)


def history(record: RejectedRecord) -> list[tuple[str, str]]:
    entries = LogEntry.objects.filter(object_id=str(record.pk)).order_by("pk")
    return [(entry.user.get_username(), entry.change_message) for entry in entries]


# Buttons -----------------------------------------------------------------------------------------
def test_try_again_stores_the_coin_and_is_recorded(admin_client: Client) -> None:
    record = rejected(sent={"name": "Bitcoin"})

    response = admin_client.post(button(record, "retry"), follow=True)

    assert response.redirect_chain == [(REJECTED, 302)]
    assert [message.level_tag for message in response.context["messages"]] == ["success"]
    assert told(response)[0].endswith("</a>: Stored: a new coin. This list has no other open record.")
    assert (statuses(), FullCoin.objects.get().name) == ({"bitcoin": "resolved"}, "Bitcoin")
    shown = text_of(admin_client, reverse("admin:crawls_rejectedrecord_history", args=[record.pk]))
    assert "admin Tried again: Stored: a new coin." in shown


def test_try_again_tells_the_reasons_of_what_is_still_rejected(admin_client: Client) -> None:
    record = rejected(sent={"ath": True, "name": 7})

    response = admin_client.post(button(record, "retry"), follow=True)

    assert response.redirect_chain == [(page_of(record), 302)]
    assert [message.level_tag for message in response.context["messages"]] == ["warning"]
    assert told(response) == ["It is still rejected. name: a number, not a text; ath: true, not a number"]
    assert history(record) == [("admin", f"Tried again: {told(response)[0]}")]


def test_a_record_is_ignored_and_opened_again(admin_client: Client) -> None:
    record = rejected()

    admin_client.post(button(record, "ignore"))
    ignored = statuses()
    admin_client.post(button(record, "reopen"))

    assert (ignored, statuses()) == ({"bitcoin": "ignored"}, {"bitcoin": "open"})
    assert history(record) == [("admin", "Ignored."), ("admin", "Opened again.")]


# The next one --------------------------------------------------------------------------------------
@pytest.fixture
def four(db: None) -> list[RejectedRecord]:
    """The newest first; the third is resolved."""
    run, reasons = make_run(), ("name: 1", "name: 2", "name: 1", "name: 1")
    records = [
        rejected(f"coin-{place}", run=run, reasons=text, last_seen_at=NOON - place * HOUR)
        for place, text in enumerate(reasons)
    ]
    RejectedRecord.objects.filter(pk=records[2].pk).update(status=Status.RESOLVED)
    return records


def pressed(client: Client, record: RejectedRecord, verb: str, query: str) -> Any:
    """The answer to a button of a record's page that was opened from the list with this query."""
    page = client.get(page_of(record), {"_changelist_filters": query} if query else {})
    (address,) = (one.address for one in page.context["buttons"] if one.address.split("?")[0].endswith(f"/{verb}/"))
    return client.post(address, follow=True)


def undo_of(message: str) -> str:
    """The address of the page to which the message leads."""
    found = re.search('href="([^"]*)">Undo<', message)
    assert found is not None
    return unescape(found[1])


@pytest.mark.parametrize(
    ("place", "query", "following"),
    [
        pytest.param(0, "", 1, id="of all"),
        pytest.param(1, "", 3, id="not one that is not open"),
        pytest.param(3, "", 0, id="the first after the last"),
        pytest.param(0, "reason=name%3A+1", 3, id="of a reason"),
        pytest.param(0, "status=All&o=1", 1, id="of all, by name"),
        pytest.param(1, "o=-1", 0, id="by name, from the end"),
        pytest.param(0, "q=coin-3", 3, id="not of the list itself"),
    ],
)
def test_what_is_done_with_leads_to_the_next_open_record_of_its_list(
    admin_client: Client, four: list[RejectedRecord], place: int, query: str, following: int
) -> None:
    response = pressed(admin_client, four[place], "ignore", query)

    parameter = f"?{urlencode({'_changelist_filters': query})}" if query else ""
    assert response.redirect_chain == [(page_of(four[following]) + parameter, 302)]
    (message,) = told(response)
    assert re.sub(' <a href="[^"]*">Undo</a>', "", message) == (
        f'<a href="{page_of(four[place])}{parameter}"><bdi>coin-{place}</bdi></a>: '
        "It is ignored, also when it comes again. This is the next open record."
    )
    undone = admin_client.post(undo_of(message), follow=True)
    assert undone.redirect_chain == [(page_of(four[place]) + parameter, 302)]
    assert told(undone) == ["1 record is now open."]


@pytest.mark.parametrize(
    ("place", "query", "expected"),
    [
        pytest.param(0, "", ("1 of 3", None, 1), id="the first"),
        pytest.param(1, "", ("2 of 3", 0, 3), id="between"),
        pytest.param(3, "", ("3 of 3", 1, None), id="the last"),
        pytest.param(2, "", ("3 of 4", 1, 3), id="one that is not open any more"),
        pytest.param(3, "reason=name%3A+1", ("2 of 2", 0, None), id="of a reason"),
        pytest.param(2, "status=All&o=1", ("3 of 4", 1, 3), id="of all, by name"),
        pytest.param(2, "status=Resolved", ("1 of 1", None, None), id="of another status"),
    ],
)
def test_a_page_leads_to_the_records_before_and_after_in_its_list(
    admin_client: Client,
    four: list[RejectedRecord],
    place: int,
    query: str,
    expected: tuple[str, int | None, int | None],
) -> None:
    filters = {"_changelist_filters": query} if query else {}

    found = admin_client.get(page_of(four[place]), filters).context["neighbours"]

    shown, *others = expected
    ends = ("" if other is None else page_of(four[other]) for other in others)
    parameter = f"?{urlencode(filters)}" if query else ""
    assert found["place"] == shown
    assert [found["before"], found["after"]] == [end and end + parameter for end in ends]


@pytest.mark.parametrize("query", ["gone=1", "q=%00", f"q={'x' * 301}"])
def test_without_a_list_a_page_has_no_neighbours(admin_client: Client, query: str) -> None:
    response = admin_client.get(page_of(rejected()), {"_changelist_filters": query})

    assert (response.status_code, response.context["neighbours"]) == (200, {})


def test_what_is_stored_leads_to_the_next_one_too(admin_client: Client, four: list[RejectedRecord]) -> None:
    response = pressed(admin_client, four[0], "retry", "")

    assert response.redirect_chain == [(page_of(four[1]), 302)]
    assert told(response)[0].endswith("</a>: Stored: a new coin. This is the next open record.")


def test_where_no_record_is_left_the_list_is_shown(admin_client: Client, four: list[RejectedRecord]) -> None:
    response = pressed(admin_client, four[1], "ignore", "reason=name%3A+2")

    assert response.redirect_chain == [(f"{REJECTED}?reason=name%3A+2", 302)]
    assert told(response)[0].endswith("This list has no other open record.")


def test_opening_one_again_stays_there_and_keeps_its_list(admin_client: Client, four: list[RejectedRecord]) -> None:
    four[0].status = Status.IGNORED
    four[0].save()

    response = pressed(admin_client, four[0], "reopen", "status=Ignored")

    assert response.redirect_chain == [(f"{page_of(four[0])}?_changelist_filters=status%3DIgnored", 302)]


@pytest.mark.parametrize(
    "query",
    ["status=x", "run=%00", "pk__in=1", "p=x", "e=1", "a&&=%ff", "_to_field=x", "q=" + "a" * 400, "%0d%0aX:y", "\0"],
)
def test_a_forged_list_does_no_harm(admin_client: Client, four: list[RejectedRecord], query: str) -> None:
    address = f"{button(four[0], 'ignore')}?{urlencode({'_changelist_filters': query})}"

    response = admin_client.post(address)

    if query == "\0":
        assert (response.status_code, statuses()["coin-0"]) == (400, "open")
    else:
        assert response["Location"].startswith(page_of(four[1]))
        assert statuses()["coin-0"] == "ignored"


# Buttons that come too late, and who may press which -------------------------------------------------
@pytest.mark.parametrize(
    ("status", "verb"),
    [("resolved", "retry"), ("ignored", "retry"), ("resolved", "ignore"), ("ignored", "ignore"), ("open", "reopen")],
)
def test_a_button_that_comes_too_late_says_so(admin_client: Client, status: str, verb: str) -> None:
    record = rejected(status=status)

    response = admin_client.post(button(record, verb), follow=True)

    assert [message.level_tag for message in response.context["messages"]] == ["error"]
    assert (statuses(), history(record)) == ({"bitcoin": status}, [])


@pytest.mark.parametrize(
    ("facts", "labels"),
    [
        pytest.param({}, ["Try again", "Ignore"], id="open"),
        pytest.param({"values": ""}, ["Ignore"], id="without values"),
        pytest.param({"status": "ignored"}, ["Open again"], id="ignored"),
        pytest.param({"status": "resolved"}, [], id="resolved"),
    ],
)
def test_a_page_has_the_buttons_that_make_sense(admin_client: Client, facts: dict[str, Any], labels: list[str]) -> None:
    response = admin_client.get(page_of(rejected(**facts)))

    assert [one.label for one in response.context["buttons"]] == labels
    assert "History" in response.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_buttons_take_a_post_with_a_token_against_forgery(verb: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("admin"))
    record = rejected()

    answers = [client.get(button(record, verb)), client.head(button(record, verb)), client.post(button(record, verb))]

    assert [answer.status_code for answer in answers] == [405, 405, 403]
    assert statuses() == {"bitcoin": "open"}


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param(["view_rejectedrecord", "change_rejectedrecord", "delete_rejectedrecord"], 403, id="without"),
        pytest.param(["resolve_rejectedrecord"], 403, id="of what one may not see"),
        pytest.param(["view_rejectedrecord", "resolve_rejectedrecord"], 302, id="with"),
    ],
)
@pytest.mark.parametrize("verb", ["retry", "ignore"])
def test_resolving_has_a_permission_of_its_own(client: Client, permissions: list[str], status: int, verb: str) -> None:
    record = rejected()
    staff(client, *permissions)

    response = client.post(button(record, verb))

    assert response.status_code == status
    assert (statuses()["bitcoin"] == "open") == (status == 403)


def test_who_may_only_see_is_offered_nothing(client: Client) -> None:
    record = rejected()
    staff(client, "view_rejectedrecord")

    page, listed = client.get(page_of(record)), client.get(REJECTED)
    acted = act(client, "ignore", record)

    assert page.context["buttons"] == []
    assert [name for name, _ in listed.context["action_form"].fields["action"].choices] == ["", "export_selected"]
    assert (acted.status_code, statuses()) == (200, {"bitcoin": "open"})


@hostile
@pytest.mark.parametrize("verb", VERBS)
def test_a_button_of_a_record_that_does_not_exist_leads_home(admin_client: Client, verb: str, text: str) -> None:
    record = RejectedRecord(pk=text or "nothing")
    address = page_of(record).replace("/change/", f"/{verb}/")

    assert admin_client.post(address).status_code in {302, 404}


# Many --------------------------------------------------------------------------------------------
def test_many_are_tried_again_and_what_became_of_them_is_told(admin_client: Client) -> None:
    sound = [rejected(f"sound-{number}") for number in range(2)]
    invalid = [rejected(f"invalid-{number}", sent={"ath": True, "name": 1}) for number in range(2)]
    cut, done = rejected("cut", values=""), rejected("done", status="resolved")

    response = act(admin_client, "retry", *sound, *invalid, cut, done, query="?status=All")

    assert told(response) == [
        "2 records were stored. 2 records are still rejected: name: a number, not a text (2); "
        "ath: true, not a number (2). 1 record could not be tried: "
        "Version 0.1.0 kept it, without its values: the next crawl that has it again keeps them (1)."
    ]
    assert FullCoin.objects.count() == 2
    assert history(sound[0]) == [("admin", "Tried again: Stored: a new coin.")]
    assert [len(history(record)) for record in (*invalid, cut, done)] == [1, 1, 0, 0]


def test_all_records_of_a_filter_are_tried_in_parts(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.crawls.retrying.AT_ONCE", 2)
    records = [rejected(f"coin-{number}", reasons="name: 1") for number in range(5)]
    other = rejected("other", reasons="name: 2")

    response = act(admin_client, "retry", records[0], query="?reason=name%3A+1", select_across=1)

    assert told(response) == ["5 records were stored."]
    assert FullCoin.objects.count() == 5
    assert statuses()[other.coin_id] == "open"


def test_an_action_that_takes_too_long_says_how_many_are_left(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.crawls.retrying.AT_ONCE", 2)
    monkeypatch.setattr("webapp.coins.admin.parts.MAX_SECONDS", -1)
    records = [rejected(f"coin-{number}") for number in range(3)]

    tried, ignored = act(admin_client, "retry", *records), act(admin_client, "ignore", *records)

    assert told(tried) == ["No record was tried. 3 are left, because this took long: do it again."]
    assert told(ignored) == ["0 records are now ignored. 3 are left, because this took long: do it again."]


def test_many_are_ignored_and_opened_again(admin_client: Client) -> None:
    records = [rejected(f"coin-{number}") for number in range(3)]
    done = rejected("done", status="resolved")

    ignored = act(admin_client, "ignore", *records, done, query="?status=All")
    between = statuses()
    opened = act(admin_client, "reopen", *records[:1], done, query="?status=All")

    assert told(ignored)[0].startswith("3 records are now ignored. <a href=")
    assert told(opened) == ["1 record is now open."]
    assert between == {"coin-0": "ignored", "coin-1": "ignored", "coin-2": "ignored", "done": "resolved"}
    assert statuses() == between | {"coin-0": "open"}
    assert history(records[0]) == [("admin", "Ignored."), ("admin", "Opened again.")]
    assert history(done) == []


def test_an_action_on_nothing_that_is_open_says_so(admin_client: Client) -> None:
    record = rejected(status="resolved")

    response = act(admin_client, "retry", record, query="?status=All")

    assert told(response) == ["None of these records is open: nothing was tried."]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("retry", "1 record was stored. 2 are left: do it again."),
        ("ignore", "1 record is now ignored. 2 are left: do it again. <a href="),
    ],
)
def test_an_action_that_the_database_stops_halfway_says_how_far_it_came(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, action: str, words: str
) -> None:
    records = [rejected(coin_id) for coin_id in ("a", "b", "c")]
    monkeypatch.setattr("webapp.crawls.retrying.AT_ONCE", 1)
    monkeypatch.setattr("webapp.crawls.admin.rejected_many.CHANGED_AT_ONCE", 1)
    record, recorded = rejected_many._record, []

    def fail_at_the_second(*arguments: Any) -> None:
        recorded.append(arguments)
        if len(recorded) == 2:
            raise locked()
        record(*arguments)

    monkeypatch.setattr(rejected_many, "_record", fail_at_the_second)
    admin_client.raise_request_exception = False

    response = act(admin_client, action, *records)

    page = response.content.decode()
    assert response.status_code == 503
    assert "The database is locked by another process." in page
    assert words in page
    assert f'<a href="{REJECTED}">Back to the list</a>' in page
    assert [*statuses().values()].count("open") == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ["retry", "ignore"])
def test_an_action_waits_for_a_lock_for_seconds_only(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    record = rejected()
    monkeypatch.setattr("webapp.coins.admin.parts.LOCK_SECONDS", 0.05)
    admin_client.raise_request_exception = False

    with held(record):
        began = monotonic()
        response = act(admin_client, action, record)
        took = monotonic() - began

    assert response.status_code == 503
    assert took < 10
    assert "1 is left: do it again." in response.content.decode()
    assert statuses() == {"bitcoin": "open"}
    assert is_patient()


def is_patient() -> bool:
    """Whether the connection waits for locks as long as ever."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout" if connection.vendor == "sqlite" else "SHOW lock_timeout")
        return cursor.fetchone() == (20_000 if connection.vendor == "sqlite" else "0",)


@pytest.mark.parametrize("key", ["x", "\0", "9" * 5_000, "1e3", "-", "🚀"])
@pytest.mark.parametrize("action", VERBS)
def test_a_forged_selection_is_rejected(admin_client: Client, action: str, key: str) -> None:
    response = admin_client.post(REJECTED, {"action": action, "_selected_action": [key], "index": 0})

    assert response.status_code == 400


def test_a_list_changes_nothing_by_get(admin_client: Client) -> None:
    record = rejected()

    admin_client.get(f"{REJECTED}?action=ignore&_selected_action={record.pk}&index=0")

    assert statuses() == {"bitcoin": "open"}


# The list ----------------------------------------------------------------------------------------
def test_the_list_shows_open_records_and_how_many_there_are_of_each_status(admin_client: Client) -> None:
    still_open = rejected("open")
    for status in ("resolved", "ignored", "ignored"):
        rejected(f"{status}-{RejectedRecord.objects.count()}", status=status)

    listed = keys_in_list(admin_client, REJECTED)
    shown = text_of(admin_client, REJECTED)

    assert listed == [str(still_open.pk)]
    assert "Open (1) Resolved (1) Ignored (2) All (4)" in shown
    assert len(keys_in_list(admin_client, f"{REJECTED}?status=All")) == 4


def test_the_list_has_the_names_of_stored_coins_in_one_query(admin_client: Client) -> None:
    make_coin("bitcoin", name="<b>{0}</b>")
    record = rejected("bitcoin")
    one = queries_of(admin_client, REJECTED)
    for number in range(20):
        make_coin(f"coin-{number}", name="Coin")
        rejected(f"coin-{number}", run=record.run)
    rejected("other", run=record.run)

    many, page = queries_of(admin_client, REJECTED), admin_client.get(REJECTED).content.decode()

    assert many == one
    assert '<bdi>bitcoin</bdi> <bdi class="quiet">&lt;b&gt;{0}&lt;/b&gt;</bdi>' in page
    assert page.count('<bdi class="quiet">') == 21


# Undoing -------------------------------------------------------------------------------------------
def test_those_that_were_ignored_at_once_are_listed_and_opened_again(admin_client: Client, client: Client) -> None:
    earlier, *records = [rejected(f"coin-{number}") for number in range(3)]
    act(admin_client, "ignore", earlier)

    (message,) = told(act(admin_client, "ignore", *records))
    address = undo_of(message)
    asked = admin_client.get(address).content.decode()

    found = re.search('href="([^"]*)">List them', asked)
    assert found is not None
    assert {*keys_in_list(admin_client, unescape(found[1]))} == {str(record.pk) for record in records}
    assert re.search(r"ignored: at \d+ \w+ \d\d:\d\d:\d\d UTC", text_of(admin_client, unescape(found[1])))
    assert "By time of ignoring" in text_of(admin_client, unescape(found[1]))
    assert 'value="Open 2 records again"' in asked
    assert {*statuses().values()} == {"ignored"}
    viewer = staff(client, "view_rejectedrecord")
    assert [viewer.get(address).status_code, viewer.post(address).status_code] == [403, 403]
    admin_client.force_login(User.objects.get(username="admin"))
    assert [admin_client.get(f"{address}{more}").status_code for more in ("&gone=1", "&q=%00")] == [400, 400]
    reopened = admin_client.post(address, follow=True)
    assert reopened.redirect_chain == [(REJECTED, 302)]
    assert told(reopened) == ["2 records are now open."]
    assert "None of these records is ignored any more." in text_of(admin_client, address)
    assert statuses() == {"coin-0": "ignored", "coin-1": "open", "coin-2": "open"}
    assert RejectedRecord.objects.filter(ignored_at=None).count() == 2


@pytest.mark.parametrize("reason", ["x" * 1_001, "a\nb"])
def test_what_can_be_no_reason_filters_nothing_and_says_so(admin_client: Client, reason: str) -> None:
    rejected("a")

    address = f"{REJECTED}?{urlencode({'reason': reason})}"
    assert "Not filtered by reason: " in text_of(admin_client, address)
    assert keys_in_list(admin_client, address) == [str(RejectedRecord.objects.get().pk)]


@pytest.mark.parametrize(
    ("query", "across"),
    [
        pytest.param("?status=nonsense", "1", id="all of a list that is not filtered"),
        pytest.param("?reason=a%0Ab", "0", id="selected ones"),
        pytest.param(f"?q={'x' * 301}", "1", id="all of a list that is not searched"),
    ],
)
@pytest.mark.parametrize("action", [*VERBS, "export_selected"])
def test_an_action_does_nothing_if_the_list_is_not_filtered_as_its_address_says(
    admin_client: Client, action: str, query: str, across: str
) -> None:
    record = rejected("a")
    chosen = {"action": action, "_selected_action": [record.pk], "index": 0, "select_across": across}

    response = admin_client.post(REJECTED + query, chosen, follow=True)

    words = "Nothing was done, because the list is not filtered as its address says. Correct the filter first."
    assert words in told(response)
    assert response.redirect_chain == [(REJECTED + query, 302)]
    assert RejectedRecord.objects.get().status == "open"
    assert not LogEntry.objects.exists()


def test_the_time_of_ignoring_is_asked_for_where_ignored_records_are_listed(admin_client: Client) -> None:
    rejected()

    assert "By time of ignoring" not in text_of(admin_client, REJECTED)
    assert "By time of ignoring" in text_of(admin_client, f"{REJECTED}?status=Ignored")
