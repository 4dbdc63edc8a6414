"""Filters, orders and fields, and what is rejected with a sentence."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client

from tests.support.api import COINS, HEALTH, ids, read, rejected
from tests.support.factories import NOON, make_coin
from webapp.coins.models import FullCoin
from webapp.coins.models.coin import ORDERINGS

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


@pytest.fixture
def market() -> None:
    make_coin("bitcoin", name="Bitcoin", symbol="btc", market_cap_rank=1, current_price=96_000, market_cap=10**12)
    make_coin("ether", name="Ethereum", symbol="ETH", market_cap_rank=2, current_price=2_000, market_cap=10**11)
    make_coin("dust", name="Bit of 100%", symbol="", current_price=Decimal("0.0000001"), missing_since=NOON)
    make_coin("unknown", market_cap_rank=900, total_volume=5, changed_at=NOON + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param({"symbol": "BTC"}, "bitcoin", id="symbol"),
        pytest.param({"symbol": "eth"}, "ether", id="symbol in capitals"),
        pytest.param({"symbol": "bt"}, "", id="part of a symbol"),
        pytest.param({"symbol": "b_c"}, "", id="symbol that is a pattern"),
        pytest.param({"rank_max": 2}, "bitcoin ether", id="rank_max"),
        pytest.param({"rank_min": 2}, "ether unknown", id="rank_min"),
        pytest.param({"rank_min": "-2147483648", "rank_max": "2147483647"}, "bitcoin ether unknown", id="any rank"),
        pytest.param({"price_min": "2000"}, "bitcoin ether", id="price_min"),
        pytest.param({"price_max": "0.0000001"}, "dust", id="price_max"),
        pytest.param({"price_min": "0.0000001", "price_max": "2000.00"}, "dust ether", id="prices between"),
        pytest.param({"price_min": f"-{'9' * 30}.{'9' * 30}"}, "bitcoin dust ether", id="all digits"),
        pytest.param({"market_cap_min": "1000000000000"}, "bitcoin", id="market_cap_min"),
        pytest.param({"market_cap_max": "999999999999.9"}, "ether", id="market_cap_max"),
        pytest.param({"missing": "true"}, "dust", id="missing"),
        pytest.param({"missing": "false"}, "bitcoin ether unknown", id="not missing"),
        pytest.param({"search": "bit"}, "bitcoin dust", id="search"),
        pytest.param({"search": "  BIT of\tbit "}, "dust", id="every word"),
        pytest.param({"search": "eth dust"}, "", id="words of two coins"),
        pytest.param({"search": "100%"}, "dust", id="a percent sign"),
        pytest.param({"search": "b%n"}, "", id="search that is a pattern"),
        pytest.param({"search": "a " * 50}, "", id="many words"),
        pytest.param({"search": "bit", "missing": "false"}, "bitcoin", id="two filters"),
        pytest.param({"after": "dust"}, "ether unknown", id="after"),
        pytest.param({"page": 7, "after": "dust"}, "ether unknown", id="after, whatever the page"),
    ],
)
def test_filters_leave_what_is_asked_for(reader: Client, market: None, query: dict[str, Any], found: str) -> None:
    assert ids(read(reader, COINS, **query)) == found.split()


@pytest.mark.parametrize(
    ("since", "coins"),
    [
        pytest.param("2026-02-05T12:00:00Z", 4, id="then"),
        pytest.param("2026-02-05T12:00:00.000001Z", 1, id="a microsecond later"),
        pytest.param("2026-02-05T12:00:00.000001999999999Z", 1, id="finer than microseconds"),
        pytest.param("2026-02-05T12:00:00.000002Z", 0, id="later"),
        pytest.param("2026-02-05t14:00:00.000001+02:00", 1, id="with an offset"),
        pytest.param("2026-02-05T14:00:00.000001 02:00", 1, id="with a plus that came as a space"),
        pytest.param("2026-02-05 03:30:00.000001-08:30", 1, id="with a space and an offset to the west"),
        pytest.param("2026-02-05T12:00:00.000001", 1, id="without an offset, in UTC"),
        pytest.param("2026-02-06", 0, id="a day"),
        pytest.param("0001-01-01T00:00:00Z", 4, id="in the first year"),
    ],
)
def test_changes_are_asked_for_from_any_instant_on(reader: Client, market: None, since: str, coins: int) -> None:
    assert read(reader, COINS, changed_since=since)["count"] == coins


@pytest.mark.parametrize("order", ["coin_id", "changed_at"])
@pytest.mark.parametrize("is_reversed", [False, True], ids=["as it is", "reversed"])
def test_an_index_serves_an_order_and_its_reverse(order: str, *, is_reversed: bool) -> None:
    coins = FullCoin.objects.order_by(*ORDERINGS[order])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # which reads and sorts so few rows sooner than an index
            cursor.execute("SET LOCAL enable_seqscan = off")

    plan = (coins.reverse() if is_reversed else coins)[:10].explain().upper()

    assert "INDEX" in plan
    assert "SORT" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param("coin_id", "bitcoin dust ether unknown", id="coin_id"),
        pytest.param("market_cap_rank", "bitcoin ether unknown dust", id="market_cap_rank"),
        pytest.param("-market_cap", "bitcoin ether dust unknown", id="market_cap"),
        pytest.param("-total_volume", "unknown bitcoin dust ether", id="total_volume"),
        pytest.param("changed_at", "bitcoin dust ether unknown", id="changed_at"),
    ],
)
def test_each_order_has_its_reverse(reader: Client, market: None, order: str, expected: str) -> None:
    opposite = order[1:] if order.startswith("-") else f"-{order}"

    one, other = (ids(read(reader, COINS, ordering=name)) for name in (order, opposite))

    assert one == expected.split()
    assert other == one[::-1]
    assert order in ORDERINGS


def test_only_the_fields_that_are_asked_for_are_answered(reader: Client, market: None) -> None:
    page = read(reader, COINS, fields="current_price,coin_id,coin_id", page_size=2)
    coin = read(reader, "/api/coins/bitcoin/", fields="current_price")

    assert list(page["results"][0]) == ["coin_id", "current_price"]
    assert page["results"] == [
        {"coin_id": "bitcoin", "current_price": "96000"},
        {"coin_id": "dust", "current_price": "0.0000001"},
    ]
    assert coin == {"current_price": "96000"}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("fields=coin_id&fields=current_price", id="given twice"),
        pytest.param("fields=current_price&fields=coin_id&fields=coin_id", id="in another order, and one twice"),
        pytest.param("fields=coin_id,current_price&fields=coin_id", id="in both ways"),
    ],
)
def test_fields_may_be_given_one_by_one(reader: Client, market: None, query: str) -> None:
    both = read(reader, f"{COINS}?{query}&page_size=2")
    coin = read(reader, f"/api/coins/bitcoin/?{query}")

    assert both["results"][0] == coin == {"coin_id": "bitcoin", "current_price": "96000"}
    assert read(reader, both["next"])["results"][0].keys() == coin.keys()


FILTERS = (
    "page, page_size, fields, symbol, rank_min, rank_max, price_min, price_max, market_cap_min, market_cap_max, "
    "missing, changed_since, search, ordering, after"
)
FORMATS = "Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
BIG = "99999999999999999999999999999999"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        pytest.param("smybol=btc", f"There is no parameter smybol. The parameters are {FILTERS}.", id="misspelt"),
        pytest.param("format=xml", f"There is no parameter format. The parameters are {FILTERS}.", id="format"),
        pytest.param("symbol=a&symbol=b", "symbol: This parameter may be given only once.", id="twice"),
        pytest.param("symbol=", "symbol: This field may not be blank.", id="empty"),
        pytest.param(f"symbol={'x' * 101}", "symbol: Ensure this field has no more than 100 characters.", id="long"),
        pytest.param(f"after={'x' * 256}", "after: Ensure this field has no more than 255 characters.", id="after"),
        pytest.param("search=+%09", "search: This field may not be blank.", id="no words"),
        pytest.param(f"search={'x' * 101}", "search: Ensure this field has no more than 100 characters.", id="words"),
        pytest.param("rank_min=1.5", "rank_min: A valid integer is required.", id="no rank"),
        pytest.param(
            "rank_max=2147483648", "rank_max: Ensure this value is less than or equal to 2147483647.", id="high rank"
        ),
        pytest.param("price_min=much", "price_min: A valid number is required.", id="no number"),
        pytest.param("price_max=NaN", "price_max: A valid number is required.", id="NaN"),
        pytest.param("price_max=-Infinity", "price_max: A valid number is required.", id="infinity"),
        pytest.param("price_max=1,5", "price_max: A valid number is required.", id="a comma"),
        pytest.param(
            f"market_cap_min={BIG}",
            "market_cap_min: Ensure that there are no more than 30 digits before the decimal point.",
            id="many digits",
        ),
        pytest.param("price_min=1e61", "price_min: Ensure that there are no more than 60 digits in total.", id="huge"),
        pytest.param(
            f"market_cap_max=0.{BIG}",
            "market_cap_max: Ensure that there are no more than 30 decimal places.",
            id="many places",
        ),
        pytest.param("missing=perhaps", "missing: Must be a valid boolean.", id="neither true nor false"),
        *(
            pytest.param(f"changed_since={text}", f"changed_since: Datetime has wrong format. {FORMATS}", id=text)
            for text in (
                "yesterday",
                "2026-02-30T12:00:00Z",
                "2026-02-05T12:00:00%2B24:00",
                "2026-02-05T12:00:60Z",
                "0000-02-05T12:00:00Z",
                "1712011200000",
                "20260205T120000Z",
                "2026-W06-4T12:00:00Z",
            )
        ),
        pytest.param(
            "changed_since=0001-01-01T00:00:00%2B01:00", "changed_since: Datetime value out of range.", id="too early"
        ),
        pytest.param(
            "ordering=name",
            "ordering: Must be one of coin_id, -coin_id, market_cap_rank, -market_cap_rank, -market_cap, market_cap, "
            "-total_volume, total_volume, changed_at, -changed_at.",
            id="no such order",
        ),
        pytest.param("page=0", "page: Ensure this value is greater than or equal to 1.", id="page 0"),
        pytest.param("page=last", "page: A valid integer is required.", id="no page"),
        pytest.param(
            f"page={2**63}", f"page: Ensure this value is less than or equal to {10**15}.", id="no database's page"
        ),
        pytest.param("page_size=1001", "page_size: Ensure this value is less than or equal to 1000.", id="too much"),
        pytest.param("page_size=0", "page_size: Ensure this value is greater than or equal to 1.", id="too little"),
        pytest.param(
            "page=0&missing=&x=1&y=1",
            f"There is no parameter x. The parameters are {FILTERS}. page: Ensure this value is greater than or equal "
            "to 1. missing: Must be a valid boolean.",
            id="more than one",
        ),
    ],
)
def test_an_invalid_query_is_400_with_a_sentence(reader: Client, query: str, sentence: str) -> None:
    assert rejected(reader, f"{COINS}?{query}", 400) == sentence


@pytest.mark.parametrize("address", [COINS, "/api/coins/bitcoin/"])
@pytest.mark.parametrize(
    "fields", [["coin_id,nmae"], [""], ["coin_id,"], ["coin_id name"], ["node"], ["coin_id", "nmae"], ["coin_id", ""]]
)
def test_unknown_fields_are_rejected(reader: Client, address: str, fields: list[str]) -> None:
    sentence = rejected(reader, f"{address}?{urlencode({'fields': fields}, doseq=True)}", 400)

    assert sentence.startswith("fields: Must be one of coin_id, symbol, name, ")


@pytest.mark.parametrize("address", ["/api/", "/api/runs/first/", HEALTH, "/api/schema/"])
def test_an_address_without_parameters_rejects_any(reader: Client, address: str) -> None:
    sentence = rejected(reader, f"{address}?version=%0A", 400)

    assert sentence == "There is no parameter version. This address takes none."


def test_a_query_of_too_many_parameters_is_400(reader: Client) -> None:
    assert rejected(reader, f"{COINS}?{'a=1&' * 1_001}", 400)


def test_an_address_without_its_slash_leads_to_the_one_with_it(reader: Client) -> None:
    response = reader.get("/api/coins?symbol=btc")

    assert response.status_code == 301
    assert response["Location"] == "/api/coins/?symbol=btc"
