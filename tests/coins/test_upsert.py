"""FullCoin.objects.upsert on the database that the session is for."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.support.factories import NOON, row
from tests.support.hostile import TEXTS
from webapp.coins.models import FullCoin
from webapp.coins.models.coin import CHANGES_LOCK
from webapp.coins.upsert import Upsert, Upserted

pytestmark = pytest.mark.every_database


@pytest.mark.django_db
def test_new_rows_are_created() -> None:
    result = FullCoin.objects.upsert([row("a"), row("b")])

    assert (result.created, result.updated, result.unchanged, result.rejected) == ({"a", "b"}, set(), set(), {})


@pytest.mark.django_db
@pytest.mark.parametrize("configured", ["usd", "chf"])
def test_rows_without_a_currency_are_in_the_configured_one(configured: str, settings: Settings) -> None:
    settings.VS_CURRENCY = configured

    FullCoin.objects.upsert([row("a"), row("b", vs_currency="eur"), row("c")])

    assert dict(FullCoin.objects.values_list("pk", "vs_currency")) == {"a": configured, "b": "eur", "c": configured}


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
        "undated and different",
        "dated over undated",
    ],
)
def test_a_stored_row_follows_what_is_sent(
    stored: dict[str, Any], sent: dict[str, Any], outcome: str, price: int | None
) -> None:
    FullCoin.objects.upsert([stored])

    result = FullCoin.objects.upsert([sent])

    assert getattr(result, outcome) == {"bitcoin"}
    assert FullCoin.objects.get().current_price == price


# Older answers ---------------------------------------------------------------------------------------

JUNE = datetime(2026, 6, 20, 10, 0, 0, 558_000, UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "sent", "minutes", "outcome"),
    [
        (JUNE, JUNE.replace(microsecond=0), 0, "updated"),
        (JUNE, JUNE - SECOND, 0, "updated"),
        (JUNE, JUNE - SECOND - timedelta(microseconds=1), 0, "stale"),
        (JUNE, JUNE - 2 * SECOND, 9.999, "stale"),
        (JUNE, JUNE - 2 * SECOND, 10, "updated"),
        (JUNE.replace(year=2126), JUNE, 9.999, "stale"),
        (JUNE.replace(year=2126), JUNE, 10, "updated"),
        (JUNE, datetime.min.replace(tzinfo=UTC), 3, "stale"),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), 3, "updated"),
        (JUNE, datetime.max.replace(tzinfo=UTC), 0, "updated"),
        (JUNE, JUNE, 0, "updated"),
    ],
    ids=[
        "fewer digits since July",
        "a second",
        "more than a second",
        "within ten minutes",
        "after ten minutes",
        "from the future, within ten minutes",
        "from the future, after ten minutes",
        "the first of all dates",
        "the first of all dates, stored",
        "the last of all dates",
        "the same date",
    ],
)
def test_only_what_a_cache_may_have_kept_is_stale(
    stored: datetime, sent: datetime, minutes: float, outcome: str
) -> None:
    FullCoin.objects.upsert([row(last_updated=stored)], NOON)

    result = FullCoin.objects.upsert([row(last_updated=sent, current_price=Decimal(2))], NOON + minutes * MINUTE)

    coin = FullCoin.objects.get()
    assert getattr(result, outcome) == {"bitcoin"}
    assert (coin.last_updated, coin.current_price) == ((stored, 1) if outcome == "stale" else (sent, 2))
    assert result.went_back == ({"bitcoin"} if outcome == "updated" and minutes == 10 else set())


@pytest.mark.django_db
def test_a_null_in_between_lets_no_older_answer_in_and_freezes_nothing() -> None:
    outcomes = []
    for minutes, date in [
        (0, JUNE),
        (3, None),
        (6, JUNE - MINUTE),
        (9, None),
        (12.9, JUNE - MINUTE),
        (13, JUNE - MINUTE),
    ]:
        sent = row(last_updated=date, current_price=Decimal(minutes))
        result = FullCoin.objects.upsert([sent], NOON + minutes * MINUTE)
        outcomes += [name for name in ("created", "updated", "unchanged", "stale") if getattr(result, name)]

    assert outcomes == ["created", "updated", "stale", "updated", "stale", "stale"]


@pytest.mark.django_db
def test_what_is_stale_again_and_again_wins_ten_minutes_after_the_last_that_was_written() -> None:
    FullCoin.objects.upsert([row(last_updated=JUNE)], NOON)
    sent = row(last_updated=JUNE - MINUTE, current_price=Decimal(2))

    results = [FullCoin.objects.upsert([sent], NOON + minutes * MINUTE) for minutes in (3, 6, 9, 12, 15)]

    assert [bool(result.stale) for result in results] == [True, True, True, False, False]
    assert (results[3].updated, results[4].unchanged) == ({"bitcoin"}, {"bitcoin"})


@pytest.mark.django_db
def test_a_row_that_was_written_by_a_clock_of_the_future_takes_older_answers() -> None:
    FullCoin.objects.upsert([row(last_updated=JUNE)], NOON + timedelta(days=36_500))

    result = FullCoin.objects.upsert([row(last_updated=JUNE - MINUTE)], NOON)

    assert result.updated == {"bitcoin"}


@pytest.mark.django_db
@pytest.mark.parametrize("dates", [[JUNE, None, JUNE - MINUTE], [None, JUNE - MINUTE, JUNE], [JUNE - SECOND, JUNE]])
def test_of_a_coin_that_comes_twice_the_newest_is_stored_and_of_undated_ones_the_last(
    dates: list[datetime | None],
) -> None:
    rows = [row(last_updated=date, current_price=Decimal(place)) for place, date in enumerate(dates)]

    result = FullCoin.objects.upsert([*rows, row("other")])

    assert result.created == {"bitcoin", "other"}
    expected = 1 if dates == [JUNE, None, JUNE - MINUTE] else len(dates) - 1
    assert FullCoin.objects.get(pk="bitcoin").current_price == expected


# Fields that do not come -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_a_row_does_not_name_stays_as_it_is() -> None:
    FullCoin.objects.upsert([row("a", name="A"), row("b", name="B"), row("c", name="C")])

    result = FullCoin.objects.upsert(
        [{"coin_id": "a", "ath": Decimal(5)}, {"coin_id": "new"}, {"coin_id": "b", "name": None}, row("c", name="C")]
    )

    assert (result.created, result.updated, result.unchanged) == ({"new"}, {"a", "b"}, {"c"})
    stored = {coin.pk: (coin.name, coin.current_price, coin.ath) for coin in FullCoin.objects.all()}
    assert stored == {"a": ("A", 1, 5), "b": (None, 1, None), "c": ("C", 1, None), "new": (None, None, None)}


@pytest.mark.django_db
def test_rows_without_any_date_leave_the_stored_ones() -> None:
    FullCoin.objects.upsert([row(last_updated=JUNE)], NOON)

    result = FullCoin.objects.upsert([{"coin_id": "bitcoin", "current_price": Decimal(2)}], NOON)

    assert result.updated == {"bitcoin"}
    assert FullCoin.objects.get().last_updated == JUNE


# Stamps ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_stamps_tell_first_seen_from_changed() -> None:
    FullCoin.objects.upsert([row("a"), row("b")], now=NOON)

    FullCoin.objects.upsert([row("a"), row("b", minutes=1)], now=NOON + timedelta(hours=1))

    stamps = {coin.pk: (coin.first_seen_at, coin.changed_at) for coin in FullCoin.objects.all()}
    assert stamps == {"a": (NOON, NOON), "b": (NOON, NOON + timedelta(hours=1))}


@pytest.mark.django_db
def test_a_change_is_dated_after_all_before_it_whatever_the_clock_says() -> None:
    for place, minutes in enumerate((0, -20, -20, 5)):
        FullCoin.objects.upsert([row(str(place))], NOON + minutes * MINUTE)

    stamps = list(FullCoin.objects.order_by("coin_id").values_list("changed_at", flat=True))
    tick = timedelta(microseconds=1)
    assert stamps == [NOON, NOON + tick, NOON + 2 * tick, NOON + 5 * MINUTE]


@pytest.mark.django_db
def test_a_batch_is_one_statement() -> None:
    with CaptureQueriesContext(connection) as queries:
        FullCoin.objects.upsert([row(str(number)) for number in range(250)])

    assert len([query for query in queries if "INSERT INTO" in query["sql"]]) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("guilty", [0, 7, 249])
def test_a_guilty_row_is_found_and_all_others_are_stored(guilty: int) -> None:
    rows = [row(f"coin-{number:03}") for number in range(250)]
    rows[guilty] |= {"market_cap_rank": 10**30}

    result = FullCoin.objects.upsert(rows)

    assert list(result.rejected) == [f"coin-{guilty:03}"]
    assert len(result.created) == FullCoin.objects.count() == 249


@pytest.mark.django_db
@pytest.mark.parametrize(
    "bad",
    [
        {"coin_id": "a\0b"},
        {"last_updated": "soon"},
        {"current_price": Decimal("NaN")},
        {"current_price": Decimal("Infinity")},
        {"name": "x" * 256},
    ],
    ids=repr,
)
def test_a_value_that_no_row_can_have_costs_its_row_alone(bad: dict[str, Any]) -> None:
    """The cleaner lets none of them through, but other callers may."""
    is_cut = connection.vendor == "sqlite" and ("name" in bad or "coin_id" in bad)  # SQLite takes such texts

    result = FullCoin.objects.upsert([row("bad") | bad, *(row(str(number)) for number in range(5))])

    assert (len(result.rejected), len(result.created)) == ((0, 6) if is_cut else (1, 5))


@pytest.mark.django_db
def test_any_text_is_stored_as_it_is() -> None:
    texts = [*TEXTS, "NULL", "null", "{a,b}", '"', "\\", '\\"', "a,b", None]

    FullCoin.objects.upsert(row(str(number), name=text) for number, text in enumerate(texts))

    assert {coin.pk: coin.name for coin in FullCoin.objects.all()} == {
        str(number): text for number, text in enumerate(texts)
    }


@pytest.mark.django_db
def test_a_stale_row_is_counted_beside_a_rejected_one() -> None:
    FullCoin.objects.upsert([row("y"), row("z")], NOON)
    rows = [row("a", market_cap_rank=10**30), row("b"), row("y", -1), row("z", -1, current_price=Decimal("0.1"))]

    result = FullCoin.objects.upsert(rows, NOON)

    assert (list(result.rejected), result.created, result.stale) == (["a"], {"b"}, {"y", "z"})


@pytest.mark.django_db
def test_numbers_of_stale_rows_are_not_counted_as_rounded() -> None:
    FullCoin.objects.upsert([row("z")], NOON)
    long = Decimal("0.1234567890123456789")

    result = FullCoin.objects.upsert([row("a", current_price=long), row("z", -1, current_price=long)], NOON)

    assert result.rounded["current_price"] == (connection.vendor == "sqlite")


@pytest.mark.django_db
def test_a_date_may_have_any_offset() -> None:
    east = NOON.astimezone(timezone(timedelta(hours=8)))

    results = [FullCoin.objects.upsert([row(last_updated=date)], NOON) for date in (NOON, east)]

    assert results[1].unchanged == {"bitcoin"}


def may_write(database_url: str) -> bool:
    """Whether another writer could date a change now."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True
    with psycopg.connect(database_url) as server:
        return server.execute("SELECT pg_try_advisory_xact_lock(%s)", [CHANGES_LOCK]).fetchone() == (True,)


@pytest.mark.django_db(transaction=True)
def test_changes_are_committed_in_the_order_of_their_dates(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a transaction around them or without."""
    during = []

    def write(*_: Any) -> None:
        during.append(may_write(database_url))

    with transaction.atomic():
        FullCoin.objects.upsert([row()])
        write()
    monkeypatch.setattr(Upsert, "__call__", write)
    FullCoin.objects.upsert([row()])

    assert (during, may_write(database_url)) == ([False, False], True)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("gone"), DatabaseError("malformed")], ids=repr)
def test_an_error_of_the_database_rejects_no_row(error: DatabaseError, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(*_: Any) -> None:
        calls.append(1)
        raise error

    monkeypatch.setattr(Upsert, "_execute", fail)

    with pytest.raises(type(error)):
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


@pytest.mark.django_db
def test_ids_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ["a", "b", "c", "d", "e"]
    FullCoin.objects.upsert([{"coin_id": coin_id} for coin_id in reversed(ids)])
    monkeypatch.setattr("webapp.coins.models.coin.IDS_AT_ONCE", 2)

    with CaptureQueriesContext(connection) as queries:
        assert [*FullCoin.objects.ids()] == ids

    assert len(queries) == 4
