"""From a source's records to the model's names and kinds of values."""

from decimal import Decimal
from typing import Any

import pytest

from coincrawl.records import Translation

EPOCHS = pytest.mark.parametrize(
    ("unit", "sent", "date"),
    [
        ("epoch_s", Decimal(1782892800), "2026-07-01T08:00:00+00:00"),
        ("epoch_ms", Decimal(1782892800123), "2026-07-01T08:00:00.123000+00:00"),
        ("epoch_ms", "1782892800123", "2026-07-01T08:00:00.123000+00:00"),
        ("epoch_s", Decimal("1782892800.123456"), "2026-07-01T08:00:00.123456+00:00"),
        ("epoch_s", Decimal("1782892800.1234569"), "2026-07-01T08:00:00.123456+00:00"),
        ("epoch_s", Decimal(0), "1970-01-01T00:00:00+00:00"),
        ("epoch_ms", Decimal(-1), "1969-12-31T23:59:59.999000+00:00"),
        ("epoch_s", "1.7828928e9", "2026-07-01T08:00:00+00:00"),
    ],
)
UNREADABLE: list[Any] = [
    None,
    True,
    "soon",
    "",
    [1],
    {},
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal("1e999999"),
    Decimal(10**15),
]


def translated(record: Any, **how: Any) -> Any:
    return Translation(how.pop("names", {}), **how)(record)


@EPOCHS
def test_a_date_may_be_a_number_since_1970(unit: Any, sent: Any, date: str) -> None:
    record = translated({"day": sent, "count": sent}, dates=["day", "night"], date_format=unit)

    assert record == {"day": date, "count": sent}


@pytest.mark.parametrize("value", UNREADABLE, ids=repr)
@pytest.mark.parametrize("unit", ["epoch_s", "epoch_ms"])
def test_what_is_no_such_number_stays_for_the_cleaner_to_reject(unit: Any, value: Any) -> None:
    record = translated({"day": value}, dates=["day"], date_format=unit)

    assert record["day"] is value or (unit == "epoch_ms" and value == Decimal(10**15))


def test_dates_in_iso_8601_stay_as_they_are() -> None:
    record = {"day": "2026-07-01T08:00:00Z", "night": "1782892800123", "noon": Decimal(1782892800)}

    assert translated(record, dates=["day", "night", "noon"]) == record


def test_a_format_that_is_none_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="dates is 'epoch' and must be one of iso, epoch_s, epoch_ms"):
        translated({}, date_format="epoch")


def test_a_field_that_a_record_has_not_is_not_made_up() -> None:
    names = {"id": "key", "roi": "back.times", "deep": "a.b.c"}

    record = translated({"key": 1, "back": {}, "id": 2}, names=names, numbers=["price"], dates=["day"])

    assert record == {"id": 1}


HOW: dict[str, Any] = {
    "names": {"coin_id": ("coin_id", "id"), "roi": "back.times", "deep": "a.b.c", "name": "title"},
    "numbers": ["price", "roi", "gone"],
    "dates": ["day", "deep"],
    "date_format": "epoch_s",
    "ignored": ["secret"],
}
RECORDS: list[Any] = [
    {"id": "a", "price": "1.5", "day": Decimal(1782892800), "secret": 1, "odd": []},
    {"coin_id": "b", "id": "c", "back": {"times": "2"}, "price": None, "name": "not its name"},
    {"back": None, "back.times": "3", "a": {"b": {"c": "1782892800"}}, "title": "T", "day": "soon"},
    {"back": 7, "a": {"b": None}, "a.b": {"c": True}},
    *({}, None, [], "text", 1),
]


@pytest.mark.parametrize("records", [RECORDS, RECORDS[:1], RECORDS[3:], RECORDS[4:], []])
def test_the_columns_of_records_are_what_each_of_them_is_translated_to(records: list[Any]) -> None:
    translation = Translation(**HOW)
    fields = ["coin_id", "roi", "deep", "name", "price", "gone", "day", "secret", "never"]

    columns = translation.columns(records, fields)

    each = [one if isinstance(one := translation(record), dict) else {} for record in records]
    names = set[str]().union(*each)
    assert columns == {name: [one.get(name) for one in each] for name in fields if name in names}
    assert translation.names_in(records) == names
