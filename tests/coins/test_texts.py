"""Texts about records: values as a text, and back; and what is wrong with a record as a whole."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from webapp.coins.texts import Nested, Repeating, fault_in, values_of, whole_json

DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


def test_values_come_back_exactly() -> None:
    values = {
        "coin_id": "\ud800\0🚀\u2028",
        "ath": Decimal("1.10"),
        "atl": Decimal("-1E-7"),
        "market_cap": Decimal("9" * 5_000),
        "market_cap_rank": True,
        "name": None,
        "roi_times": {"a": [Decimal("0.30000000000000000001")]},
    }

    text = whole_json(values)

    assert text.isascii()
    assert str(values_of(text)) == str(values)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1E+999999", "-0"])
def test_an_extreme_number_comes_back(number: str) -> None:
    found = values_of(whole_json({"ath": Decimal(number)}))

    assert str(found) == str({"ath": Decimal(number)})


def test_a_date_comes_back_as_a_text() -> None:
    found = values_of(whole_json({"last_updated": datetime(2026, 2, 5, 12, 0, 0, 1, tzinfo=UTC)}))

    assert found == {"last_updated": "2026-02-05T12:00:00.000001+00:00"}


@pytest.mark.parametrize(
    "values",
    [None, {"name": "x" * 64_000}, {"name": DEEP}],
    ids=["none", "too long", "nested too deeply"],
)
def test_what_cannot_be_kept_whole_is_not_kept(values: Any) -> None:
    assert whole_json(values) == ""


@pytest.mark.parametrize("text", ["", "[1]", '{"a": sNaN}', '{"a": "x', "[" * 100_000, "null"])
def test_a_text_that_has_no_values_is_told(text: str) -> None:
    assert values_of(text) is None


def repeating(*keys: str) -> Repeating:
    return Repeating([("x", 0), *((key, number) for key in keys for number in (1, 2))])


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ({"id": "a"}, ""),
        (["no object"], ""),
        (Nested("[["), "nested too deeply to be read"),
        (repeating("id"), "the key id appears twice"),
        (Repeating([("roi", repeating("times"))]), "the key roi.times appears twice"),
        (repeating("a", "b"), "the keys a, b appear twice"),
        (repeating("\n"), r"the key \n appears twice"),
    ],
    ids=["sound", "a list", "nested", "a key", "a key inside", "two keys", "what could forge a line"],
)
def test_what_is_wrong_with_a_record_as_a_whole(record: object, fault: str) -> None:
    assert fault_in(record) == fault
