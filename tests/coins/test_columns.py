"""Checks of whole columns: a page is cleaned as its records are, one by one."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.coins.cleaning import Cleaner
from webapp.coins.columns import column_check_for
from webapp.coins.models import FullCoin
from webapp.coins.texts import Nested

FIELDS = FullCoin.api_fields()
COMMON: list[Any] = [
    None,
    "a",
    "",
    "🚀 é",
    "https://x/y.png",
    "2025-02-09T17:44:04.143Z",
    "2025-02-10T01:44:04.143+08:00",
    *map(Decimal, ("0", "-0.0", "7", "7.0", "1.5", "-1", "1e-10", "1e25", "96114.08481738689")),
]
STRANGE: list[Any] = [
    *("a\0b", "\ud800", "x" * 101, "x" * 600, "missing_large.png", "2025", "2025-02-30"),
    *map(Decimal, ("NaN", "-Infinity", "1e30", "-1e30", "9e29", "1e-30", "1e-31", "0e-5000", "0e5000", "1e999999")),
    *map(Decimal, ("1e-999999", "2147483647", "2147483648", "9" * 60, "0." + "9" * 31, "1." + "0" * 100)),
    *(True, False, 1, 1.5, [], {}),
]
values = st.one_of(st.sampled_from(COMMON), st.sampled_from(COMMON), st.sampled_from(STRANGE))
records = st.dictionaries(st.sampled_from([field.name for field in FIELDS]), values)
pages = st.lists(st.one_of(records, records, st.sampled_from([None, [], "x", Nested("{{")])), max_size=6)


def as_a_page(records: Sequence[Any]) -> list[Any]:
    """The records, cleaned column by column."""
    cleaner = Cleaner(FIELDS)
    objects = [record if isinstance(record, dict) else {} for record in records]
    names = set[str]().union(*objects)
    rows = cleaner.clean_columns({name: [one.get(name) for one in objects] for name in names}, len(records))
    return [cleaner.clean(record) if row is None else row for row, record in zip(rows, records, strict=True)]


def alone(records: Sequence[Any]) -> list[Any]:
    """The records, cleaned one by one. What only some have is null in the others."""
    cleaner = Cleaner(FIELDS)
    present = set[str]().union(*(record for record in records if isinstance(record, dict)))
    nulls = {field.name: None for field in FIELDS if field.name in present and field.null}
    return [cleaner.clean(nulls | record if isinstance(record, dict) else record) for record in records]


@settings(deadline=None)
@given(pages)
def test_a_page_is_cleaned_as_its_records_are(page: list[Any]) -> None:
    assert repr(as_a_page(page)) == repr(alone(page))


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=4))
def test_no_column_lets_a_value_through_that_its_field_cannot_hold(column: list[Any]) -> None:
    page = [{"coin_id": str(place)} for place in range(len(column))]
    for field in FIELDS:
        records = [record | {field.name: value} for record, value in zip(page, column, strict=True)]

        assert repr(as_a_page(records)) == repr(alone(records))


@pytest.mark.parametrize("text", ["\ud800", "a\0b"], ids=ascii)
def test_a_column_with_a_text_that_no_database_keeps_is_in_doubt(text: str) -> None:
    check = column_check_for(FullCoin._meta.get_field("name"))

    assert check
    assert check(["é", text]) is None


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_usual_columns_are_not_in_doubt(field: Any) -> None:
    usual: dict[str, list[Any]] = {
        "CharField": ["a", "🚀", None],
        "URLField": ["https://x/y.png", None],
        "ExactDecimalField": [Decimal("1.5"), Decimal(0), None, Decimal("1e25")],
        "IntegerField": [Decimal(7), None],
    }
    column = usual.get(type(field).__name__)
    check = column_check_for(field)

    if column is None:
        assert check is None
    else:
        assert check
        assert check(column[:1] if field.primary_key else column) is not None
