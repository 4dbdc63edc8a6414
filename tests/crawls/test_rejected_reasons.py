"""Rejected records by reason, and what is done to all that have one."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from tests.support.admin import hostile, keys_in_list, queries_of, text_of
from tests.support.factories import DAY, HOUR, NOON, YEAR, make_rejected, make_run
from tests.support.schedule_pages import staff, told
from webapp.coins.texts import whole_json
from webapp.crawls.models import RejectedRecord

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
REASONS = reverse("admin:crawls_rejectedrecord_reasons")
VERBS = ("retry", "ignore")


def rejected(coin_id: str = "bitcoin", **facts: Any) -> RejectedRecord:
    """An open record whose values are valid by now."""
    return make_rejected(coin_id, **{"values": whole_json({"coin_id": coin_id})} | facts)


def statuses() -> dict[str, str]:
    return dict(RejectedRecord.objects.values_list("coin_id", "status"))


def all_of(reason: str, verb: str) -> str:
    return f"{reverse(f'admin:crawls_rejectedrecord_all_{verb}')}?{urlencode({'reason': reason})}"


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


@hostile
def test_any_reason_can_be_asked_for(admin_client: Client, text: str) -> None:
    rejected(reasons=text or "none")

    assert admin_client.get(filtered(text)).status_code == 200
    assert admin_client.get(REASONS).status_code == 200


def test_reasons_are_counted_without_the_names_of_coins(admin_client: Client) -> None:
    for coin_id, reasons, first, last in [
        ("", NAMED.format("A"), NOON, NOON),
        ("", NAMED.format("B (b)"), NOON, NOON),
        ("coin-1", "name: long\nath: wrong", NOON, NOON + HOUR),
        ("coin-2", "name: long", NOON - DAY, NOON),
        ("coin-1", "name: long", NOON, NOON),
    ]:
        rejected(coin_id, reasons=reasons, first_seen_at=first, last_seen_at=last, fingerprint=f"{coin_id} {reasons}")
    rejected("done", reasons="name: long", status="resolved", first_seen_at=NOON - YEAR, last_seen_at=NOON + YEAR)

    response = admin_client.get(REASONS)

    assert [reason[:4] for reason, *_ in response.context["reasons"]] == [
        ("name: long", 3, 3, 2),
        ("coin_id: missing", 2, 2, 2),
        ("ath: wrong", 1, 1, 1),
    ]
    (times,) = {reason[4:] for reason, *_ in response.context["reasons"] if reason.text == "name: long"}
    assert times == (NOON - DAY, NOON + HOUR)
    assert [len(keys_in_list(admin_client, address)) for _, address, *_ in response.context["reasons"]] == [3, 2, 1]


# All of a reason -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("verb", "status"), [("retry", "resolved"), ("ignore", "ignored")])
def test_it_is_done_to_all_records_of_a_reason_once_one_has_been_asked(
    admin_client: Client, verb: str, status: str
) -> None:
    run = make_run()
    for number in range(120):  # more than a page of the list
        rejected(f"coin-{number}", reasons="name: long", run=run)
    rejected("other", reasons="ath: wrong", run=run)
    ((_, _, addresses, *_), _) = admin_client.get(REASONS).context["reasons"]

    asked = text_of(admin_client, addresses[verb])
    before = statuses()
    response = admin_client.post(addresses[verb], follow=True)

    assert addresses == {one: all_of("name: long", one) for one in VERBS}
    assert "Reason: name: long 120 records with this reason will be" in asked
    assert {*before.values()} == {"open"}
    assert response.redirect_chain == [(REASONS, 302)]
    assert told(response)[0].startswith("120 records ")
    assert RejectedRecord.objects.filter(status=status).count() == 120
    assert statuses()["other"] == "open"


def test_what_was_ignored_for_a_reason_is_opened_again_by_the_page_of_the_message(
    admin_client: Client,
) -> None:
    rejected("earlier", reasons="name: long", status="ignored")
    rejected("other", reasons="ath: wrong")
    record = rejected(reasons="name: long")

    (message,) = told(admin_client.post(all_of("name: long", "ignore"), follow=True))

    found = re.search('href="([^"]*)"', message)
    assert found is not None
    assert "reason=name%3A+long" in found[1]
    assert "1 record will be open again." in text_of(admin_client, unescape(found[1]))
    admin_client.post(unescape(found[1]))
    assert RejectedRecord.objects.open().filter(reasons="name: long").get() == record


def test_only_what_works_is_offered_and_done(admin_client: Client) -> None:
    rejected("valued", reasons="name: long")
    for number in range(2):
        rejected(f"kept before-{number}", reasons="name: long\nath: wrong", values="")

    reasons = {one.text: verbs for one, _, verbs, *_ in admin_client.get(REASONS).context["reasons"]}
    some, none = (text_of(admin_client, all_of(reason, "retry")) for reason in ("name: long", "ath: wrong"))
    response = admin_client.post(all_of("name: long", "retry"), follow=True)

    assert [*reasons["name: long"], *reasons["ath: wrong"]] == ["retry", "ignore", "ignore"]
    assert "1 record with this reason will be checked again." in some
    assert "2 more cannot be tried again: the page of a record says why." in some
    assert "No open record with this reason can be tried again. The page of a record says why." in none
    assert told(response) == ["1 record was stored."]
    assert statuses() == {"valued": "resolved", "kept before-0": "open", "kept before-1": "open"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_reason_that_no_record_has_any_more_is_told(admin_client: Client, verb: str) -> None:
    rejected(status="resolved", reasons="name: long")

    asked = text_of(admin_client, all_of("name: long", verb))
    response = admin_client.post(all_of("name: long", verb), follow=True)

    assert "No open record" in asked
    assert [message.level_tag for message in response.context["messages"]] == ["warning"]


@pytest.mark.parametrize("reason", ["", "x" * 1_001, "a\nb", "\0"])
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_done_for_what_can_be_no_reason(admin_client: Client, verb: str, reason: str) -> None:
    rejected()

    answers = [admin_client.get(all_of(reason, verb)), admin_client.post(all_of(reason, verb))]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert statuses() == {"bitcoin": "open"}


@hostile
def test_any_reason_is_asked_about(admin_client: Client, text: str) -> None:
    rejected(reasons=f"name: {text}")

    for verb in VERBS:
        page = admin_client.get(all_of(f"name: {text}", verb)).content.decode()
        assert f"<bdi>name: {text}</bdi>" in unescape(page)
        assert "<script>alert" not in page


@pytest.mark.parametrize(
    "permissions",
    [["view_rejectedrecord", "change_rejectedrecord"], ["resolve_rejectedrecord"]],
    ids=["see", "resolve"],
)
def test_who_may_not_do_it_is_not_asked(client: Client, permissions: list[str]) -> None:
    rejected()
    staff(client, *permissions)

    answers = [method(all_of("name: missing", verb)) for verb in VERBS for method in (client.get, client.post)]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert statuses() == {"bitcoin": "open"}


# The page ------------------------------------------------------------------------------------------
def test_where_nothing_is_open_the_page_of_reasons_says_so(admin_client: Client) -> None:
    assert "No rejected record is open." in text_of(admin_client, REASONS)


@pytest.mark.parametrize(("permissions", "status"), [([], 403), (["view_rejectedrecord"], 200)])
def test_reasons_are_for_those_who_may_see_the_records(client: Client, permissions: list[str], status: int) -> None:
    rejected()
    staff(client, *permissions)

    shown = client.get(REASONS)

    assert shown.status_code == status
    assert "Ignore all" not in shown.content.decode()
    assert client.post(REASONS).status_code == 405


def test_the_page_of_reasons_takes_one_query_however_many_records_there_are(admin_client: Client) -> None:
    rejected()
    few = queries_of(admin_client, REASONS)
    for number in range(300):
        rejected(f"coin-{number}", reasons=f"name: {number}", run_id=RejectedRecord.objects.all()[0].run_id)

    assert queries_of(admin_client, REASONS) == few
    assert "And 101 rarer reasons." in text_of(admin_client, REASONS)
