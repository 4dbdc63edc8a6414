"""How people see the list of coins: the columns that each chooses, and views that they share."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from tests.support.admin import HOSTILE, keys_in_list, page_of, text_of
from tests.support.factories import make_coin
from tests.support.schedule_pages import staff, told
from webapp.coins.models import ChosenColumns, FullCoin, NamedView
from webapp.crawls.admin.coins import COLUMNS

pytestmark = pytest.mark.django_db

COINS = reverse("admin:coins_fullcoin_changelist")
COLUMNS_PAGE = reverse("admin:coins_fullcoin_columns")
VIEWS = reverse("admin:coins_fullcoin_views")
USUAL = ["market_cap_rank", "coin", "current_price", "price_change_percentage_24h", "week", "market_cap"]


def view_address(slug: str, what: str = "view") -> str:
    return reverse(f"admin:coins_fullcoin_{what}", args=[slug])


def headings(client: Client, address: str = COINS) -> list[str]:
    """The headings of a list's columns, without the box that selects rows."""
    make_coin() if not FullCoin.objects.exists() else None
    page = client.get(address, follow=True).content.decode()
    head = page.partition("<thead>")[2].partition("</thead>")[0]
    texts = [part.partition('class="text">')[2] for part in head.split("<th ")[1:]]
    names = [unescape(text.partition("</div>")[0]).partition(">")[2].partition("<")[0] for text in texts]
    return [name for name in names if name]


# The columns of each person ----------------------------------------------------------------------
@pytest.mark.every_database
def test_a_person_chooses_columns_and_their_order(admin_client: Client) -> None:
    response = admin_client.post(COLUMNS_PAGE, {"shown": ["ath", "coin", "symbol"], "save": ""}, follow=True)

    assert told(response) == ["The list has the columns that you have chosen."]
    assert headings(admin_client) == ["All-time high", "Coin", "Symbol"]


def test_each_person_has_a_choice_of_their_own(admin_client: Client, client: Client) -> None:
    admin_client.post(COLUMNS_PAGE, {"shown": ["coin"], "save": ""})
    other = staff(Client(), "view_fullcoin")

    assert headings(admin_client) == ["Coin"]
    assert headings(other)[:3] == ["Rank", "Coin", "Price"]


def test_the_usual_columns_come_back(admin_client: Client) -> None:
    admin_client.post(COLUMNS_PAGE, {"shown": ["coin"], "save": ""})

    admin_client.post(COLUMNS_PAGE, {"reset": ""})

    assert headings(admin_client)[:3] == ["Rank", "Coin", "Price"]
    assert not ChosenColumns.objects.exists()


def test_the_main_column_always_shows(admin_client: Client) -> None:
    admin_client.post(COLUMNS_PAGE, {"shown": ["ath"], "save": ""})

    assert headings(admin_client) == ["Coin", "All-time high"]


@pytest.mark.parametrize("text", [*HOSTILE.values(), "x" * 5_000, "pk", "__class__", "stale_before"])
def test_columns_that_do_not_exist_are_left_out(admin_client: Client, text: str) -> None:
    admin_client.post(COLUMNS_PAGE, {"shown": [text, "coin"], "order": [text], "move": f"up {text}", "save": ""})

    assert headings(admin_client) == ["Coin"]


def test_a_choice_that_a_later_version_cannot_show_is_repaired(admin_client: Client) -> None:
    ChosenColumns.objects.create(user=User.objects.get(), list="coins.fullcoin", columns=["gone", 5, "ath", "ath"])

    assert headings(admin_client) == ["Coin", "All-time high"]


def names(response: Any, part: str) -> list[str]:
    return [name for name, _ in response.context[part]]


@pytest.mark.parametrize(
    ("move", "order"),
    [
        pytest.param("up ath", ["ath", "coin", "atl"], id="up"),
        pytest.param("down ath", ["coin", "atl", "ath"], id="down"),
        pytest.param("first atl", ["atl", "coin", "ath"], id="to the beginning"),
        pytest.param("up coin", ["coin", "ath", "atl"], id="up from the first place"),
        pytest.param("down atl", ["coin", "ath", "atl"], id="down from the last place"),
        pytest.param("sideways ath", ["coin", "ath", "atl"], id="nonsense"),
        pytest.param("first symbol", ["coin", "ath", "atl"], id="one that is not shown"),
        pytest.param("", ["coin", "ath", "atl"], id="only added"),
    ],
)
def test_a_column_is_moved_without_javascript(admin_client: Client, move: str, order: list[str]) -> None:
    response = admin_client.post(COLUMNS_PAGE, {"shown": ["coin", "ath", "atl"], "move": move})

    assert names(response, "shown") == order
    assert sorted(names(response, "shown") + names(response, "others")) == sorted(COLUMNS)
    assert not ChosenColumns.objects.exists()


@pytest.mark.parametrize(
    ("move", "focused"),
    [
        pytest.param("up atl", "up atl", id="up"),
        pytest.param("down ath", "down ath", id="down"),
        pytest.param("up ath", "down ath", id="it cannot go further up"),
        pytest.param("first atl", "down atl", id="it is the first"),
    ],
)
def test_a_column_is_moved_on_by_the_same_button(admin_client: Client, move: str, focused: str) -> None:
    response = admin_client.post(COLUMNS_PAGE, {"shown": ["coin", "ath", "symbol", "atl"], "move": move})

    assert re.findall(r'value="([^"]*)" aria-label="[^"]*" autofocus', response.content.decode()) == [focused]


def test_the_page_of_columns_begins_with_those_that_are_shown(admin_client: Client) -> None:
    ChosenColumns.objects.create(user=User.objects.get(), list="coins.fullcoin", columns=["ath", "coin"])

    response = admin_client.get(COLUMNS_PAGE)

    assert names(response, "shown") == ["ath", "coin"]
    assert names(response, "others")[:3] == ["market_cap_rank", "week", "coin_id"]


def test_another_list_has_a_choice_of_its_own(admin_client: Client) -> None:
    ChosenColumns.objects.create(user=User.objects.get(), list="crawls.crawlrun", columns=["coin"])

    assert headings(admin_client)[:3] == ["Rank", "Coin", "Price"]


@pytest.mark.every_database
def test_filters_stay_and_an_order_goes_when_columns_are_chosen(admin_client: Client) -> None:
    query = "rank=ranked&q=a%26b&o=-3&columns=coin"

    response = admin_client.post(COLUMNS_PAGE, {"shown": ["coin"], "save": "", "query": query})

    assert response["Location"] == f"{COINS}?rank=ranked&q=a%26b"


def test_every_field_can_be_a_column(admin_client: Client) -> None:
    make_coin(name="x")

    page = admin_client.get(f"{COINS}?columns={','.join(COLUMNS)}")

    assert page.status_code == 200
    assert {field.name for field in FullCoin._meta.concrete_fields if field.editable} <= COLUMNS.keys()


def test_columns_are_chosen_by_who_may_see_the_list(client: Client) -> None:
    response = staff(client, "view_crawlrun").post(COLUMNS_PAGE, {"shown": ["coin"], "save": ""})

    assert response.status_code == 403
    assert not ChosenColumns.objects.exists()


# Views with names --------------------------------------------------------------------------------
@pytest.fixture
def saved(admin_client: Client) -> NamedView:
    make_coin("first", market_cap_rank=1)
    make_coin("second")
    admin_client.post(VIEWS, {"name": "  Big  ones ", "query": "rank=ranked&o=1&p=3&columns=coin,ath"})
    return NamedView.objects.get()


def test_a_view_has_an_address_of_its_own(admin_client: Client, saved: NamedView) -> None:
    assert (saved.name, saved.slug, saved.made_by) == ("Big ones", "big-ones", User.objects.get())

    opened = admin_client.get(view_address("big-ones"))

    assert keys_in_list(admin_client, opened["Location"]) == ["first"]
    assert headings(admin_client, view_address("big-ones")) == ["Coin", "All-time high"]
    assert "p=3" not in saved.query


def test_an_opened_view_is_updated_with_the_list_as_it_is_now(admin_client: Client, saved: NamedView) -> None:
    opened = admin_client.get(view_address("big-ones"))["Location"]
    update = f'action="{view_address("big-ones", "view_update")}"'
    pages = [admin_client.get(opened + more).content.decode() for more in ("", "&market=missing&p=2")]
    (query,) = re.findall(rf'(?s){update}.*?name="query" value="([^"]*)"', pages[1])

    response = admin_client.post(view_address("big-ones", "view_update"), {"query": unescape(query)}, follow=True)

    saved.refresh_from_db()
    assert [update in page for page in pages] == [False, True]
    assert told(response) == ["The view Big ones is updated."]
    assert saved.query == "rank=ranked&o=1&columns=coin%2Cath&market=missing"
    assert "Share this view" in response.content.decode()


def test_a_view_is_not_updated_with_nonsense(admin_client: Client, saved: NamedView) -> None:
    response = admin_client.post(view_address("big-ones", "view_update"), {"query": "rank=nonsense"})

    assert response.status_code == 400
    assert "There is no such choice." in response.content.decode()
    assert NamedView.objects.get().query == saved.query


@pytest.mark.every_database
def test_a_view_keeps_the_columns_of_whom_saved_it(admin_client: Client) -> None:
    admin_client.post(COLUMNS_PAGE, {"shown": ["coin", "atl"], "save": ""})
    admin_client.post(VIEWS, {"name": "Lows", "query": ""})

    assert headings(staff(Client(), "view_fullcoin"), view_address("lows")) == ["Coin", "All-time low"]


def test_views_are_listed_and_the_current_one_is_marked(admin_client: Client, saved: NamedView) -> None:
    admin_client.post(VIEWS, {"name": "<b>{0}", "query": "market=missing"})

    page = admin_client.get(view_address("big-ones"), follow=True).content.decode()

    assert f'<a href="{view_address("big-ones")}" aria-current="page"><bdi>Big ones</bdi></a>' in page
    assert "<bdi>&lt;b&gt;{0}</bdi>" in page
    assert page.count('aria-current="page"') == 1


@pytest.mark.every_database
def test_views_have_buttons_for_who_may_save_and_delete_them(admin_client: Client, saved: NamedView) -> None:
    address = f"{COINS}?{saved.query}"

    pages = [one.get(address).content.decode() for one in (admin_client, staff(Client(), "view_fullcoin"))]

    assert ["Save this view" in page for page in pages] == [True, False]
    assert [view_address("big-ones", "view_delete") in page for page in pages] == [True, False]
    assert re.search(r"(?s)<summary>Delete</summary>\s*<form[^>]*views/big-ones/delete/", pages[0])


def test_a_view_of_another_list_is_none_of_this_one(admin_client: Client) -> None:
    NamedView.objects.create(list="crawls.crawlrun", slug="failed", name="Failed runs")

    assert "Failed runs" not in admin_client.get(COINS).content.decode()
    assert admin_client.get(view_address("failed")).status_code == 404


def refused(client: Client, name: str, query: str) -> list[str]:
    """Why a view is not saved. The form keeps what was typed."""
    response = client.post(VIEWS, {"name": name, "query": query})
    form = response.context["form"]
    assert response.status_code == 400
    assert not NamedView.objects.filter(query__contains=query).exclude(query="").exists()
    assert (form["name"].value(), form["query"].value()) == (name, query)
    back = QueryDict(response.context["back"].partition("?")[2])
    assert back.keys() <= {"rank", "market", "current_price_min", "changed_at_max", "q", "o"}  # what the list has
    assert f'name="name" value="{escape(name)}"' in response.content.decode() or not name
    return [str(error) for errors in form.errors.values() for error in errors]


def test_a_name_of_a_hundred_characters_is_long_enough(admin_client: Client) -> None:
    errors = refused(admin_client, "x" * 101, "rank=ranked")
    admin_client.post(VIEWS, {"name": " ".join(["x" * 50, " " * 9, "y" * 49]), "query": "rank=ranked"})

    assert errors == ["A name has at most 100 characters, and this one has 101."]
    assert NamedView.objects.get().name == f"{'x' * 50} {'y' * 49}"


def test_a_view_keeps_nothing_of_the_moment(admin_client: Client) -> None:
    admin_client.post(VIEWS, {"name": "Mine", "query": "rank=ranked&p=3&e=1&all=&_popup=1&_to_field=x&columns=coin"})

    assert NamedView.objects.get().query == "rank=ranked&columns=coin"


@pytest.mark.parametrize("name", ["الكبار", "Größte", "大きいコイン"])
def test_a_view_is_named_in_any_script(admin_client: Client, name: str) -> None:
    admin_client.post(VIEWS, {"name": name, "query": "columns=coin,ath"})
    slug = NamedView.objects.get().slug

    assert headings(admin_client, view_address(slug)) == ["Coin", "All-time high"]
    assert admin_client.post(view_address(slug, "view_delete")).status_code == 302
    assert not NamedView.objects.exists()


def test_a_message_names_the_address_for_others(admin_client: Client) -> None:
    shared = f"http://testserver{view_address('mine')}"

    response = admin_client.post(VIEWS, {"name": "Mine", "query": ""}, follow=True)

    words = "The view <bdi>Mine</bdi> is saved. Its address for others:"
    assert told(response) == [f'{words} <a href="{shared}">{shared}</a>']
    assert f'Share this view: <a href="{shared}">{shared}</a>' in response.content.decode()
    assert "Share this view" not in admin_client.get(f"{COINS}?q=a").content.decode()


@pytest.mark.parametrize("name", ["", "   ", "🚀", "{}", "\0"])
def test_a_view_needs_a_name(admin_client: Client, name: str) -> None:
    errors = refused(admin_client, name, "rank=ranked")

    assert ("A view needs a name" in errors[0]) == ("\0" not in name)


@pytest.mark.parametrize("name", ["Change", "history", "delete!", "Review"])
def test_no_view_stands_before_a_page_of_the_coin_named_views(admin_client: Client, name: str) -> None:
    coin = make_coin("views")

    errors = refused(admin_client, name, "rank=ranked")

    assert errors == [f"A view cannot have the name {name}: choose another."]
    assert text_of(admin_client, page_of(coin))
    assert text_of(admin_client, page_of(coin).replace("/change/", "/history/"))


@pytest.mark.every_database
def test_a_name_is_given_once(admin_client: Client, saved: NamedView) -> None:
    errors = refused(admin_client, "<big> ONES", "market=missing")

    assert errors == ["There is a view with the name Big ones already: choose another."]


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("rank=nonsense", "rank: \u201c<bdi>nonsense</bdi>\u201d. There is no such choice."),
        ("current_price_min=abc", "price, at least: \u201c<bdi>abc</bdi>\u201d. This is not a number."),
        ("changed_at_max=2026-13-01", "changed, until: \u201c<bdi>2026-13-01</bdi>\u201d. This is not a date"),
        ("password=x", "The list has no filter <bdi>password</bdi>."),
        ("<script>=1&rank=ranked", "The list has no filter <bdi>&lt;script&gt;</bdi>."),
        ("%00=1", "The list has no filter <bdi>\0</bdi>."),
        ("q=a%00", "Null characters are not allowed."),
        ("o=%00", "The list's address has more than 5,000 characters, or a NUL character."),
        (f"q={'x' * 301}", "The search is longer than 300 characters"),
        ("x" * 6_000, "The list has no filter <bdi>xxx"),
        ("o=" + "9." * 3_000, "The list's address has more than 5,000 characters"),
        ("%F0%9F", "The list has no filter"),
    ],
)
def test_a_view_of_nonsense_is_not_saved_and_says_why(admin_client: Client, query: str, reason: str) -> None:
    errors = refused(admin_client, "Odd", query)

    assert errors[0].startswith(reason)
    assert not NamedView.objects.exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        pytest.param("gone=1&rank=ranked&columns=coin,ath", "a filter that the list does not have any more", id="gone"),
        pytest.param(
            "data=gone&rank=ranked&columns=coin,ath", "Not filtered by data: \u201c gone \u201d.", id="renamed"
        ),
        pytest.param("changed_at_min=x&rank=ranked&columns=coin,ath", "Not filtered by changed", id="a limit"),
    ],
)
def test_a_view_that_has_become_nonsense_opens_the_list_and_says_so(
    admin_client: Client, saved: NamedView, query: str, words: str
) -> None:
    NamedView.objects.update(query=query)

    page = text_of(admin_client, admin_client.get(view_address("big-ones"))["Location"])
    opened = admin_client.get(view_address("big-ones"), follow=True)

    assert words in page or words in told(opened)[0]
    assert [coin.pk for coin in opened.context["cl"].result_list] == ["first"]
    assert view_address("big-ones", "view_delete") in opened.content.decode()


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param(["view_fullcoin"], 403, id="may look"),
        pytest.param(["add_namedview"], 403, id="may save, not look"),
        pytest.param(["view_fullcoin", "add_namedview"], 302, id="may do both"),
    ],
)
def test_saving_a_view_needs_permission(client: Client, permissions: list[str], status: int) -> None:
    maria = staff(client, *permissions)

    response = maria.post(VIEWS, {"name": "Mine", "query": ""})

    assert response.status_code == status
    assert NamedView.objects.exists() == (status == 302)


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        pytest.param(["view_fullcoin"], 403, id="another's"),
        pytest.param(["delete_namedview"], 403, id="may delete, not look"),
        pytest.param(["view_fullcoin", "delete_namedview"], 302, id="with permission"),
    ],
)
@pytest.mark.parametrize("what", ["delete", "change"])
def test_deleting_and_updating_a_view_need_permission(
    saved: NamedView, permissions: list[str], status: int, what: str
) -> None:
    address = view_address("big-ones", "view_delete" if what == "delete" else "view_update")
    maria = staff(Client(), *(name.replace("delete", what) for name in permissions))

    response = maria.post(address, {"query": "rank=unranked"})

    untouched = NamedView.objects.filter(query=saved.query).exists()
    assert (response.status_code, untouched) == (status, status == 403)


@pytest.mark.every_database
def test_its_maker_updates_and_deletes_a_view(client: Client) -> None:
    maria = staff(client, "view_fullcoin", "add_namedview")
    maria.post(VIEWS, {"name": "Mine", "query": ""})

    maria.post(view_address("mine", "view_update"), {"query": "rank=ranked&columns=coin"})
    assert NamedView.objects.get().query == "rank=ranked&columns=coin"
    maria.post(view_address("mine", "view_delete"))

    assert not NamedView.objects.exists()


@pytest.mark.every_database
@pytest.mark.parametrize(
    "address", [VIEWS, view_address("big-ones", "view_delete"), view_address("big-ones", "view_update")]
)
def test_no_view_is_saved_or_deleted_by_get(admin_client: Client, saved: NamedView, address: str) -> None:
    assert admin_client.get(address, {"name": "x"}).status_code == 405
    assert NamedView.objects.count() == 1


@pytest.mark.every_database
def test_a_view_that_does_not_exist_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(view_address("nothing")).status_code == 404
    assert admin_client.post(view_address("nothing", "view_delete")).status_code == 404
    assert admin_client.post(view_address("nothing", "view_update")).status_code == 404


@pytest.mark.every_database
def test_a_view_stays_when_its_maker_is_deleted(admin_client: Client) -> None:
    maria = staff(Client(), "view_fullcoin", "add_namedview")
    maria.post(VIEWS, {"name": "Mine", "query": ""})

    User.objects.get(username="maria").delete()

    assert NamedView.objects.get().made_by is None
