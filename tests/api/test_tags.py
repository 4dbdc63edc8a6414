"""ETags of lists of coins: they are known before a page is written, and change with everything that is on it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.test import Client, RequestFactory

from tests.support.api import COINS
from tests.support.calls import calls_of
from tests.support.factories import HOUR, NOON, make_coin
from tests.support.hostile import fill
from webapp.api import tags
from webapp.api.pages import Found
from webapp.api.writing import COIN
from webapp.coins.models import FullCoin

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

OTHERS = {  # another value of each field, by the type of its column
    "CharField": "other",
    "URLField": "https://pictures.example/other.png",
    "IntegerField": 7,
    "ExactDecimalField": Decimal("0.1"),
    "DateTimeField": NOON + HOUR,
}


def make_coins() -> None:
    for number in range(1, 5):
        make_coin(f"coin-{number}", market_cap=number, market_cap_rank=number, name="a" if number < 3 else "b")


def change(coin_id: str, **values: Any) -> None:
    """By hand: the dates of changes stay as they are."""
    FullCoin.objects.filter(pk=coin_id).update(**values)


def asked_again(reader: Client, address: str, first: Any) -> Any:
    return reader.get(address, headers={"If-None-Match": first["ETag"]})


def test_the_tag_changes_with_each_field_of_a_coin(reader: Client) -> None:
    make_coin()
    missed = []

    for name, field in COIN.items():
        first = reader.get(COINS)
        FullCoin.objects.update(**{name: OTHERS[field.get_internal_type()]})
        again = asked_again(reader, COINS, first)
        missed += [name] if again.status_code != 200 or again["ETag"] == first["ETag"] else []

    assert missed == []


CHANGES: list[Any] = [
    pytest.param("", lambda: make_coin("coin-0"), id="a coin came before the others"),
    pytest.param("?page_size=2", lambda: make_coin("coin-9"), id="a coin came on a later page"),
    pytest.param("?page_size=4", lambda: make_coin("coin-9"), id="a next page came"),
    pytest.param("", lambda: FullCoin.objects.filter(pk="coin-4").delete(), id="a coin went"),
    pytest.param("?search=b&fields=symbol", lambda: change("coin-2", name="b"), id="a filter finds one more"),
    pytest.param("?rank_max=3&fields=symbol", lambda: change("coin-1", market_cap_rank=9), id="a filter finds less"),
    pytest.param("?missing=false", lambda: change("coin-1", missing_since=NOON), id="a coin left the market"),
    pytest.param(
        "?ordering=-market_cap&fields=symbol", lambda: change("coin-1", market_cap=9), id="the order of equal rows"
    ),
    pytest.param(
        "?ordering=-market_cap&fields=coin_id&page=2&page_size=1", lambda: change("coin-1", market_cap=9), id="a page"
    ),
]


@pytest.mark.parametrize(("query", "act"), CHANGES)
def test_the_tag_changes_with_the_rows_of_a_page(reader: Client, query: str, act: Callable[[], Any]) -> None:
    make_coins()
    first = reader.get(COINS + query)
    act()

    again = asked_again(reader, COINS + query, first)

    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        pytest.param("?page_size=2", {"market_cap": 9}, id="a coin of another page"),
        pytest.param("?fields=symbol", {"market_cap": 9}, id="a field that was not asked for"),
        pytest.param("", {"stale_before": NOON, "field_changes": "x"}, id="what the API does not show"),
        pytest.param("", {"market_cap": Decimal("4.000")}, id="zeros after the point"),
    ],
)
def test_what_is_not_on_the_page_leaves_its_tag(reader: Client, query: str, values: dict[str, Any]) -> None:
    make_coins()
    first = reader.get(COINS + query)
    change("coin-4", **values)

    again = asked_again(reader, COINS + query, first)

    assert (again.status_code, again["ETag"]) == (304, first["ETag"])


def test_each_address_has_a_tag_of_its_own(reader: Client) -> None:
    """The links of a page depend on its address."""
    make_coins()
    queries = ("", "?page=1", "?page_size=50", "?search=coin", "?fields=coin_id", "?fields=symbol")

    found = [reader.get(COINS + query)["ETag"] for query in queries]
    found += [reader.get(COINS, headers={"Host": "127.0.0.1"})["ETag"]]

    assert len(set(found)) == len(queries) + 1


def test_the_same_page_has_the_same_tag_whatever_is_stored(reader: Client) -> None:
    fill()
    address = f"{COINS}?page_size=1000"
    first = reader.get(address)

    again, unchanged = reader.get(address), asked_again(reader, address, first)

    assert (again["ETag"], again.content) == (first["ETag"], first.content)
    assert (unchanged.status_code, unchanged["ETag"]) == (304, first["ETag"])


def test_a_tag_depends_on_values_alone() -> None:
    """Not on which objects they are: those of another process are others."""
    request: Any = RequestFactory().get(COINS)
    text = "".join(("a", "b"))
    one, same = [("ab", 2**70, 0.1), ("ab", 2**70, 0.1)], [(text, 2**69 * 2, 0.1 + 0), ("".join("ab"), 2**70, 0.1)]

    assert tags.tag_of(request, Found(one, 2), 2) == tags.tag_of(request, Found(same, 2), 2)


def test_other_code_has_other_tags(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_coins()
    first = reader.get(COINS)
    monkeypatch.setattr(tags, "CODE", b"other")

    again = asked_again(reader, COINS, first)

    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


def test_an_unchanged_page_is_not_written(
    reader: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    make_coins()
    first = reader.get(COINS)
    monkeypatch.delattr("webapp.api.views.write")

    with django_assert_num_queries(3):  # whose token, how many, what is stored
        again = asked_again(reader, COINS, first)

    assert again.status_code == 304


@pytest.mark.parametrize(("market_cap", "status"), [(1, 200), (9, 412)], ids=["unchanged", "changed"])
def test_a_page_is_only_sent_if_it_matches(reader: Client, market_cap: int, status: int) -> None:
    make_coins()
    first = reader.get(COINS)
    change("coin-1", market_cap=market_cap)

    again = reader.get(COINS, headers={"If-Match": first["ETag"]})

    assert again.status_code == status
    assert bool(again.content) == (status == 200)


def test_a_page_past_the_end_is_missing_whatever_its_tag(reader: Client) -> None:
    make_coins()

    again = reader.get(f"{COINS}?page=9", headers={"If-None-Match": '"x"', "If-Match": '"y"'})

    assert again.status_code == 404


def calls(reader: Client, size: int, **headers: str) -> int:
    """To answer a request for a page of so many coins."""
    return calls_of(lambda: reader.get(f"{COINS}?page_size={size}", headers=headers))


def test_a_coin_costs_few_calls(reader: Client) -> None:
    """With all its numbers and five dates. This does not depend on the machine, as times do."""
    numbers = {name: Decimal("1.5") for name, field in COIN.items() if isinstance(field, models.DecimalField)}
    dates = dict.fromkeys(("last_updated", "ath_date", "atl_date"), NOON)
    FullCoin.objects.upsert(({"coin_id": f"{number:03}"} | numbers | dates for number in range(200)), NOON)
    tags_of = {size: reader.get(f"{COINS}?page_size={size}")["ETag"] for size in (100, 200)}

    sent = [calls(reader, size) for size in tags_of]
    kept = [calls(reader, size, **{"If-None-Match": tag}) for size, tag in tags_of.items()]

    assert (sent[1] - sent[0]) / 100 < {"sqlite": 220, "postgresql": 141}[connection.vendor]
    assert (kept[1] - kept[0]) / 100 < 4
