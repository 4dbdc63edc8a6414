"""Who may see and do what: every address of the admin and of the read API, for five kinds of people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.authtoken.models import Token

from tests.support.factories import NOON, make_coin, make_node, make_rejected, make_run, make_schedule
from tests.support.people import PEOPLE, client_of, group
from webapp.coins.models import NamedView
from webapp.crawls.models import RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

EVERYBODY = PEOPLE
LOGGED_IN = PEOPLE[1:]
VIEWERS = PEOPLE[2:]
OPERATORS = PEOPLE[3:]
SUPERUSERS = PEOPLE[4:]
NO_ONE: tuple[str, ...] = ()

# Who may see an address. The addresses of a row have its key.
SEEN_BY: Mapping[str, tuple[str, ...]] = {
    "index": LOGGED_IN,
    "app_list coins": VIEWERS,
    "app_list auth": SUPERUSERS,
    "jsi18n": LOGGED_IN,
    "password_change": LOGGED_IN,
    "password_change_done": LOGGED_IN,
    "autocomplete": NO_ONE,
    "coins_fullcoin_changelist": VIEWERS,
    "coins_fullcoin_change": VIEWERS,
    "coins_fullcoin_history": VIEWERS,
    "coins_fullcoin_add": NO_ONE,
    "coins_fullcoin_delete": NO_ONE,
    "coins_fullcoin_columns": VIEWERS,
    "coins_fullcoin_export": VIEWERS,
    "coins_fullcoin_prices_export": VIEWERS,
    "crawls_crawlrun_changelist": VIEWERS,
    "crawls_crawlrun_change": VIEWERS,
    "crawls_crawlrun_history": VIEWERS,
    "crawls_crawlrun_add": NO_ONE,
    "crawls_crawlrun_delete": NO_ONE,
    "crawls_crawlrun_export": VIEWERS,
    "crawls_rejectedrecord_changelist": VIEWERS,
    "crawls_rejectedrecord_change": VIEWERS,
    "crawls_rejectedrecord_history": VIEWERS,
    "crawls_rejectedrecord_add": NO_ONE,
    "crawls_rejectedrecord_delete": NO_ONE,
    "crawls_rejectedrecord_export": VIEWERS,
    "crawls_rejectedrecord_reasons": VIEWERS,
    "crawls_rejectedrecord_all_retry": OPERATORS,
    "crawls_rejectedrecord_all_ignore": OPERATORS,
    "crawls_rejectedrecord_undo": OPERATORS,
    "crawls_node_changelist": VIEWERS,
    "crawls_node_change": VIEWERS,
    "crawls_node_history": VIEWERS,
    "crawls_node_add": NO_ONE,
    "crawls_node_delete": NO_ONE,
    "crawls_crawlschedule_changelist": VIEWERS,
    "crawls_crawlschedule_change": VIEWERS,
    "crawls_crawlschedule_history": VIEWERS,
    "crawls_crawlschedule_add": OPERATORS,
    "crawls_crawlschedule_delete": OPERATORS,
    "authtoken_tokenproxy_changelist": SUPERUSERS,
    "authtoken_tokenproxy_change": SUPERUSERS,
    "authtoken_tokenproxy_history": SUPERUSERS,
    "authtoken_tokenproxy_add": SUPERUSERS,
    "authtoken_tokenproxy_delete": SUPERUSERS,
    "auth_user_changelist": SUPERUSERS,
    "auth_user_change": SUPERUSERS,
    "auth_user_history": SUPERUSERS,
    "auth_user_add": SUPERUSERS,
    "auth_user_delete": SUPERUSERS,
    "auth_user_password_change": SUPERUSERS,
    "auth_group_changelist": SUPERUSERS,
    "auth_group_change": SUPERUSERS,
    "auth_group_history": SUPERUSERS,
    "auth_group_add": SUPERUSERS,
    "auth_group_delete": SUPERUSERS,
    "api:addresses": LOGGED_IN,
    "api:coins": LOGGED_IN,
    "api:coins_file": LOGGED_IN,
    "api:coin": LOGGED_IN,
    "api:coin_prices": LOGGED_IN,
    "api:prices": LOGGED_IN,
    "api:price_gaps": LOGGED_IN,
    "api:price_days": LOGGED_IN,
    "api:runs": LOGGED_IN,
    "api:run": LOGGED_IN,
    "api:health": LOGGED_IN,
    "api:schema": EVERYBODY,
    "api:docs": EVERYBODY,
}
# What is done by POST alone: who may do it, and what a form sends.
DONE_BY: Mapping[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "coins_fullcoin_review": (OPERATORS, {"note": "seen"}),
    "coins_fullcoin_views": (VIEWERS, {"name": "Mine", "query": ""}),
    "coins_fullcoin_view_update": (SUPERUSERS, {"query": "rank=ranked"}),
    "coins_fullcoin_view_delete": (OPERATORS, {}),
    "crawls_crawlrun_stop": (OPERATORS, {}),
    "crawls_crawlschedule_run": (OPERATORS, {}),
    "crawls_rejectedrecord_retry": (OPERATORS, {}),
    "crawls_rejectedrecord_ignore": (OPERATORS, {}),
    "crawls_rejectedrecord_reopen": (OPERATORS, {}),
}
QUERIES = {
    "api:prices": "?date=2026-02-05",
    "api:price_gaps": "?coin_id=bitcoin",
    "crawls_rejectedrecord_all_retry": "?reason=name:+missing",
    "crawls_rejectedrecord_all_ignore": "?reason=name:+missing",
    "crawls_rejectedrecord_undo": "?status=Ignored",
}
ELSEWHERE = {"login", "logout", "coins_fullcoin_view"}  # redirects, for everybody or nobody


@dataclass
class Rows:
    keys: dict[str, str]

    def address(self, name: str) -> str:
        """Of this name, for a row if it needs one."""
        if name.startswith("app_list"):
            return reverse("admin:app_list", args=[name.partition(" ")[2]])
        full = name if name.startswith("api:") else f"admin:{name}"
        if name in QUERIES:
            return reverse(full) + QUERIES[name]
        of_a_list = name.endswith(("changelist", "add", "_export", "columns", "views", "reasons"))
        model = "_".join(name.split("_")[:2])
        key = self.keys.get(name) or ("" if of_a_list else self.keys.get(model))
        return reverse(full, args=[key]) if key else reverse(full)


@pytest.fixture
def rows(settings: Any) -> Rows:
    """A row of each kind. No run is busy: one waits in the queue."""
    settings.API_PUBLIC = False
    other = User.objects.create_user("other")
    token = Token.objects.create(user=other)
    make_coin()
    run = make_run(id="run", verdict=Verdict.PENDING, spider="mirror", started_at=None)
    record = make_rejected(run=run, values='{"coin_id": "bitcoin", "name": "Bitcoin"}')
    schedule = make_schedule()
    make_node(heartbeat_at=NOON)
    NamedView.objects.create(list="coins.fullcoin", slug="theirs", name="Theirs", query="columns=coin")
    return Rows(
        {
            "coins_fullcoin": "bitcoin",
            "coins_fullcoin_prices_export": "bitcoin",
            "coins_fullcoin_view_update": "theirs",
            "coins_fullcoin_view_delete": "theirs",
            "api:coin": "bitcoin",
            "api:coin_prices": "bitcoin",
            "api:run": run.pk,
            "crawls_crawlrun": run.pk,
            "crawls_rejectedrecord": str(record.pk),
            "crawls_crawlschedule": str(schedule.pk),
            "crawls_node": "here",
            "authtoken_tokenproxy": quote(token.user_id),
            "auth_user": str(other.pk),
            "auth_group": str(group("Viewer").pk),
        }
    )


def names(resolver: Any, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern, f"{pattern.namespace}:" if pattern.namespace == "api" else "")
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield prefix + pattern.name


def test_every_address_is_in_one_of_the_contents() -> None:
    known = {name.partition(" ")[0] for name in SEEN_BY} | DONE_BY.keys() | ELSEWHERE

    assert {*names(get_resolver())} == known


@pytest.mark.parametrize("person", PEOPLE)
def test_each_sees_what_they_may_and_nothing_else(rows: Rows, person: str) -> None:
    client = client_of(person)
    wrong = []
    for name, people in SEEN_BY.items():
        response = client.get(rows.address(name))
        seen = response.status_code == 200
        to_login = response.status_code == 302 and "/login/" in response["Location"]
        refused = response.status_code in {401, 403, *((404,) if name.startswith("app_list") else ())}
        if seen != (person in people) or not (seen or refused or (to_login and person == "nobody")):
            wrong.append((name, response.status_code))

    assert wrong == []


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("name", DONE_BY)
def test_each_does_what_they_may_and_nothing_else(rows: Rows, person: str, name: str) -> None:
    people, data = DONE_BY[name]
    if name.endswith("reopen"):
        RejectedRecord.objects.update(status=RejectedRecord.Status.IGNORED)
    client = client_of(person)
    before = contents()

    response = client.post(rows.address(name), data)

    if person in people:
        assert response.status_code == 302
        assert contents() != before
    else:
        assert response.status_code == (302 if person == "nobody" else 403)
        assert contents() == before


def test_nothing_is_done_by_get(rows: Rows) -> None:
    client = client_of("superuser")
    before = contents()

    for name in SEEN_BY:
        client.get(rows.address(name))
    for name in DONE_BY:
        assert client.get(rows.address(name)).status_code == 405

    assert contents() == before


def contents() -> str:
    """Every value of every table, but those of sessions, which have what people are told."""
    return repr(
        [row for model in apps.get_models() if model is not Session for row in model._default_manager.values_list()]
    )


@pytest.mark.parametrize("person", PEOPLE[:-1])
def test_no_action_of_a_list_is_done_without_permission(rows: Rows, person: str) -> None:
    client = client_of(person)
    before = contents()

    for model, action in (
        ("auth_user", "delete_selected"),
        ("auth_group", "delete_selected"),
        ("authtoken_tokenproxy", "delete_selected"),
        ("coins_fullcoin", "delete_selected"),
        ("crawls_crawlrun", "delete_selected"),
        ("crawls_node", "delete_selected"),
        *((("crawls_crawlschedule", "disable"), ("crawls_crawlschedule", "delete_selected")) * (person != "operator")),
        *((("crawls_rejectedrecord", "ignore"), ("crawls_rejectedrecord", "retry")) * (person != "operator")),
    ):
        data = {"action": action, "_selected_action": rows.keys[model], "post": "yes"}
        client.post(reverse(f"admin:{model}_changelist"), data)

    assert contents() == before


def test_the_groups_have_the_rights_that_the_docs_name() -> None:
    viewer, operator = ({p.codename for p in group(name).permissions.all()} for name in ("Viewer", "Operator"))

    assert viewer == {
        "view_fullcoin",
        "view_coinreview",
        "view_namedview",
        "add_namedview",
        "view_crawlrun",
        "view_crawlschedule",
        "view_node",
        "view_rejectedrecord",
    }
    assert viewer < operator
    assert operator - viewer == {
        "change_coinreview",
        "delete_namedview",
        "stop_crawlrun",
        "run_crawlschedule",
        "add_crawlschedule",
        "change_crawlschedule",
        "delete_crawlschedule",
        "resolve_rejectedrecord",
    }


def test_a_group_that_people_have_changed_stays_as_it_is() -> None:
    group("Viewer").permissions.clear()

    call_command("migrate", verbosity=0)

    assert group("Viewer").permissions.count() == 0
    assert Group.objects.filter(name="Viewer").count() == 1


def test_staff_without_rights_gets_no_data_by_the_api_of_another_address(client: Client) -> None:
    """A token or a login lets read the API, which has nothing that a group hides: no logs, machines or notes."""
    maria = client_of("staff")
    make_run(id="secret", node="berlin-1", log_tail="secret lines", log_file="/srv/logs/1")

    shown = maria.get("/api/runs/secret/").content.decode()

    assert "berlin-1" not in shown
    assert "secret lines" not in shown
    assert "/srv/logs" not in shown
