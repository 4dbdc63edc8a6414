"""The admin as a whole: its index, and what holds for the lists and pages of all read-only models."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode

from tests.support.admin import hostile, keys_in_list, page_of, queries_of, text_of
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun, RejectedRecord

pytestmark = pytest.mark.django_db

COINS = reverse("admin:coins_fullcoin_changelist")
RUNS = reverse("admin:crawls_crawlrun_changelist")
REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
LISTS = [COINS, RUNS, REJECTED]
MAKE: dict[Any, Callable[[], Model]] = {FullCoin: make_coin, CrawlRun: make_run, RejectedRecord: make_rejected}


def test_the_index_leads_with_the_crawled_data(admin_client: Client) -> None:
    response = admin_client.get(reverse("admin:index"))

    apps = response.context["app_list"]
    assert [app["name"] for app in apps] == ["Crawled data", "Crawls", "Read API", "Users and groups"]
    assert [model["name"] for model in apps[0]["models"]] == ["Coins"]
    assert [model["name"] for model in apps[1]["models"]] == [
        "Crawl runs",
        "Nodes",
        "Rejected records",
        "Schedules",
    ]
    assert response.context["site_header"] == response.context["site_title"] == "coincrawl"


def test_the_index_shows_problems_to_users_who_may_view_runs(admin_client: Client, client: Client) -> None:
    old = {"newest_update": NOON - timedelta(days=30), "finished_at": NOON}
    make_run(**old)
    nobody = User.objects.create_user("nobody", is_staff=True)

    told = text_of(admin_client, reverse("admin:index"))
    client.force_login(nobody)
    kept_back = text_of(client, reverse("admin:index"))

    sentence = "was 4 weeks, 2 days old when the last run ended. Check the source"
    assert sentence in told
    assert sentence not in kept_back


@pytest.mark.every_database
@pytest.mark.parametrize("model", MAKE)
def test_a_page_shows_every_field_of_the_model_but_hidden_ones(model: Any, rf: Any) -> None:
    page: Any = admin.site.get_model_admin(model)

    shown = flatten_fieldsets(page.get_fieldsets(rf.get("/")))

    names = [*page.elsewhere, *(field if isinstance(field, str) else field.__name__ for field in shown)]
    assert len(names) == len(set(names))
    fields = {field.name for field in model._meta.concrete_fields if not (field.auto_created or field.generated)}
    assert fields - {*page.hidden} == fields & {*names}
    assert page.hidden == {FullCoin: ("field_changes",), RejectedRecord: ("fingerprint",)}.get(model, ())


def test_a_field_that_no_group_names_comes_last_by_itself(rf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    coins: Any = admin.site.get_model_admin(FullCoin)
    monkeypatch.setattr(coins, "groups", [(None, ["coin_id"])])

    groups = coins.get_fieldsets(rf.get("/"))

    assert groups[0] == (None, {"fields": ["coin_id"]})
    assert groups[-1][0] == "Further fields"
    assert len(flatten_fieldsets(groups)) == len(FullCoin._meta.concrete_fields) - len(coins.hidden)


@pytest.mark.parametrize("model", MAKE)
@pytest.mark.parametrize("address", ["add/", "{pk}/change/", "{pk}/delete/", ""])
def test_nobody_changes_anything(admin_client: Client, model: Any, address: str) -> None:
    row = MAKE[model]()
    before = model.objects.values().get()
    list_address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes", "name": "changed"}
    response = admin_client.post(list_address + address.format(pk=quote(row.pk)), action)

    assert response.status_code == (403 if address else 302)  # back to the list: there is no such action
    assert model.objects.values().get() == before


@pytest.mark.parametrize("address", [COINS, RUNS])
def test_a_list_offers_the_export_alone_and_no_button_to_add(admin_client: Client, address: str) -> None:
    make_coin(), make_run(), make_rejected()

    response = admin_client.get(address)

    actions = [name for name, _ in response.context["action_form"].fields["action"].choices]
    assert actions == ["", "export_selected"]
    assert "addlink" not in response.content.decode()


@pytest.mark.parametrize("address", LISTS)
def test_staff_without_permission_sees_nothing(client: Client, address: str) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))

    response = client.get(address)

    assert response.status_code == 403


@pytest.mark.every_database
@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "coin_id__regex=(((",
        "name__contains=x",
        "coin_id=bitcoin",
        "run__spider__startswith=m",
        "run__pk=1",
        "rejectedrecord__raw__contains=x",
        "arguments__ids__0=bitcoin",
        "pk__in=1",
        "id=1",
        "verdict__regex=(((",
        "status__exact=open",
        "password=x",
        "_to_field=name",
        "__=1",
    ],
)
def test_lookups_that_no_filter_offers_are_rejected(admin_client: Client, address: str, query: str) -> None:
    response = admin_client.get(f"{address}?{query}")

    assert response.status_code == 400
    assert "has something that this page does not take." in response.content.decode()  # and not Django's own words


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "p=99999",
        "p=-1",
        "p=x",
        "p=" + "9" * 5000,
        "o=99",
        "o=-99.-1.x.0",
        "o=" + "9" * 5000,
        "o=0.1.2.3.4.5.6",
        "o=" + "0." * 3000,
        "o=-6.-5.-4.-3.-2.-1.-0",
        "q=%22",
        "q='",
        "q=%F0%9F%9A%80+%D8%A7+%25s+%7B0%7D",
        "q=" + "%20".join(["word"] * 1000),
        "q=" + "x" * 5000,
        "q=%ED%A0%80",
        "e=1",
        "all=",
        "_popup=1",
        "_facets=True",
    ],
)
def test_nonsense_in_the_address_breaks_no_list(admin_client: Client, address: str, query: str) -> None:
    make_rejected("twin", run=make_run())
    make_coin()

    response = admin_client.get(f"{address}?{query}", follow=True)

    assert response.status_code == 200


@hostile
def test_hostile_text_is_text_everywhere(admin_client: Client, text: str) -> None:
    coin = make_coin(text or "empty", name=text, symbol=text, image=text, roi_currency=text)
    run = make_run(
        id=text or "empty",
        spider=text,
        arguments={text: [text]},
        node=text,
        reason=text,
        messages=text,
        filled={text: 1},
    )
    record = make_rejected(text, run=run, page=text, raw=text, reasons=text or "none", status=text[:20])
    lists = COINS, RUNS, *(f"{REJECTED}?{urlencode({'status': 'All'} | query)}" for query in ({}, {"run": run.pk}))

    pages = [admin_client.get(address) for address in (*lists, *map(page_of, (coin, run, record)))]

    assert [page.status_code for page in pages] == [200] * 7
    for page in pages:
        assert escape(text) in page.content.decode()
        assert text == escape(text) or text not in page.content.decode()


@hostile
@pytest.mark.parametrize("model", MAKE)
def test_a_page_that_does_not_exist_leads_home(admin_client: Client, model: Any, text: str) -> None:
    response = admin_client.get(page_of(model(pk=text or "nothing")))

    assert response.status_code in {301, 302}


@pytest.mark.every_database
@pytest.mark.parametrize("address", LISTS)
def test_the_queries_of_a_list_do_not_grow_with_its_rows(admin_client: Client, address: str) -> None:
    def add(names: range) -> None:
        for name in names:
            make_coin(f"coin-{name}")
            make_rejected(f"coin-{name}", run=make_run())

    add(range(2))
    few = queries_of(admin_client, address)
    add(range(2, 22))
    many = queries_of(admin_client, address)

    assert few == many


def test_a_list_has_a_hundred_rows_a_page(admin_client: Client) -> None:
    for number in range(101):
        make_coin(f"coin-{number:03}")

    names = keys_in_list(admin_client, COINS)

    assert len(names) == 100


def test_static_files_come_with_debug_off(client: Client) -> None:
    response = client.get("/static/admin/css/base.css")

    assert response.status_code == 200
    assert b"--body-bg" in b"".join(response)
