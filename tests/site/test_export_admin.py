"""Exports from the admin: who may, which rows and columns, and that nonsense is answered."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from tests.support.admin import HOSTILE, hostile, text_of
from tests.support.exports import read_csv, read_json, read_xlsx
from tests.support.factories import NOON, make_coin, make_rejected, make_run, make_schedule
from tests.support.prices import make_bar, make_price
from webapp.coins.admin import exporting
from webapp.coins.exports.cells import CELL
from webapp.coins.exports.formats import FORMATS

pytestmark = pytest.mark.django_db

COINS, RUNS, REJECTED = LISTS = [
    reverse(f"admin:{name}_changelist") for name in ("coins_fullcoin", "crawls_crawlrun", "crawls_rejectedrecord")
]
EXPORTS = [f"{address}export/" for address in LISTS]
MAKE: dict[str, Callable[[], Model]] = dict(zip(LISTS, (make_coin, make_run, make_rejected), strict=True))
VIEW = dict(zip(EXPORTS, ("view_fullcoin", "view_crawlrun", "view_rejectedrecord"), strict=True))


def prices_of(coin_id: str) -> str:
    return reverse("admin:coins_fullcoin_prices_export", args=[quote(coin_id)])


def body(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def exported(client: Client, address: str, **choice: Any) -> list[dict[str, Any]]:
    """The rows of an export as JSON."""
    return read_json(body(client.post(address, {"format": "json", "columns": ["coin_id"]} | choice)))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["coin_id"] for row in rows]


@pytest.fixture
def market() -> None:
    for rank in (101, 1, 11):
        make_coin(f"rank-{rank}", name=f"Number {rank}", market_cap_rank=rank, total_volume=rank)
    make_coin("unranked", missing_since=NOON)


# What is exported ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", ["rank-1", "rank-11", "rank-101", "unranked"], id="all, in the list's order"),
        pytest.param("?rank=top+100", ["rank-1", "rank-11"], id="filtered"),
        pytest.param("?q=number&rank=ranked", ["rank-1", "rank-11", "rank-101"], id="searched and filtered"),
        pytest.param("?o=-7&rank=ranked", ["rank-101", "rank-11", "rank-1"], id="sorted by volume"),
        pytest.param("?p=2&e=1&_facets=True&market=missing", ["unranked"], id="from another page of the list"),
    ],
)
def test_the_rows_are_those_of_the_list(admin_client: Client, market: None, query: str, found: list[str]) -> None:
    listed = admin_client.get(COINS + query, follow=True).context

    rows = exported(admin_client, listed["export"])

    assert ids(rows) == found


def test_the_rows_of_all_pages_are_exported(admin_client: Client) -> None:
    for number in range(101):
        make_coin(f"coin-{number:03}")

    page = text_of(admin_client, f"{COINS}export/")
    rows = exported(admin_client, f"{COINS}export/")

    assert "101 coins, on all pages of the list." in page
    assert len(rows) == 101


def test_runs_and_rejected_records_are_exported(admin_client: Client) -> None:
    run = make_run(id="a/1", schedule=make_schedule("Hourly"), arguments={"ids": ["=1"]}, priority=0.5)
    make_run(id="b", verdict="failed")
    make_rejected("twin", run=run, raw='{"a": 1}')

    runs = exported(
        admin_client, f"{RUNS}export/?verdict=complete", columns=["id", "schedule_name", "arguments", "priority"]
    )
    (record,) = exported(admin_client, f"{REJECTED}export/?q=twin", columns=["coin_id", "run", "raw"])

    assert runs == [{"id": "a/1", "arguments": {"ids": ["=1"]}, "priority": 0.5, "schedule_name": "Hourly"}]
    assert record == {"run": "a/1", "coin_id": "twin", "raw": '{"a": 1}'}


@pytest.mark.parametrize("address", EXPORTS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_column_is_exported_in_every_format(admin_client: Client, address: str, name: str) -> None:
    make_rejected("<script>", run=make_run(id="=1", arguments={"ids": ["a"]}, node="berlin"))
    make_coin("=1+1", name="<script>")
    page = admin_client.get(address)
    columns = [column for column, _ in page.context["form"].fields["columns"].choices]

    response = admin_client.post(address, {"format": name, "columns": columns})

    read: Any = {"xlsx": read_xlsx, "json": read_json}.get(name, read_csv)
    (row,) = read(body(response))
    assert [*row] == columns
    assert not {"claim", "claimed_at", "flushes", "rejected_rows", "fingerprint", "stale_before"} & {*columns}


def test_the_columns_of_the_list_are_ticked_until_others_are(admin_client: Client) -> None:
    make_coin()
    address = f"{COINS}export/"

    def ticked(response: Any) -> list[str]:
        assert response.status_code == 200
        return list(response.context["form"]["columns"].value())

    at_first = ticked(admin_client.get(address))
    none = ticked(admin_client.post(address, {"tick": "none", "format": "csv"}))
    everything = admin_client.post(address, {"tick": "all", "columns": ["ath"], "format": "csv"})
    listed = ticked(admin_client.post(address, {"tick": "list"}))

    assert none == []
    assert len(ticked(everything)) > 30
    assert everything.context["form"]["format"].value() == "csv"
    assert listed == at_first
    assert at_first == [
        "coin_id",
        "symbol",
        "name",
        "current_price",
        "price_change_percentage_24h",
        "market_cap",
        "market_cap_rank",
        "total_volume",
        "last_updated",
    ]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        pytest.param(f"{COINS}export/?columns=coin,ath,symbol", {"coin_id", "symbol", "name", "ath"}, id="chosen"),
        pytest.param(f"{RUNS}export/", {"id", "verdict", "arguments", "started_at", "finished_at", "seen"}, id="runs"),
        pytest.param(f"{REJECTED}export/", {"run", "coin_id", "reasons", "status", "count"}, id="rejected"),
    ],
)
def test_what_a_column_of_the_list_shows_is_ticked(admin_client: Client, address: str, names: set[str]) -> None:
    ticked = admin_client.get(address).context["form"]["columns"].value()

    assert names <= {*ticked}
    assert "raw" not in ticked


def test_columns_have_a_label_and_their_name(admin_client: Client) -> None:
    make_rejected()

    pages = [" ".join(text_of(admin_client, address).split()) for address in EXPORTS]

    assert "Market cap rank market_cap_rank" in pages[0]
    assert "Schedule name schedule_name" in pages[1]


# Selected rows -------------------------------------------------------------------------------------
def select(client: Client, address: str, keys: list[Any], **more: Any) -> Any:
    return client.post(address, {"action": "export_selected", "_selected_action": keys, "index": 0} | more)


def test_selected_rows_alone_are_exported(admin_client: Client, market: None) -> None:
    page = select(admin_client, f"{COINS}?rank=ranked", ["rank-101", "rank-1"])
    hidden = [value for _, value in page.context["hidden"]]

    rows = exported(admin_client, page.context["address"], _selected_action=hidden)

    assert "2 coins, those that you have selected." in page.content.decode()
    assert page.context["address"] == f"{COINS}export/?rank=ranked"
    assert ids(rows) == ["rank-1", "rank-101"]


def test_ticking_other_columns_keeps_the_selection(admin_client: Client, market: None) -> None:
    page = admin_client.post(f"{COINS}export/", {"tick": "none", "_selected_action": ["rank-1"]})

    assert page.context["hidden"] == [("_selected_action", "rank-1")]
    assert 'name="_selected_action" value="rank-1"' in page.content.decode()


@pytest.mark.every_database
def test_rows_selected_across_pages_are_those_of_the_filters(admin_client: Client, market: None) -> None:
    response = select(admin_client, f"{COINS}?rank=top+100&p=1", ["rank-1"], select_across=1)

    assert (response.status_code, response["Location"]) == (302, f"{COINS}export/?rank=top+100")


@hostile
def test_hostile_keys_are_exported(admin_client: Client, text: str) -> None:
    coin = make_coin(text or "empty")
    make_coin("another")

    page = select(admin_client, COINS, [coin.pk])
    rows = exported(admin_client, f"{COINS}export/", _selected_action=[coin.pk])

    assert f'value="{escape(coin.pk)}"' in page.content.decode()
    assert ids(rows) == [coin.pk]


# Who may -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", [*EXPORTS, prices_of("bitcoin")])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_is_not_logged_in_is_asked_to(client: Client, address: str, method: str) -> None:
    response = getattr(client, method)(address)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("address", [*EXPORTS, prices_of("bitcoin")])
@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_without_permission_exports_nothing(client: Client, address: str, method: str) -> None:
    make_coin()
    client.force_login(User.objects.create_user("staff", is_staff=True))

    response = getattr(client, method)(address, {"format": "csv", "columns": ["coin_id"]})

    assert response.status_code == 403


@pytest.mark.parametrize("address", EXPORTS)
def test_the_permission_to_view_is_that_to_export(client: Client, address: str) -> None:
    make_coin(), make_rejected()
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename=VIEW[address]))
    client.force_login(staff)

    statuses = {other: client.get(other).status_code for other in EXPORTS}
    listed = client.get(address.removesuffix("export/"))

    assert statuses == dict.fromkeys(EXPORTS, 403) | {address: 200}
    assert f'<a href="{address}">Export</a>' in listed.content.decode()


@pytest.mark.parametrize("address", [*EXPORTS, prices_of("bitcoin")])
def test_what_is_neither_asked_nor_chosen_is_405(admin_client: Client, address: str) -> None:
    make_coin()

    assert {admin_client.generic(method, address).status_code for method in ("PUT", "DELETE", "PATCH")} == {405}


# Nonsense ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", EXPORTS)
@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"format": "csv"},
        {"columns": ["coin_id"]},
        {"format": "exe", "columns": ["coin_id"]},
        {"format": "csv", "columns": ["stale_before"]},
        {"format": "csv", "columns": ["claim"]},
        {"format": "csv", "columns": ["coin_id__startswith"]},
        {"format": ["csv", "<script>"], "columns": ["coin_id"]},
        {"format": "csv", "columns": "x" * 5_000},
        {"tick": "everything"},
        {"tick": "none", "_selected_action": ["x" * 5_000, "9" * 5_000]},
    ],
    ids=lambda choice: ascii(choice)[:60],
)
def test_a_choice_that_is_none_is_400(admin_client: Client, address: str, choice: Any) -> None:
    response = admin_client.post(address, choice)

    assert response.status_code == 400
    assert "<script>" not in response.content.decode().partition("<form")[2]


def test_who_chooses_no_column_is_told(admin_client: Client) -> None:
    response = admin_client.post(f"{COINS}export/", {"format": "csv"})

    assert "Choose at least one column." in response.content.decode()


def test_an_uploaded_file_is_no_choice(admin_client: Client) -> None:
    response = admin_client.post(f"{COINS}export/", {"format": SimpleUploadedFile("csv", b"csv"), "columns": "coin_id"})

    assert response.status_code == 400


@pytest.mark.every_database
@pytest.mark.parametrize("address", EXPORTS)
@pytest.mark.parametrize(
    "query",
    [
        "coin_id__regex=(((",
        "run__spider__startswith=m",
        "pk__in=1",
        "verdict=nonsense",
        "status=nonsense",
        "rank=top+11",
        "_to_field=name",
    ],
)
def test_filters_that_the_list_does_not_have_are_400(admin_client: Client, address: str, query: str) -> None:
    assert admin_client.get(f"{address}?{query}").status_code == 400
    assert admin_client.post(f"{address}?{query}", {"format": "csv", "columns": ["coin_id"]}).status_code == 400


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("current_price_min=abc", "price, at least: \u201c<bdi>abc</bdi>\u201d. This is not a number."),
        ("rank=%3Cb%3E", "rank: \u201c<bdi>&lt;b&gt;</bdi>\u201d. There is no such choice."),
        ("password=x&rank=ranked", "The list has no filter <bdi>password</bdi>."),
        (f"q={'x' * 301}", "The search is longer than 300 characters, so it is left out."),
    ],
)
def test_what_is_wrong_with_a_filter_is_said(admin_client: Client, query: str, words: str) -> None:
    page = admin_client.get(f"{COINS}export/?{query}")
    file = admin_client.post(f"{COINS}export/?{query}", {"format": "csv", "columns": ["coin_id"]})

    assert (page.status_code, file.status_code) == (400, 400)
    assert words in page.content.decode()
    assert words in file.content.decode()


@pytest.mark.every_database
@pytest.mark.parametrize("address", [f"{COINS}export/", f"{REJECTED}export/"])
@pytest.mark.parametrize("search", ["x" * 5_000, "%20".join(["word"] * 1_000)])
def test_a_search_that_is_too_long_is_400(admin_client: Client, address: str, search: str) -> None:
    assert admin_client.get(f"{address}?q={search}").status_code == 400


@pytest.mark.parametrize("address", EXPORTS)
@pytest.mark.parametrize(
    "query", ["p=99999", "p=x", "o=99", "o=-99.-1.x.0", "o=" + "9" * 5000, "q=%22", "q=%ED%A0%80", "all=", "_popup=1"]
)
def test_what_the_list_ignores_is_ignored(admin_client: Client, address: str, query: str) -> None:
    make_coin(), make_rejected()

    assert admin_client.get(f"{address}?{query}").status_code == 200


# The file, and the page ----------------------------------------------------------------------------
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_has_a_name_with_its_day_and_its_type(admin_client: Client, name: str, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    make_coin()

    response = admin_client.post(f"{COINS}export/", {"format": name, "columns": ["coin_id"]})

    kind = FORMATS[name]
    assert response["Content-Disposition"] == f'attachment; filename="coins-2026-02-05.{kind.suffix}"'
    assert response["Content-Type"] == kind.content_type
    assert response["X-Content-Type-Options"] == "nosniff"
    assert int(response["Content-Length"]) == len(body(response))


def test_an_error_half_way_is_an_error_and_no_file(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        yield ("bitcoin",)
        raise RuntimeError("half-way")

    monkeypatch.setattr("webapp.coins.exports.files.rows", broken)
    admin_client.raise_request_exception = False

    response = admin_client.post(f"{COINS}export/", {"format": "csv", "columns": ["coin_id"]})

    assert response.status_code == 500
    assert not response.streaming


def test_whoever_gets_a_cut_text_is_told(admin_client: Client) -> None:
    make_rejected(raw="x" * (CELL + 1))

    body(admin_client.post(f"{REJECTED}export/", {"format": "csv", "columns": ["raw"]}))
    told = text_of(admin_client, REJECTED)

    assert "Cut to what a cell can hold: 1 text. The formats csv-exact and json have all of it." in told


@pytest.mark.every_database
def test_many_rows_are_not_counted(admin_client: Client, market: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "COUNTED", 3)

    with CaptureQueriesContext(connection) as captured:
        page = text_of(admin_client, f"{COINS}export/")

    assert "More than 3 coins, on all pages of the list. This may take minutes. manage.py export writes" in page
    counts = [query["sql"] for query in captured if "COUNT(*)" in query["sql"]]
    assert len(counts) == 1
    assert "LIMIT 4" in counts[0]


@pytest.mark.every_database
@pytest.mark.parametrize("address", EXPORTS)
def test_the_queries_of_an_export_do_not_grow_with_its_rows(admin_client: Client, address: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page = admin_client.get(address)
            columns = [column for column, _ in page.context["form"].fields["columns"].choices]
            body(admin_client.post(address, {"format": "csv", "columns": columns}))
        return len(captured)

    make_coin("a"), make_rejected("a")
    few = queries()
    for number in range(20):
        make_coin(f"coin-{number}"), make_rejected(f"coin-{number}", run=make_run(schedule=make_schedule(str(number))))

    assert queries() == few


# The prices of a coin ------------------------------------------------------------------------------
@pytest.fixture
def prices() -> None:
    make_coin()
    for days in range(3):
        make_bar(time=NOON + timedelta(days=days), close=days)
        make_price(time=NOON + timedelta(days=days), price=days)


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        pytest.param({}, ["0", "1", "2"], id="all days"),
        pytest.param({"first": "2026-02-06", "last": "2026-02-06"}, ["1"], id="a day"),
        pytest.param({"first": "2026-02-06"}, ["1", "2"], id="from a day on"),
        pytest.param({"last": "2026-02-06"}, ["0", "1"], id="up to a day"),
        pytest.param({"first": "2026-02-07", "last": "2026-02-06"}, [], id="the wrong way round"),
        pytest.param({"first": "0001-01-01", "last": "9999-12-31"}, ["0", "1", "2"], id="all time"),
    ],
)
def test_the_prices_of_days_are_exported(
    admin_client: Client, prices: None, choice: dict[str, str], found: list[str]
) -> None:
    bars = exported(admin_client, prices_of("bitcoin"), step="day", **choice)
    raw = exported(admin_client, prices_of("bitcoin"), step="raw", **choice)

    assert [bar["close"] for bar in bars] == [row["price"] for row in raw] == found
    assert {row["coin_id"] for row in bars + raw} <= {"bitcoin"}


def test_the_page_of_prices_is_filled_from_its_address(admin_client: Client, prices: None) -> None:
    response = admin_client.get(prices_of("bitcoin"), {"step": "raw", "first": "2026-02-05"})

    form = response.context["form"]
    assert (response.status_code, form["step"].value(), form["first"].value()) == (200, "raw", "2026-02-05")
    assert form["format"].value() == "xlsx"


def test_the_page_of_prices_says_which_there_are(admin_client: Client, prices: None) -> None:
    make_price("bitcoin", time=NOON + timedelta(days=5))

    page = admin_client.get(prices_of("bitcoin")).content.decode()

    assert "Bars of a day: 2026-02-05 to 2026-02-07" in page
    assert "Bars of an hour: there are none" in page
    assert "Observations, as crawls have stored them: 2026-02-05 to 2026-02-10" in page
    for name in ("first", "last"):
        assert re.search(rf'<input type="date" name="{name}"[^>]* min="2026-02-05" max="2026-02-10"', page)


@pytest.mark.parametrize(
    "choice",
    [
        {"step": "week"},
        {"first": "yesterday"},
        {"last": "9" * 5_000},
        {"format": "exe"},
        {"last": "<script>"},
        {"first": "2026-02-05 12:00"},
    ],
)
def test_prices_that_there_cannot_be_are_400(admin_client: Client, prices: None, choice: dict[str, str]) -> None:
    page, file = (ask(prices_of("bitcoin"), choice) for ask in (admin_client.get, admin_client.post))

    assert (page.status_code, file.status_code) == (400, 400)
    assert "<script>" not in page.content.decode().partition("<form")[2]


@pytest.mark.parametrize("coin_id", [text for text in HOSTILE.values() if text], ids=ascii)
def test_the_prices_of_a_hostile_coin_are_exported(admin_client: Client, coin_id: str, time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    make_coin(coin_id, name=coin_id)
    make_price(coin_id, time=NOON)

    page = admin_client.get(prices_of(coin_id))
    response = admin_client.post(prices_of(coin_id), {"step": "raw", "format": "json"})

    assert page.status_code == 200
    assert " | Export prices | coincrawl</title>" in page.content.decode()
    assert f"<bdi>{escape(coin_id.strip() or coin_id)}</bdi>" in page.content.decode()
    assert "/" not in response["Content-Disposition"]
    assert ids(read_json(body(response))) == [coin_id]


def test_the_prices_of_a_coin_that_does_not_exist_are_404(admin_client: Client) -> None:
    assert admin_client.get(prices_of("nothing")).status_code == 404
