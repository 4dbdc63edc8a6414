"""/api/coins.csv: the whole list for spreadsheets that read an address."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from tests.support.api import COINS, ids, read, rejected
from tests.support.exports import FORMULAS, read_csv
from tests.support.factories import NOON, make_coin

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

FILE = "/api/coins.csv"


def rows(client: Client, **query: Any) -> list[dict[str, str]]:
    response = client.get(FILE, query)
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return read_csv(response.content)


def test_it_has_all_coins_with_the_fields_of_the_api(reader: Client) -> None:
    for number in range(150):
        make_coin(f"coin-{number}")

    found = rows(reader)

    assert len(found) == 150
    assert [*found[0]] == [*read(reader, "/api/coins/coin-0/")]


def test_it_is_safe_for_spreadsheets_and_begins_with_its_headings(reader: Client) -> None:
    make_coin(name="=1+1", current_price=Decimal("-0.5"), last_updated=NOON)

    response = reader.get(f"{FILE}?fields=name,current_price,last_updated")

    assert response.content == b'name,current_price,last_updated\r\n"\'=1+1",-0.5,2026-02-05 12:00:00\r\n'


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_no_text_is_a_formula(reader: Client, text: str) -> None:
    make_coin(name=text)

    assert rows(reader, fields="name") == [{"name": f"'{text}"}]


@pytest.mark.parametrize(
    "query",
    [
        {"rank_max": 3},
        {"ordering": "-market_cap_rank"},
        {"search": "2"},
        {"missing": "true"},
        {"price_min": "2.5", "ordering": "market_cap_rank"},
    ],
    ids=str,
)
def test_its_filters_and_orders_are_those_of_the_list(reader: Client, query: dict[str, Any]) -> None:
    for number in range(5):
        make_coin(f"coin-{number}", market_cap_rank=number, current_price=number)
    make_coin("gone", missing_since=NOON)

    assert [row["coin_id"] for row in rows(reader, **query)] == ids(read(reader, COINS, **query))


@pytest.mark.parametrize(
    "query", ["page=1", "page_size=10", "after=a", "rank_max=x", "fields=stale_before", "format=csv"]
)
@pytest.mark.parametrize("accept", ["*/*", "text/csv", "application/json"])
def test_what_is_no_parameter_is_a_sentence_in_json(reader: Client, query: str, accept: str) -> None:
    response = reader.get(f"{FILE}?{query}", headers={"Accept": accept})

    assert (response.status_code, response["Content-Type"]) == (400, "application/json")
    assert [*response.json()] == ["detail"]


def test_without_a_token_nothing_is_read(client: Client) -> None:
    assert rejected(client, FILE, 401) == "Authentication credentials were not provided."


def test_what_cannot_be_sent_is_406(reader: Client) -> None:
    assert reader.get(FILE, headers={"Accept": "image/png"}).status_code == 406


def test_it_is_not_sent_again_until_something_changes(reader: Client) -> None:
    coin = make_coin(current_price=1)
    tag = reader.get(FILE)["ETag"]

    same = reader.get(FILE, headers={"If-None-Match": tag})
    coin.current_price = Decimal(2)
    coin.save()
    other = reader.get(FILE, headers={"If-None-Match": tag})

    assert (same.status_code, same.content, other.status_code) == (304, b"", 200)


def test_nothing_is_written_and_options_are_answered(reader: Client) -> None:
    assert reader.post(FILE).status_code == 405
    assert reader.options(FILE)["Content-Type"] == "application/json"
    assert (reader.head(FILE).status_code, reader.head(FILE).content) == (200, b"")
