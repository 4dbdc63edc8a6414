"""Numbers come back from the database with the digits that were sent, on SQLite too."""

from decimal import Decimal
from math import inf, ldexp
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Avg, F, Max, Min, RowRange, Sum, Window
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.examples import examples, rolled_back
from tests.support.factories import row
from webapp.coins.fields import from_sqlite
from webapp.coins.models import FullCoin
from webapp.coins.sums import ExactSum

pytestmark = pytest.mark.every_database

IS_SQLITE = connection.vendor == "sqlite"


def kept(value: Decimal, name: str = "current_price") -> Decimal:
    """What the database makes of a value."""
    FullCoin.objects.upsert([row() | {name: value}])
    return FullCoin.objects.values_list(name, flat=True).get()


# With all the digits that a float can have; hypothesis's own are mostly short.
floats = st.builds(ldexp, st.integers(2**52, 2**53 - 1), st.integers(-95, 46))


@pytest.mark.django_db
@given(floats)
@example(0.1 + 0.2)
@example(-1e-30)
@example(9007199254740993.0)
@example(1.2345678901234567e17)
@example(9.999999999999999e29)
@examples
def test_every_number_that_was_printed_from_a_float_is_kept(number: float) -> None:
    sent = Decimal(repr(number))
    if -sent.as_tuple().exponent > 30:  # type: ignore[operator]  # it is finite
        return
    with rolled_back():
        assert kept(sent) == sent


@pytest.mark.django_db
@given(st.integers(-(2**63), 2**63 - 1))
@example(2**63 - 1)
@example(-(2**63))
@example(2**53 + 1)
@examples
def test_every_whole_number_of_64_bits_is_kept(number: int) -> None:
    with rolled_back():
        assert kept(Decimal(number)) == number


LONG = [
    Decimal("9" * 30 + "." + "9" * 30),
    Decimal("-" + "9" * 30),
    Decimal("123456789012345678.123456789012345678"),
    Decimal("0.1234567890123456789"),
    Decimal(2**63 + 1),
    Decimal("36028797018963966.0000000001"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("value", LONG, ids=str)
def test_a_longer_number_is_rounded_on_sqlite_and_counted(value: Decimal) -> None:
    result = FullCoin.objects.upsert([row("a", current_price=value), row("b", current_price=Decimal("0.1"))])

    again = FullCoin.objects.upsert([row("a", current_price=value), row("b", current_price=Decimal("0.1"))])
    stored = FullCoin.objects.get(pk="a").current_price
    assert again.unchanged == {"a", "b"}
    assert (stored != value) == IS_SQLITE
    assert abs(stored - value) <= abs(value) * Decimal("1e-15")
    assert dict(result.rounded) == ({"current_price": 1} if IS_SQLITE else {})
    assert -(10**30) < stored < 10**30  # as much as other databases take


@pytest.mark.django_db
def test_numbers_are_found_ordered_and_added_up() -> None:
    prices = ["-0.00000421", "0", "1e-18", "0.1", "96114.08481738689", "123456789012345670", "1e+25"]
    FullCoin.objects.upsert([row(text, current_price=Decimal(text)) for text in reversed(prices)])
    coins = FullCoin.objects.order_by("current_price")

    found = {text: coins.get(current_price=Decimal(text)).pk for text in prices}
    assert list(coins.values_list("pk", flat=True)) == prices
    assert found == dict(zip(prices, prices, strict=True))
    assert list(coins.filter(current_price__gte=Decimal("96114.08481738689"))) == list(coins)[4:]
    assert list(coins.filter(current_price__in=[Decimal("0.1"), Decimal("1e-18")])) == list(coins)[2:4]
    assert coins.filter(current_price__lt=Decimal(10) ** 40).count() == len(prices)
    assert coins.filter(current_price__gt=F("total_volume")).count() == 0
    low, high = Decimal("-0.00000421"), Decimal("1e+25")
    assert coins.aggregate(low=Min("current_price"), high=Max("current_price")) == {"low": low, "high": high}
    assert coins.filter(current_price__lt=1).aggregate(sum=Sum("current_price"))["sum"] == pytest.approx(
        Decimal("0.09999579"), rel=Decimal("1e-15")
    )
    assert coins.filter(pk__in=["0", "0.1"]).aggregate(mean=Avg("current_price"))["mean"] == Decimal("0.05")


@pytest.mark.django_db
def test_numbers_add_up_beyond_64_bits() -> None:
    whole, small = Decimal(5 * 10**18), Decimal("1.5")
    rows = [("a", whole, 1), ("b", whole, 1), ("c", small, 2), ("d", None, 3), ("e", -whole, 4)]
    FullCoin.objects.upsert(row(pk, total_supply=supply, market_cap_rank=rank) for pk, supply, rank in rows)
    coins = FullCoin.objects.order_by("coin_id")

    groups = coins.order_by("market_cap_rank").values("market_cap_rank").annotate(sum=Sum("total_supply"))
    two = Window(Sum("total_supply"), order_by="coin_id", frame=RowRange(start=-1, end=0))
    windows = [coin.sum for coin in coins.annotate(sum=two)]

    assert [group["sum"] for group in groups] == [2 * whole, small, None, -whole]
    assert coins.exclude(pk="e").aggregate(sum=Sum("total_supply"))["sum"] == pytest.approx(
        2 * whole, rel=Decimal("1e-15")
    )
    assert coins.aggregate(sum=Sum("market_cap_rank"))["sum"] == 11
    assert windows == [whole, 2 * whole, pytest.approx(whole, rel=Decimal("1e-15")), small, -whole]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        (["1.1", "2.2"], "3.3"),
        (["9007199254740993", "0.5", "0.5"], "9007199254740994"),
        (["0.1"] * 10, "1"),
        (["123456789012345670", "-123456789012345670"], "0"),
        ([], None),
    ],
)
def test_a_sum_is_exact_wherever_it_can_be_kept(numbers: list[str], total: str | None) -> None:
    FullCoin.objects.upsert(row(str(n), current_price=None, ath=Decimal(text)) for n, text in enumerate(numbers))

    sums = FullCoin.objects.aggregate(sum=Sum("ath"), nulls=Sum("current_price"))

    assert sums == {"sum": total and Decimal(total), "nulls": None}


@pytest.mark.parametrize(
    ("values", "total"), [([1, "2.5", "x", b"y", None], 3.5), ([float("inf"), float("-inf")], None), ([1e308] * 2, inf)]
)
def test_a_sum_on_sqlite_takes_whatever_there_is(values: list[Any], total: float | None) -> None:
    adding = ExactSum()
    for value in values:
        adding.step(value)

    assert adding.finalize() == total


@pytest.mark.django_db
def test_a_model_saved_by_itself_is_as_exact() -> None:
    FullCoin.objects.upsert([row()])
    coin = FullCoin.objects.get()
    coin.market_cap, coin.ath = Decimal("123456789012345670"), Decimal("0.30000000000000004")
    coin.save()

    FullCoin.objects.filter(ath=Decimal("0.30000000000000004")).update(atl=Decimal("2.220446049250313E-15"))

    coin.refresh_from_db()
    assert (coin.market_cap, coin.ath, coin.atl) == (
        Decimal("123456789012345670"),
        Decimal("0.30000000000000004"),
        Decimal("2.220446049250313E-15"),
    )


@pytest.mark.django_db
def test_a_model_with_a_number_that_the_field_cannot_hold_is_not_saved() -> None:
    FullCoin.objects.upsert([row()])
    coin = FullCoin.objects.get()
    coin.ath = Decimal(10) ** 30

    with pytest.raises(ValueError, match="ath: more than 30 digits before the point"):
        coin.save()


@pytest.mark.django_db
def test_a_number_that_the_field_cannot_hold_is_not_stored() -> None:
    result = FullCoin.objects.upsert([row("bad", ath=Decimal(10) ** 30), row("good")])

    assert (list(result.rejected), result.created) == (["bad"], {"good"})


SENT = ["0.30000000000000004", "96114.08481738689", "1e-18", "123456789012345670", "21000000.0"]


@pytest.mark.django_db
def test_the_read_api_finds_a_coin_by_the_very_number_that_it_shows(admin_client: Client) -> None:
    FullCoin.objects.upsert([row(text, current_price=Decimal(text)) for text in SENT])

    shown = {coin["coin_id"]: coin["current_price"] for coin in admin_client.get("/api/coins/").json()["results"]}

    assert {text: Decimal(shown[text]) for text in SENT} == {text: Decimal(text) for text in SENT}
    for text, price in shown.items():
        address = f"/api/coins/?price_min={price}&price_max={price}"
        assert [coin["coin_id"] for coin in admin_client.get(address).json()["results"]] == [text]


@pytest.mark.django_db
def test_dumpdata_and_loaddata_keep_every_digit_and_microsecond(tmp_path: Any) -> None:
    FullCoin.objects.upsert([row(text, current_price=Decimal(text)) for text in SENT])
    FullCoin.objects.update(changed_at="2026-11-22T12:00:00.123457Z", first_seen_at="2026-11-22T12:00:00.000001Z")
    before = list(FullCoin.objects.order_by("pk").values())
    for name in ("json", "jsonl", "xml", "yaml"):
        file = tmp_path / f"coins.{name}"
        call_command("dumpdata", "coins.fullcoin", format=name, output=str(file), verbosity=0)
        FullCoin.objects.all().delete()

        call_command("loaddata", str(file), verbosity=0)

        assert list(FullCoin.objects.order_by("pk").values()) == before, name


def test_what_sqlite_keeps_is_read_by_its_shortest_form() -> None:
    assert [from_sqlite(number) for number in (5, 0.1, 1e25, 2**63 - 1)] == [
        Decimal(5),
        Decimal("0.1"),
        Decimal("1e25"),
        Decimal(2**63 - 1),
    ]
