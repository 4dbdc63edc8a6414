"""What people do with rejected records in the admin: try them again, ignore them, find them by reason, and who may."""

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
from tests.support.factories import make_rejected, make_run
from tests.support.schedule_pages import staff, told
from webapp.coins.models import FullCoin
from webapp.coins.texts import whole_json
from webapp.crawls.admin.rejected import RejectedRecordAdmin
from webapp.crawls.models import RejectedRecord

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
REASONS = reverse("admin:crawls_rejectedrecord_reasons")
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

    assert response.redirect_chain == [(page_of(record), 302)]
    assert [message.level_tag for message in response.context["messages"]] == ["success"]
    assert told(response) == ["Stored: a new coin."]
    assert (statuses(), FullCoin.objects.get().name) == ({"bitcoin": "resolved"}, "Bitcoin")
    shown = text_of(admin_client, reverse("admin:crawls_rejectedrecord_history", args=[record.pk]))
    assert "admin Tried again: Stored: a new coin." in shown


def test_try_again_tells_the_reasons_of_what_is_still_rejected(admin_client: Client) -> None:
    record = rejected(sent={"ath": True})

    response = admin_client.post(button(record, "retry"), follow=True)

    assert [message.level_tag for message in response.context["messages"]] == ["warning"]
    assert told(response) == ["It is still rejected. ath: true, not a number"]
    assert history(record) == [("admin", "Tried again: It is still rejected. ath: true, not a number")]


def test_a_record_is_ignored_and_opened_again(admin_client: Client) -> None:
    record = rejected()

    admin_client.post(button(record, "ignore"))
    ignored = statuses()
    admin_client.post(button(record, "reopen"))

    assert (ignored, statuses()) == ({"bitcoin": "ignored"}, {"bitcoin": "open"})
    assert history(record) == [("admin", "Ignored."), ("admin", "Opened again.")]


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

    assert [one["label"] for one in response.context["buttons"]] == labels
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

    page, listed, reasons = client.get(page_of(record)), client.get(REJECTED), client.get(REASONS)
    acted = act(client, "ignore", record)

    assert page.context["buttons"] == []
    assert [name for name, _ in listed.context["action_form"].fields["action"].choices] == ["", "export_selected"]
    assert b"<button" not in reasons.content.partition(b'id="content-main"')[2]
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
        "It was kept without values that could be stored: wait for the next crawl (1)."
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

    assert (told(ignored), told(opened)) == (["3 records are now ignored."], ["1 record is now open."])
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
        ("ignore", "1 record is now ignored. 2 are left: do it"),
    ],
)
def test_an_action_that_the_database_stops_halfway_says_how_far_it_came(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, action: str, words: str
) -> None:
    records = [rejected(coin_id) for coin_id in ("a", "b", "c")]
    monkeypatch.setattr("webapp.crawls.retrying.AT_ONCE", 1)
    monkeypatch.setattr("webapp.crawls.admin.rejected.AT_ONCE", 1)
    record, recorded = RejectedRecordAdmin._record, []

    def fail_at_the_second(*arguments: Any) -> None:
        recorded.append(arguments)
        if len(recorded) == 2:
            raise locked()
        record(*arguments)

    monkeypatch.setattr(RejectedRecordAdmin, "_record", fail_at_the_second)
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


# By reason ---------------------------------------------------------------------------------------
def test_the_list_leads_to_the_reasons(admin_client: Client) -> None:
    shown = admin_client.get(REJECTED).content.decode()

    assert f'<a href="{reverse("admin:crawls_rejectedrecord_reasons")}">By reason</a>' in shown


NAMED = "coin_id: missing (in the record named {})"


def filtered(reason: str) -> str:
    return f"{REJECTED}?{urlencode({'reason': reason})}"


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("name: long", {"alone", "first", "last", "middle"}),
        ("ath: 100%", {"first", "middle"}),
        ("ath: 100_", set()),
        ("coin_id: missing", {"one", "two"}),
        ("name", set()),
        ("name: lon", set()),
    ],
)
def test_records_are_found_by_reason(admin_client: Client, reason: str, found: set[str]) -> None:
    for coin_id, *reasons in [
        ("alone", "name: long"),
        ("first", "name: long", "ath: 100%"),
        ("last", "atl: small", "name: long"),
        ("middle", "atl: small", "name: long", "ath: 100%"),
        ("longer", "name: longer", "my name: long"),
        ("one", NAMED.format("One")),
        ("two", "ath: x", NAMED.format("(two)")),
    ]:
        rejected(coin_id, reasons="\n".join(reasons))

    response = admin_client.get(filtered(reason))

    assert {record.coin_id for record in response.context["cl"].result_list} == found


@pytest.mark.parametrize("reason", ["x" * 1_001, "a\nb"])
def test_what_can_be_no_reason_filters_nothing_and_says_so(admin_client: Client, reason: str) -> None:
    rejected("a")

    assert "Not filtered by reason: " in text_of(admin_client, filtered(reason))
    assert keys_in_list(admin_client, filtered(reason)) == [str(RejectedRecord.objects.get().pk)]


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


@hostile
def test_any_reason_can_be_asked_for(admin_client: Client, text: str) -> None:
    rejected(reasons=text or "none")

    assert admin_client.get(filtered(text)).status_code == 200
    assert admin_client.get(REASONS).status_code == 200


def test_reasons_are_counted_without_the_names_of_coins(admin_client: Client) -> None:
    for number, reasons in enumerate(
        [NAMED.format("A"), NAMED.format("B (b)"), "name: long\nath: wrong", "name: long"]
    ):
        rejected(f"coin-{number}", reasons=reasons)
    rejected("done", reasons="name: long", status="resolved")

    response = admin_client.get(REASONS)

    assert [tuple(reason) for reason, _ in response.context["reasons"]] == [
        ("coin_id: missing", 2),
        ("name: long", 2),
        ("ath: wrong", 1),
    ]
    assert [len(keys_in_list(admin_client, address)) for _, address in response.context["reasons"]] == [2, 2, 1]


@pytest.mark.parametrize(("action", "status"), [("retry", "resolved"), ("ignore", "ignored")])
def test_all_records_of_a_reason_are_done_with_at_once(admin_client: Client, action: str, status: str) -> None:
    run = make_run()
    for number in range(120):  # more than a page of the list
        rejected(f"coin-{number}", reasons="name: long", run=run)
    rejected("other", reasons="ath: wrong", run=run)
    ((_, address), _) = admin_client.get(REASONS).context["reasons"]
    hidden = {"index": 0, "select_across": 1, "_selected_action": 0}  # as the page's form has them

    admin_client.post(address, hidden | {"action": action})

    assert RejectedRecord.objects.filter(status=status).count() == 120
    assert statuses()["other"] == "open"


def test_where_nothing_is_open_the_page_of_reasons_says_so(admin_client: Client) -> None:
    assert "No rejected record is open." in text_of(admin_client, REASONS)


@pytest.mark.parametrize(("permissions", "status"), [([], 403), (["view_rejectedrecord"], 200)])
def test_reasons_are_for_those_who_may_see_the_records(client: Client, permissions: list[str], status: int) -> None:
    staff(client, *permissions)

    assert client.get(REASONS).status_code == status
    assert client.post(REASONS).status_code == 405


def test_the_page_of_reasons_takes_one_query_however_many_records_there_are(admin_client: Client) -> None:
    rejected()
    few = queries_of(admin_client, REASONS)
    for number in range(300):
        rejected(f"coin-{number}", reasons=f"name: {number}", run_id=RejectedRecord.objects.all()[0].run_id)

    assert queries_of(admin_client, REASONS) == few
    assert "And 101 rarer reasons." in text_of(admin_client, REASONS)
