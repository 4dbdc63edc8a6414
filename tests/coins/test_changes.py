"""When each field of a coin last changed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples, rolled_back
from tests.support.factories import MINUTE, NOON, make_coin, row
from webapp.coins.changes import changes_of
from webapp.coins.models import FullCoin
from webapp.coins.stamps import Stamps

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

FIELDS = [field.name for field in FullCoin.stamped_fields()]
LATER, LAST = NOON + MINUTE, NOON + 2 * MINUTE
OF_OTHER_FIELDS = Stamps(FIELDS[::-1]).of_all(NOON)  # as from before a change of the model


def changes(coin_id: str = "bitcoin") -> dict[str, datetime | None]:
    return changes_of(FullCoin.objects.get(pk=coin_id))


def test_a_new_coin_has_the_date_of_its_first_values_in_every_field_of_the_api_but_the_key() -> None:
    FullCoin.objects.upsert([row()], NOON)

    assert [*changes().items()] == [(field.name, NOON) for field in FullCoin.api_fields()[1:]]


def test_a_field_has_the_date_of_its_own_last_change() -> None:
    FullCoin.objects.upsert([row(symbol="btc", ath=Decimal(5))], NOON)
    FullCoin.objects.upsert([row(minutes=1, symbol="btc", ath=None)], LATER)
    FullCoin.objects.upsert([row(minutes=2, symbol="xbt", ath=None)], LAST)

    assert changes() == dict.fromkeys(FIELDS, NOON) | {"symbol": LAST, "ath": LATER, "last_updated": LAST}


def test_what_does_not_come_and_what_comes_again_has_not_changed() -> None:
    FullCoin.objects.upsert([row(symbol="btc", ath=Decimal("5.0"))], NOON)
    FullCoin.objects.upsert([{"coin_id": "bitcoin", "ath": Decimal("5.00"), "atl": Decimal(1)}], LATER)

    assert changes() == dict.fromkeys(FIELDS, NOON) | {"atl": LATER}


def test_a_coin_that_has_not_changed_is_not_written() -> None:
    FullCoin.objects.upsert([row()], NOON)
    FullCoin.objects.update(field_changes="")

    result = FullCoin.objects.upsert([row()], LATER)

    assert result.unchanged == {"bitcoin"}
    assert FullCoin.objects.get().field_changes == ""


def test_a_number_that_sqlite_rounds_has_not_changed_when_it_comes_again() -> None:
    price = Decimal("0.1234567890123456789")
    FullCoin.objects.upsert([row(current_price=price)], NOON)

    FullCoin.objects.upsert([row(minutes=1, current_price=price + Decimal("1e-19"))], LATER)

    rounds = connection.vendor == "sqlite"
    assert changes()["current_price"] == (NOON if rounds else LATER)


@pytest.mark.parametrize("text", ["", OF_OTHER_FIELDS])
def test_what_was_not_recorded_is_unknown_until_it_changes(text: str) -> None:
    make_coin(symbol="btc", current_price=1, field_changes=text)
    before = changes()

    FullCoin.objects.upsert([{"coin_id": "bitcoin", "symbol": "btc", "current_price": Decimal(2)}], LATER)

    assert before == dict.fromkeys(FIELDS)
    assert changes() == dict.fromkeys(FIELDS) | {"current_price": LATER}


def test_a_change_is_dated_as_its_row_whatever_the_clock_says() -> None:
    FullCoin.objects.upsert([row("other")], LAST)
    FullCoin.objects.upsert([row()], NOON)

    coin = FullCoin.objects.get(pk="bitcoin")
    assert coin.changed_at == LAST + timedelta(microseconds=1)
    assert {*changes_of(coin).values()} == {LAST}


def test_an_answer_that_is_stale_changes_no_field() -> None:
    FullCoin.objects.upsert([row()], NOON)

    result = FullCoin.objects.upsert([row(minutes=-1, current_price=Decimal(2))], LATER)

    assert result.stale == {"bitcoin"}
    assert {*changes().values()} == {NOON}


def test_the_coins_beside_a_rejected_one_are_dated() -> None:
    FullCoin.objects.upsert([row("a"), row("b")], NOON)

    FullCoin.objects.upsert([row("a", ath=Decimal(2)), row("b", ath=Decimal(2), market_cap_rank=10**30)], LATER)

    assert (changes("a")["ath"], changes("b")["ath"]) == (LATER, NOON)


def test_a_crawler_of_the_version_before_can_still_store_coins() -> None:
    make_coin("old")
    names = [field.name for field in FullCoin._meta.concrete_fields if field.name != "field_changes"]
    columns = ", ".join(names)

    with connection.cursor() as cursor:
        new = columns.replace("coin_id", "'new'", 1)
        cursor.execute(f"INSERT INTO coins_fullcoin ({columns}) SELECT {new} FROM coins_fullcoin")

    assert changes("new") == dict.fromkeys(FIELDS)


# Sequences -------------------------------------------------------------------------------------------

numbers = ["1", "1.00", "0.1", "0.1234567890123456789", "0.12345678901234568", "-1e25"]
amounts = st.none() | st.sampled_from([*map(Decimal, numbers)])
dates = st.none() | st.integers(-3, 3).map(lambda minutes: NOON + minutes * MINUTE)
texts = st.sampled_from([None, "", "a", "🚀 'quoted' %s {0}", "a\0b"])  # the last is rejected on PostgreSQL
sent_rows = st.fixed_dictionaries(
    {"coin_id": st.sampled_from("abc")},
    optional={
        "symbol": texts,  # the first of the fields
        "name": texts,
        "current_price": amounts,
        "market_cap_rank": st.sampled_from([None, 1, 2, 10**30]),  # the last is rejected
        "atl_date": dates,
        "roi_percentage": amounts,
        "last_updated": dates,  # the last of the fields
    },
)
forgetting = st.sampled_from([None, None, None, "", OF_OTHER_FIELDS])
gaps = st.integers(1, 400_000_000).map(lambda number: timedelta(microseconds=number))
steps = st.lists(st.tuples(gaps, forgetting, st.lists(sent_rows, min_size=1, max_size=5)), min_size=1, max_size=6)


def stored_values() -> dict[str, dict[str, Any]]:
    return {values["coin_id"]: values for values in FullCoin.objects.values("coin_id", *FIELDS)}


@given(steps)
@examples
def test_after_any_upserts_the_dates_are_those_at_which_the_stored_values_changed(
    steps: list[tuple[timedelta, str | None, list[dict[str, Any]]]],
) -> None:
    with rolled_back():
        now = NOON
        expected: dict[str, dict[str, datetime | None]] = {}
        for gap, forgotten, rows in steps:
            now += gap
            if forgotten is not None:
                FullCoin.objects.filter(pk="a").update(field_changes=forgotten)
                expected |= {"a": dict.fromkeys(FIELDS)} if "a" in expected else {}
            before = stored_values()

            FullCoin.objects.upsert(rows, now, now + MINUTE)

            stamp = now + MINUTE
            stamp = stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)
            for coin_id, values in stored_values().items():
                old = before.get(coin_id)
                changed = [name for name in FIELDS if old is None or old[name] != values[name]]
                expected.setdefault(coin_id, {}).update(dict.fromkeys(changed, stamp))
            assert {coin.pk: changes_of(coin) for coin in FullCoin.objects.all()} == expected


# Texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "read"),
    [
        (datetime(2026, 2, 5, 12, 0, 0, 123_999, UTC), datetime(2026, 2, 5, 12, 0, 0, 123_000, UTC)),
        (datetime(1970, 1, 1, 0, 0, 0, 1_000, UTC), datetime(1970, 1, 1, 0, 0, 0, 1_000, UTC)),
        (datetime.max.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)),
        (datetime(1969, 12, 31, tzinfo=UTC), None),
        (datetime.min.replace(tzinfo=UTC), None),
    ],
    ids=str,
)
def test_a_moment_is_kept_to_the_millisecond_from_1970_on(moment: datetime, read: datetime | None) -> None:
    stamps = Stamps(["a", "b"])

    text = stamps.of_all(moment)

    assert stamps.read(text) == {"a": read, "b": read}
    assert len(text) == 24


CHECKSUM = Stamps(["a", "b"]).checksum


@pytest.mark.parametrize(
    "text",
    [
        "",
        CHECKSUM,
        CHECKSUM + "B" * 12,
        CHECKSUM + "B" * 15,
        CHECKSUM + "B" * 17,
        CHECKSUM + "________" * 2,
        CHECKSUM + "<script>" * 2,
        CHECKSUM + "é" * 16,
        CHECKSUM + "=" * 16,
        Stamps(["b", "a"]).of_all(NOON),
        Stamps(["a", "c"]).of_all(NOON),
        "{0}" * 5_000,
    ],
)
def test_a_text_that_is_not_of_these_fields_says_nothing(text: str) -> None:
    assert Stamps(["a", "b"]).read(text) == {"a": None, "b": None}
