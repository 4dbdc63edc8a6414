"""The cleaner: what each field accepts, and the reasons for what it rejects."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from webapp.coins.cleaning import Cleaner, Rejection, check_for
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable, raw_json

pytestmark = pytest.mark.every_database

WHOLE = 30  # digits before the point of an amount


def clean(**values: Any) -> dict[str, Any] | Rejection:
    return Cleaner(FullCoin.api_fields()).clean({"coin_id": "bitcoin"} | values)


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("current_price", Decimal("0.000000000000000000000000000001"), Decimal("1e-30")),
        ("current_price", Decimal("-1"), Decimal(-1)),
        ("current_price", Decimal("9" * WHOLE), Decimal("9" * WHOLE)),
        ("current_price", Decimal("1." + "0" * 100), Decimal(1)),
        ("current_price", Decimal("0e999999999"), Decimal(0)),
        ("current_price", Decimal("-0.0"), Decimal(0)),
        ("atl_change_percentage", Decimal("3.2e46"), Decimal("3.2e46")),
        ("roi_percentage", Decimal("3577.1128805456897"), Decimal("3577.1128805456897")),
        ("market_cap_rank", Decimal(7), 7),
        ("market_cap_rank", Decimal("7.0"), 7),
        ("symbol", "", ""),
        ("symbol", "x" * 100, "x" * 100),
        ("name", "मुद्रा 🚀 \u202eنص", "मुद्रा 🚀 \u202eنص"),
        ("image", "missing_large.png", None),
        ("image", "https://x/y.png", "https://x/y.png"),
        ("last_updated", "2025-02-09T17:44:04.143Z", datetime(2025, 2, 9, 17, 44, 4, 143_000, UTC)),
        ("last_updated", "2025-02-10T01:44:04.143+08:00", datetime(2025, 2, 9, 17, 44, 4, 143_000, UTC)),
        ("last_updated", "20250209T174404Z", datetime(2025, 2, 9, 17, 44, 4, tzinfo=UTC)),
        ("last_updated", "2025-02-09t17:44:04Z", datetime(2025, 2, 9, 17, 44, 4, tzinfo=UTC)),
        ("last_updated", "2025-02-09", datetime(2025, 2, 9, tzinfo=UTC)),
        ("last_updated", "2025-W06-7 17:44", datetime(2025, 2, 9, 17, 44, tzinfo=UTC)),
        ("last_updated", "2025-02-09T17:44:04", datetime(2025, 2, 9, 17, 44, 4, tzinfo=UTC)),
        ("current_price", None, None),
        ("name", None, None),
        ("last_updated", None, None),
    ],
)
def test_what_fits_is_taken_as_it_is(field: str, value: Any, stored: Any) -> None:
    cleaned = clean(**{field: value})

    assert isinstance(cleaned, dict)
    assert cleaned[field] == stored


@pytest.mark.parametrize(
    ("record", "rejection"),
    [
        ({}, Rejection("", "", ("record: damaged",))),
        ({"name": "A"}, Rejection("", "", ("record: damaged (in the record named A)",))),
        ({"coin_id": "a", "name": "A", "ath": "x"}, Rejection("a", "a", ("record: damaged",))),
    ],
    ids=["nameless", "without an id", "with an id"],
)
def test_a_record_with_a_fault_is_rejected_for_that_alone(record: dict[str, Any], rejection: Rejection) -> None:
    assert Cleaner(FullCoin.api_fields()).clean(record, "damaged") == rejection


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("coin_id", None, "null, not a text"),
        ("coin_id", "", "empty"),
        ("coin_id", Decimal(5), "a number, not a text"),
        ("coin_id", ["a"], "a list, not a text"),
        ("coin_id", "x" * 256, "longer than 255 characters"),
        ("name", {"en": "x"}, "an object, not a text"),
        ("name", "a\0b", "has a NUL character, which no database keeps"),
        ("name", "\ud800", "has half a character (a lone surrogate)"),
        ("symbol", "x" * 101, "longer than 100 characters"),
        ("image", "https://" + "x" * 500, "longer than 500 characters"),
        ("image", True, "true, not a text"),
        ("current_price", Decimal("NaN"), "not a finite number"),
        ("current_price", Decimal("sNaN"), "not a finite number"),
        ("current_price", Decimal("-Infinity"), "not a finite number"),
        ("current_price", True, "true, not a number"),
        ("current_price", False, "false, not a number"),
        ("current_price", "1.5", "a text, not a number"),
        ("current_price", [], "a list, not a number"),
        ("current_price", Decimal(10) ** WHOLE, f"more than {WHOLE} digits before the point"),
        ("current_price", Decimal("1e999999999999"), f"more than {WHOLE} digits before the point"),
        ("current_price", Decimal("1e-31"), "more than 30 digits after the point"),
        ("current_price", Decimal("1e-999999999999"), "more than 30 digits after the point"),
        ("price_change_percentage_24h", Decimal("0.12345678901"), "more than 10 digits after the point"),
        ("market_cap_rank", Decimal("1.5"), "not a whole number"),
        ("market_cap_rank", Decimal(2**31), "not between -2147483648 and 2147483647"),
        ("market_cap_rank", Decimal("1e999999999"), "not between -2147483648 and 2147483647"),
        ("ath_date", "2025-02-30T00:00:00Z", "not a possible date"),
        ("ath_date", "9999-12-31T23:59:59-05:00", "not a possible date"),
        ("ath_date", "yesterday", "not a possible date"),
        ("ath_date", "", "not a possible date"),
        ("ath_date", "1613060700131", "not a possible date"),
        ("ath_date", "1782892800000", "not a possible date"),
        ("ath_date", "20260620", "not a possible date"),
        ("ath_date", "20260620 1000", "not a possible date"),
        ("ath_date", "2026-06-20x10:00", "not a possible date"),
        ("ath_date", Decimal(1739123044), "a number, not a date"),
    ],
)
def test_an_invalid_value_is_rejected_with_a_reason(field: str, value: Any, reason: str) -> None:
    cleaned = clean(**{field: value})

    assert isinstance(cleaned, Rejection)
    assert cleaned.reasons == (f"{field}: {reason}",)


@pytest.mark.parametrize(
    ("record", "words"), [(None, "null"), ("x", "a text"), (Decimal(1), "a number"), ([], "a list"), (True, "true")]
)
def test_a_record_that_is_not_an_object_is_rejected(record: Any, words: str) -> None:
    rejection = Cleaner(FullCoin.api_fields()).clean(record)

    assert rejection == Rejection("", "", (f"record: {words}, not an object",))


@pytest.mark.parametrize(
    ("record", "reason"),
    [({}, "missing"), ({"coin_id": ""}, "empty"), ({"coin_id": Decimal(5)}, "a number, not a text")],
)
def test_the_reason_names_a_record_without_a_valid_id(record: dict[str, Any], reason: str) -> None:
    rejection = Cleaner(FullCoin.api_fields()).clean(record | {"name": "Nameless\n"})

    assert rejection == Rejection("", "", (rf"coin_id: {reason} (in the record named Nameless\n)",))


def test_all_reasons_of_a_record_are_named_at_once() -> None:
    rejection = clean(ath=True, atl=True)

    assert isinstance(rejection, Rejection)
    assert (rejection.coin_id, len(rejection.reasons)) == ("bitcoin", 2)


def test_an_unusable_id_is_a_label_and_no_id() -> None:
    rejection = clean(coin_id="a\0b")

    assert isinstance(rejection, Rejection)
    assert (rejection.coin_id, rejection.label) == ("", r"a\x00b")


def test_unknown_names_are_ignored_and_absent_ones_are_no_nulls() -> None:
    assert clean(sparkline=[1], max_supply=None) == {"coin_id": "bitcoin", "max_supply": None}


def test_a_type_of_field_without_a_check_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="say in webapp/coins/cleaning"):
        check_for(models.BinaryField(name="blob"))


@pytest.mark.parametrize("text", ["0.10", "1E-18", "NaN", '"\\ud800\\u0000"', '{"a": [1.0, null, true]}'])
def test_a_rejected_record_can_be_read_back(text: str) -> None:
    record = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)

    kept = raw_json(record)

    assert kept.isascii()
    assert str(json.loads(kept, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)) == str(record)


def test_a_rejected_record_is_cut_at_64_kb() -> None:
    assert len(raw_json({"name": "🚀" * 64_000})) == 64_000


@given(st.text(), st.integers(10, 300))
def test_printable_is_one_line_of_ascii_within_its_limit(text: str, limit: int) -> None:
    shown = printable(text, limit)

    assert len(shown) <= limit
    assert shown.isascii()
    assert shown.isprintable()
