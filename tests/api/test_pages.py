"""Lists in pages, and the links that join them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client

from tests.support.api import COINS, RUNS, ids, make_rows, read, rejected, walk
from tests.support.factories import NOON, make_coin
from webapp.coins.models import FullCoin
from webapp.coins.models.coin import ORDERINGS

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def make_coins(number: int) -> None:
    """Coins 000, 001 and so on, ranked from 1 on."""
    rows = ({"coin_id": f"{rank - 1:03}", "market_cap_rank": rank} for rank in range(1, number + 1))
    FullCoin.objects.upsert(rows, NOON)


@pytest.mark.parametrize("size", [10, 1_000])
def test_the_number_of_queries_does_not_grow_with_the_page(
    reader: Client, size: int, django_assert_num_queries: Any
) -> None:
    make_coins(1_001)

    with django_assert_num_queries(3):  # whose token, how many, which
        page = read(reader, COINS, page_size=size)

    assert len(page["results"]) == size


@pytest.mark.parametrize("order", ["coin_id", "-coin_id", "-market_cap_rank"])
@pytest.mark.parametrize("size", [1, 3, 7, 1_000])
def test_the_links_lead_through_all_coins(reader: Client, order: str, size: int) -> None:
    make_coins(7)
    expected = [f"{number:03}" for number in range(7)]

    pages = list(walk(reader, f"{COINS}?ordering={order}&page_size={size}"))

    found = [coin_id for page in pages for coin_id in ids(page)]
    assert found == (expected if order == "coin_id" else expected[::-1])
    assert [len(page["results"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert {page["count"] for page in pages} == {7}
    assert pages[0]["previous"] is None


def test_the_links_lead_through_all_coins_whatever_fields_are_asked_for(reader: Client) -> None:
    for number in range(7):
        make_coin(f"{number:03}", name=f"Name {9 - number}")

    names = [row["name"] for page in walk(reader, f"{COINS}?fields=name&page_size=2") for row in page["results"]]

    assert names == [f"Name {9 - number}" for number in range(7)]


def test_links_keep_the_question_and_know_the_pages_beside(reader: Client) -> None:
    make_coins(9)

    pages = list(walk(reader, f"{COINS}?rank_max=8&fields=coin_id&page_size=3"))
    by_number = read(reader, pages[2]["previous"])

    asked = [parse_qs(urlsplit(page["next"]).query) for page in pages[:2]]
    same = {"rank_max": ["8"], "fields": ["coin_id"], "page_size": ["3"]}
    assert asked == [same | {"page": ["2"], "after": ["002"]}, same | {"page": ["3"], "after": ["005"]}]
    assert pages[1]["previous"] == f"http://testserver{COINS}?rank_max=8&fields=coin_id&page_size=3&page=1"
    assert pages[2]["results"] == [{"coin_id": "006"}, {"coin_id": "007"}]
    assert pages[2]["previous"] == f"http://testserver{COINS}?rank_max=8&fields=coin_id&page_size=3&page=2"
    assert by_number["results"] == pages[1]["results"]


def test_a_client_that_follows_the_links_misses_no_coin_while_coins_come_and_go(reader: Client) -> None:
    make_coins(30)
    found = []

    for number, page in enumerate(walk(reader, f"{COINS}?missing=false&page_size=4")):
        found += ids(page)
        # Of the coins that were read the first three are missing now, and new ones come before all others; by page
        # numbers the first would shift the following pages forwards, and lose coins, and the second backwards.
        FullCoin.objects.filter(pk__in=found[:3]).update(missing_since=NOON)
        if number % 2:
            make_coin(f" {number}")

    assert found == [f"{number:03}" for number in range(30)]


@pytest.mark.parametrize("left", [2, 0])
def test_what_follows_may_be_gone_when_a_link_is_followed(reader: Client, left: int) -> None:
    make_coins(4)
    first = read(reader, COINS, page_size=2)
    FullCoin.objects.filter(market_cap_rank__gt=left).delete()

    second = read(reader, first["next"])

    assert (second["count"], second["results"], second["next"]) == (left, [], None)


@pytest.mark.parametrize("order", [name.removeprefix("-") for name in ORDERINGS])
@pytest.mark.parametrize("sign", ["", "-"])
def test_after_is_where_the_default_order_begins_and_a_filter_in_every_other(
    reader: Client, order: str, sign: str
) -> None:
    make_coins(6)

    first = read(reader, COINS, ordering=sign + order, after="001", page_size=3)
    third = reader.get(f"{COINS}?ordering={sign}{order}&after=001&page_size=3&page=3")

    is_default = sign + order == "coin_id"
    assert set(ids(first)) <= {"002", "003", "004", "005"}
    assert (first["count"], first["previous"]) == (6 if is_default else 4, None)
    assert third.status_code == (200 if is_default else 404)


def test_in_another_order_after_is_a_filter(reader: Client) -> None:
    make_coins(6)

    pages = list(walk(reader, f"{COINS}?ordering=-coin_id&after=001&page_size=2"))

    assert [ids(page) for page in pages] == [["005", "004"], ["003", "002"]]
    assert pages[0]["count"] == 4
    assert rejected(reader, f"{COINS}?ordering=-coin_id&after=001&page_size=2&page=3", 404)


@contextmanager
def once_between_statements(do: Callable[[], object]) -> Iterator[None]:
    """Something is done to the database after the first statement about coins, as another process might."""
    todo = [do]

    def statement(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if "coins_fullcoin" in sql and todo:
            todo.pop()()
        return result

    with connection.execute_wrapper(statement):
        yield


@pytest.mark.parametrize(
    "do",
    [
        pytest.param(lambda: make_coins(5), id="more come"),
        pytest.param(lambda: FullCoin.objects.all().delete(), id="all go"),
    ],
)
def test_count_is_never_less_than_what_was_read(reader: Client, do: Callable[[], object]) -> None:
    make_coins(3)

    with once_between_statements(do):
        page = read(reader, f"{COINS}?page=2&page_size=2")

    assert page["count"] >= 2 + len(page["results"]) > 2


def test_an_empty_list_is_one_page(reader: Client) -> None:
    assert read(reader, COINS) == {"count": 0, "next": None, "previous": None, "results": []}


@pytest.mark.parametrize("address", [COINS, RUNS])
@pytest.mark.parametrize("page", [2, 10**15])
@pytest.mark.parametrize("size", [100, 1_000])
def test_a_page_past_the_end_is_404(reader: Client, address: str, size: int, page: int) -> None:
    make_rows()

    sentence = rejected(reader, f"{address}?page_size={size}&page={page}", 404)

    assert sentence == f"Page {page} is past the end: there are 1 results, {size} on a page."


def test_a_page_has_100_results_by_default(reader: Client) -> None:
    make_coins(101)

    assert len(read(reader, COINS)["results"]) == 100
