"""FullCoin.objects.upsert on the database that the session is for."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext

from webapp.coins.models import FullCoin
from webapp.coins.upsert import Upsert, Upserted

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def row(coin_id: str = "bitcoin", minutes: int | None = 0, **values: Any) -> dict[str, Any]:
    """A cleaned record, last updated so many minutes after noon (None: undated)."""
    updated = None if minutes is None else NOON + timedelta(minutes=minutes)
    return {"coin_id": coin_id, "last_updated": updated, "current_price": Decimal(1)} | values


@pytest.mark.django_db
def test_new_rows_are_created() -> None:
    result = FullCoin.objects.upsert([row("a"), row("b")])

    assert (result.created, result.updated, result.unchanged, result.rejected) == ({"a", "b"}, set(), set(), {})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "sent", "outcome", "price"),
    [
        (row(), row(), "unchanged", 1),
        (row(), row(minutes=5, current_price=Decimal(2)), "updated", 2),
        (row(), row(minutes=5), "updated", 1),
        (row(), row(current_price=Decimal(2)), "updated", 2),
        (row(), row(current_price=None), "updated", None),
        (row(current_price=None), row(current_price=None), "unchanged", None),
        (row(), row(minutes=-5, current_price=Decimal(2)), "unchanged", 1),
        (row(), row(minutes=None, current_price=Decimal(2)), "updated", 2),
        (row(minutes=None), row(current_price=Decimal(2)), "updated", 2),
    ],
    ids=[
        "the same",
        "newer and different",
        "newer and else the same",
        "as old and different",
        "a value gone null",
        "null and null",
        "older and different",
        "undated and different",
        "dated over undated",
    ],
)
def test_a_stored_row_only_moves_forward(
    stored: dict[str, Any], sent: dict[str, Any], outcome: str, price: int | None
) -> None:
    FullCoin.objects.upsert([stored])

    result = FullCoin.objects.upsert([sent])

    assert getattr(result, outcome) == {"bitcoin"}
    assert FullCoin.objects.get().current_price == price


@pytest.mark.django_db
def test_the_stamps_tell_first_seen_from_changed() -> None:
    FullCoin.objects.upsert([row("a"), row("b")], now=NOON)

    FullCoin.objects.upsert([row("a"), row("b", minutes=1)], now=NOON + timedelta(hours=1))

    stamps = {coin.pk: (coin.first_seen_at, coin.changed_at) for coin in FullCoin.objects.all()}
    assert stamps == {"a": (NOON, NOON), "b": (NOON, NOON + timedelta(hours=1))}


@pytest.mark.django_db
def test_a_batch_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        FullCoin.objects.upsert([row(str(number)) for number in range(250)])

    assert len([query for query in queries if "INSERT INTO" in query["sql"]]) == 1


@pytest.mark.django_db
def test_of_a_coin_that_comes_twice_the_newest_is_stored() -> None:
    rows = [row(minutes=5, current_price=Decimal(5)), row(minutes=0), row("other")]

    result = FullCoin.objects.upsert(rows)

    assert result.created == {"bitcoin", "other"}
    assert FullCoin.objects.get(pk="bitcoin").current_price == 5


@pytest.mark.django_db
@pytest.mark.parametrize("guilty", [0, 7, 249])
def test_a_guilty_row_is_found_and_all_others_are_stored(guilty: int) -> None:
    rows = [row(f"coin-{number:03}") for number in range(250)]
    rows[guilty] |= {"market_cap_rank": 10**30}

    result = FullCoin.objects.upsert(rows)

    assert list(result.rejected) == [f"coin-{guilty:03}"]
    assert len(result.created) == FullCoin.objects.count() == 249


@pytest.mark.django_db
def test_a_failure_of_the_database_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(*_: Any) -> None:
        calls.append(1)
        raise OperationalError("gone")

    monkeypatch.setattr(Upsert, "_execute", fail)

    with pytest.raises(OperationalError):
        FullCoin.objects.upsert([row("a"), row("b")])

    assert len(calls) == 1


@pytest.mark.django_db
def test_a_name_that_is_no_field_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such field: price"):
        FullCoin.objects.upsert([row(price=1)])


@pytest.mark.django_db
def test_nothing_is_nothing() -> None:
    result = FullCoin.objects.upsert([])

    assert result == Upserted()


@pytest.mark.django_db(transaction=True)
def test_writers_in_opposite_order_do_not_deadlock() -> None:
    ids = [f"coin-{number}" for number in range(100)]
    results: list[int] = []

    def write(order: list[str], start: int) -> None:
        for minutes in range(start, 40, 2):
            result = FullCoin.objects.upsert([row(coin_id, minutes) for coin_id in order])
            results.append(len(result.rejected))
        connections.close_all()

    threads = [threading.Thread(target=write, args=args) for args in ((ids, 0), (ids[::-1], 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert results == [0] * 40


EXTREMES = [
    Decimal("9" * 29 + "." + "9" * 30),
    Decimal("-" + "9" * 29),
    Decimal("1e-30"),
    Decimal("123456789012345678.123456789012345678"),
    Decimal("21000000.0"),
    Decimal("0.1") + Decimal("0.2"),
    Decimal("1e25"),
    Decimal("-0.0"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("value", EXTREMES, ids=str)
def test_extremes_sent_again_are_left_alone_and_can_be_read(value: Decimal) -> None:
    FullCoin.objects.upsert([row(current_price=value)])

    result = FullCoin.objects.upsert([row(current_price=value)])

    stored = FullCoin.objects.get().current_price
    assert result.unchanged == {"bitcoin"}
    assert stored == value or connection.vendor == "sqlite"
    assert abs(stored - value) <= abs(value) * Decimal("1e-14")
