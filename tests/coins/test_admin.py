"""The admin through Django's test client: what it shows, what it refuses, and what it survives."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import DecimalField, Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode

from tests.support.admin import hostile, keys_in_list, page_of, text_of
from tests.support.factories import NOON, make_coin, make_rejected, make_run
from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun, RejectedRecord, Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

COINS = reverse("admin:coins_fullcoin_changelist")
RUNS = reverse("admin:crawls_crawlrun_changelist")
REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
LISTS = [COINS, RUNS, REJECTED]


MAKE: dict[Any, Callable[[], Model]] = {FullCoin: make_coin, CrawlRun: make_run, RejectedRecord: make_rejected}


# What it shows -----------------------------------------------------------------------------------
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


def test_the_index_says_what_is_ill_to_whoever_may_see_runs(admin_client: Client, client: Client) -> None:
    old = {"newest_update": NOON - timedelta(days=30), "finished_at": NOON}
    make_run(**old)
    nobody = User.objects.create_user("nobody", is_staff=True)

    told = text_of(admin_client, reverse("admin:index"))
    client.force_login(nobody)
    kept_back = text_of(client, reverse("admin:index"))

    sentence = "was 4 weeks, 2 days old when the last run ended. Check the source"
    assert sentence in told
    assert sentence not in kept_back


def test_a_run_tells_how_old_its_newest_data_were(admin_client: Client) -> None:
    run = make_run(newest_update=NOON - timedelta(minutes=5), finished_at=NOON)

    shown = text_of(admin_client, page_of(run))

    assert "Newest update: 2026-02-05 11:55:00 UTC" in shown
    assert "Age of that at the end: 5 minutes" in shown


@pytest.mark.parametrize("model", MAKE)
def test_a_page_shows_every_field_of_the_model(model: Any, rf: Any) -> None:
    shown = flatten_fieldsets(admin.site.get_model_admin(model).get_fieldsets(rf.get("/")))

    names = [field if isinstance(field, str) else field.__name__ for field in shown]
    assert len(names) == len(set(names))
    assert {field.name for field in model._meta.concrete_fields if not field.auto_created} <= set(names)


def test_a_field_that_no_group_names_comes_last_by_itself(rf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    coins = admin.site.get_model_admin(FullCoin)
    monkeypatch.setattr(coins, "groups", [(None, ["coin_id"])])

    groups = coins.get_fieldsets(rf.get("/"))

    assert groups[0] == (None, {"fields": ["coin_id"]})
    assert groups[-1][0] == "Further fields"
    assert len(flatten_fieldsets(groups)) == len(FullCoin._meta.concrete_fields)


def test_a_coin_is_listed_with_short_numbers_and_shown_with_all_digits(admin_client: Client) -> None:
    coin = make_coin(name="Bitcoin", symbol="btc", current_price=Decimal("0.0000012345600"), market_cap=Decimal(10**12))

    listed, shown = text_of(admin_client, COINS), text_of(admin_client, page_of(coin))

    assert "- Bitcoin BTC 0.000001235 - 1,000,000,000,000 -" in listed
    assert "Current price: 0.00000123456 High 24h: -" in shown
    assert "Market cap: 1,000,000,000,000 " in shown


def test_the_extremes_of_every_number_show(admin_client: Client) -> None:
    whole = 30
    decimals = [field for field in FullCoin._meta.concrete_fields if isinstance(field, DecimalField)]
    places = {field.name: field.decimal_places for field in decimals}
    biggest = make_coin("biggest", **{name: Decimal(10) ** (30 + whole - after - 1) for name, after in places.items()})
    smallest = make_coin("smallest", **{name: -Decimal(1).scaleb(-after) for name, after in places.items()})

    listed = text_of(admin_client, COINS)
    pages = [text_of(admin_client, page_of(coin)) for coin in (biggest, smallest)]

    assert f"1 × 10{'²⁸' if whole == 29 else '²⁹'}" in listed
    assert "-1 × 10⁻³⁰" in listed
    assert f"Ath: {10 ** (whole - 1):,} " in pages[0]
    assert f"Atl: -0.{'0' * 29}1 " in pages[1]


def test_every_digit_that_the_database_keeps_shows(admin_client: Client) -> None:
    on_sqlite = connection.vendor == "sqlite"
    digits = "12345.6789012345" if on_sqlite else "123456789012345678901234567890.123456789012345678901234567891"
    coin = make_coin(ath=Decimal(digits))

    shown = text_of(admin_client, page_of(coin))

    assert f"Ath: {Decimal(digits):,} " in shown


def test_instants_show_as_exactly_as_they_are_stored(admin_client: Client) -> None:
    coin = make_coin(ath_date=NOON + timedelta(milliseconds=290), atl_date=NOON, last_updated=NOON.replace(year=1))

    shown = text_of(admin_client, page_of(coin))

    assert "Ath date: 2026-02-05 12:00:00.29 UTC" in shown
    assert "Atl date: 2026-02-05 12:00:00 UTC" in shown
    assert "Last updated: 0001-02-05 12:00:00 UTC" in shown


@pytest.mark.parametrize(
    ("image", "pictures"),
    [
        pytest.param("https://example.org/a.png?1&2", 1, id="https"),
        pytest.param("missing_large.png", 0, id="a bare word"),
        pytest.param("javascript:alert(1)//http://", 0, id="a script"),
        pytest.param(None, 0, id="null"),
    ],
)
def test_a_picture_shows_on_the_coins_page_alone(admin_client: Client, image: str | None, pictures: int) -> None:
    coin = make_coin(image=image)

    listed, page = (admin_client.get(address).content.decode() for address in (COINS, page_of(coin)))

    assert "<img" not in listed.partition('id="result_list"')[2].partition("</table>")[0]
    assert page.count(f'<img src="{(image or "").replace("&", "&amp;")}"') == pictures
    assert 'href="javascript:' not in page


def test_a_run_shows_its_arguments_verdict_and_lines(admin_client: Client) -> None:
    ids = [f"coin-{number}" for number in range(250)]
    run = make_run(
        verdict=Verdict.PARTIAL,
        arguments={"ids": ids},
        finished_at=NOON + timedelta(minutes=75, milliseconds=800),
        reason="page 7 was not answered",
        messages="first\nsecond",
        seen=17190,
        filled={"coin_id": 17190, "name": 17189},
    )

    listed = text_of(admin_client, RUNS)
    page = admin_client.get(page_of(run)).content.decode()
    shown = text_of(admin_client, page_of(run))

    assert "partial markets ids coin-0, coin-1, coin-2, coin-3, coi… - 2026-02-05 12:00:00 1:15:00 0 17,190" in listed
    assert f"Arguments: ids {', '.join(ids)} " in shown
    assert "Reason: page 7 was not answered" in shown
    assert "first<br>second" in page
    assert "Records in all answers." in shown
    assert "Filled: coin_id 17,190, name 17,189 " in shown


@pytest.mark.parametrize("verdict", Verdict.values)
def test_every_verdict_is_written_out_and_has_its_mark(admin_client: Client, verdict: str) -> None:
    make_run(verdict=verdict)

    page = admin_client.get(RUNS).content.decode()

    assert f'<span class="verdict {verdict}">{verdict}</span>' in page
    assert f".verdict.{verdict}::before {{ content:" in page


def test_a_run_and_its_rejected_records_link_to_each_other(admin_client: Client) -> None:
    run = make_run(id="job/1?&")
    make_rejected("mine", run=run)
    make_rejected("dealt with", run=run, status="resolved")
    make_rejected("of another", run=make_run())

    page = admin_client.get(page_of(run)).content.decode()
    href = unescape(re.search(r'href="([^"]*)">2 last seen by this run', page)[1])  # type: ignore[index]  # no match is a failure too
    listed = admin_client.get(href).content.decode()

    assert "2 last seen by this run</a>, 1 of them open" in page
    assert "2 rejected records" in listed
    assert "of another" not in listed
    assert f'<a href="{page_of(run)}">2026-02-05 12:00:00</a>' in listed


def test_a_rejected_record_shows_its_first_reasons_in_the_list_and_all_on_its_page(admin_client: Client) -> None:
    reasons = [f"field_{number}: not a number" for number in range(30)]
    record = make_rejected(reasons="\n".join(reasons), run=make_run())

    listed, page = (admin_client.get(address).content.decode() for address in (REJECTED, page_of(record)))

    assert "<br>".join([*reasons[:3], "and 27 more"]) + "</td>" in listed
    assert "<br>".join(reasons) in page


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(
            '{"a": 1.10, "b": [1E-7, 123456789012345678901234567890.0], "c": NaN, "d": -0}',
            '{\n  "a": 1.10,\n  "b": [\n    1E-7,\n    123456789012345678901234567890.0\n  ],\n'
            '  "c": NaN,\n  "d": -0\n}',
            id="every digit as sent",
        ),
        pytest.param(r'{"a": "\ud800\u202e"}', '{\n  "a": "\\ud800\\u202e"\n}', id="escapes stay escapes"),
        pytest.param('{"a": "xxx', '{"a": "xxx', id="cut short"),
        pytest.param("[" * 30_000 + "]" * 30_000, "[" * 30_000 + "]" * 30_000, id="nested too deeply to indent"),
        pytest.param('"' + "x" * 64_000, '"' + "x" * 64_000, id="64 kB"),
        pytest.param('"<script>"', '"<script>"', id="markup"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_raw_record_is_indented_without_changing_it(admin_client: Client, raw: str, text: str) -> None:
    record = make_rejected(raw=raw)

    page = admin_client.get(page_of(record)).content.decode()

    shown = re.search(r"(?s)<pre>(.*?)</pre>", page)
    assert shown is not None
    assert unescape(shown[1]) == text
    assert "<script>" not in shown[1]


# Finding and sorting -----------------------------------------------------------------------------
@pytest.fixture
def market(db: None) -> None:
    """Coins with the ranks 1, 11, 101, 251 and 1001, whose volume falls with the rank, and two without either."""
    for rank in (1001, 1, 251, 11, 101):
        make_coin(f"rank-{rank}", name=f"Number {rank}", market_cap_rank=rank, total_volume=rank)
    make_coin("unranked-b", symbol="weth")
    make_coin("unranked-a", missing_since=NOON)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param(
            "",
            ["rank-1", "rank-11", "rank-101", "rank-251", "rank-1001", "unranked-a", "unranked-b"],
            id="by rank, unranked ones last",
        ),
        pytest.param("?rank=top+10", ["rank-1"], id="top 10"),
        pytest.param("?rank=top+100", ["rank-1", "rank-11"], id="top 100"),
        pytest.param("?rank=top+250", ["rank-1", "rank-11", "rank-101"], id="top 250"),
        pytest.param("?rank=top+1,000", ["rank-1", "rank-11", "rank-101", "rank-251"], id="top 1,000"),
        pytest.param("?rank=ranked&q=1001", ["rank-1001"], id="ranked, and searched by name"),
        pytest.param("?rank=unranked", ["unranked-a", "unranked-b"], id="unranked"),
        pytest.param("?market=missing", ["unranked-a"], id="missing"),
        pytest.param("?market=on+the+market&rank=unranked", ["unranked-b"], id="on the market"),
        pytest.param("?q=WETH", ["unranked-b"], id="searched by symbol"),
        pytest.param("?q=unranked-b", ["unranked-b"], id="searched by id"),
        pytest.param("?q=%25", [], id="searched for a percent sign"),
    ],
)
def test_coins_are_found(admin_client: Client, market: None, query: str, found: list[str]) -> None:
    names = keys_in_list(admin_client, COINS + query)

    assert names == found


@pytest.mark.parametrize(
    ("order", "first"), [pytest.param("5", "rank-1", id="rising"), pytest.param("-5", "rank-1001", id="falling")]
)
def test_coins_without_a_value_are_sorted_last_either_way(
    admin_client: Client, market: None, order: str, first: str
) -> None:
    names = keys_in_list(admin_client, f"{COINS}?o={order}")

    assert names[0] == first
    assert {*names[-2:]} == {"unranked-a", "unranked-b"}


def test_runs_are_listed_newest_first_and_those_yet_to_start_before_them(admin_client: Client) -> None:
    for key, start in {"old": NOON, "pending": None, "new": NOON + timedelta(hours=1)}.items():
        make_run(id=key, started_at=start)

    names = keys_in_list(admin_client, RUNS)

    assert names == ["pending", "new", "old"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("?verdict=failed", ["failed"], id="verdict"),
        pytest.param("?spider=markets&verdict=complete", ["complete"], id="spider and verdict"),
    ],
)
def test_runs_are_filtered(admin_client: Client, query: str, found: list[str]) -> None:
    for verdict in ("failed", "complete"):
        make_run(id=verdict, verdict=verdict)
    make_run(id="of another", spider="another")

    names = keys_in_list(admin_client, RUNS + query)

    assert names == found


@pytest.mark.parametrize("query", ["?status=Ignored", "?q=twin", "?q=dull"])
def test_rejected_records_are_found(admin_client: Client, query: str) -> None:
    make_rejected("other")
    twin = make_rejected("twin", status=RejectedRecord.Status.IGNORED, reasons="name: dull")

    names = keys_in_list(admin_client, REJECTED + query)

    assert names == [str(twin.pk)]


def test_filters_can_count(admin_client: Client, market: None) -> None:
    shown = text_of(admin_client, COINS + "?_facets=True")

    assert "top 250 (3)" in shown
    assert "missing (1)" in shown


# What it refuses ---------------------------------------------------------------------------------
@pytest.mark.parametrize("model", MAKE)
@pytest.mark.parametrize("address", ["add/", "{pk}/change/", "{pk}/delete/", ""])
def test_nobody_changes_anything(admin_client: Client, model: Any, address: str) -> None:
    row = MAKE[model]()
    before = model.objects.values().get()
    list_address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes", "name": "changed"}
    response = admin_client.post(list_address + address.format(pk=quote(row.pk)), action)

    assert response.status_code == (403 if address else 200)
    assert model.objects.values().get() == before


@pytest.mark.parametrize("address", LISTS)
def test_no_list_offers_an_action_or_a_button_to_add(admin_client: Client, address: str) -> None:
    make_coin(), make_run(), make_rejected()

    page = admin_client.get(address).content.decode()

    assert 'name="action"' not in page
    assert "addlink" not in page


@pytest.mark.parametrize("address", LISTS)
def test_staff_without_permission_sees_nothing(client: Client, address: str) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))

    response = client.get(address)

    assert response.status_code == 403


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
        "rank=top+11",
        "market=",
        "verdict=nonsense",
        "status=%F0%9F%9A%80",
        "_to_field=name",
        "__=1",
    ],
)
def test_lookups_that_no_filter_offers_are_refused(admin_client: Client, address: str, query: str) -> None:
    response = admin_client.get(f"{address}?{query}")

    assert response.status_code in {302, 400}


# What it survives --------------------------------------------------------------------------------
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
    filtered = f"{REJECTED}?{urlencode({'run': run.pk})}"

    pages = [admin_client.get(address) for address in (*LISTS, filtered, *map(page_of, (coin, run, record)))]

    assert [page.status_code for page in pages] == [200] * 7
    for page in pages:
        assert escape(text) in page.content.decode()
        assert text == escape(text) or text not in page.content.decode()


@hostile
@pytest.mark.parametrize("model", MAKE)
def test_a_page_that_does_not_exist_leads_home(admin_client: Client, model: Any, text: str) -> None:
    response = admin_client.get(page_of(model(pk=text or "nothing")))

    assert response.status_code in {301, 302}


def test_a_coin_of_nulls_shows(admin_client: Client) -> None:
    coin = make_coin("nothing-known")

    listed, shown = text_of(admin_client, COINS), text_of(admin_client, page_of(coin))

    assert "nothing-known" in listed
    assert "Current price: - " in shown


def test_a_record_without_an_id_shows(admin_client: Client) -> None:
    make_rejected("")

    listed = text_of(admin_client, REJECTED)

    assert "(no id) name: missing 7 Open 1" in listed


@pytest.mark.parametrize("address", LISTS)
def test_the_queries_of_a_list_do_not_grow_with_its_rows(admin_client: Client, address: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(address)
        return len(captured)

    def add(names: range) -> None:
        for name in names:
            make_coin(f"coin-{name}")
            make_rejected(f"coin-{name}", run=make_run())

    add(range(2))
    few = queries()
    add(range(2, 22))
    many = queries()

    assert few == many


def test_a_list_of_rejected_records_leaves_the_raw_ones_in_the_database(admin_client: Client) -> None:
    make_rejected()

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(REJECTED)

    assert not any('"raw"' in query["sql"] for query in captured)


def test_a_list_has_a_hundred_rows_a_page(admin_client: Client) -> None:
    for number in range(101):
        make_coin(f"coin-{number:03}")

    names = keys_in_list(admin_client, COINS)

    assert len(names) == 100


def test_static_files_come_with_debug_off(client: Client) -> None:
    response = client.get("/static/admin/css/base.css")

    assert response.status_code == 200
    assert b"--body-bg" in b"".join(response)
