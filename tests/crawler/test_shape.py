"""What is seen of the records' fields."""

from itertools import chain
from typing import Any

from coincrawl.shape import Shape

FIELDS = ("coin_id", "name", "price")


def shape_of(*records: dict[str, Any], expected: tuple[str, ...] = FIELDS) -> Shape:
    """What is seen of a page."""
    shape = Shape(FIELDS, expected)
    shape.add_page({*chain(*records)}, len(records))
    shape.add(records)
    return shape


def test_values_are_counted_in_the_fields_that_some_record_has() -> None:
    shape = shape_of({"coin_id": "a", "name": None}, {"coin_id": "b", "name": "B"}, {"coin_id": "c", "odd": 1})

    assert shape.filled == {"coin_id": 3, "name": 1}


def test_a_record_that_cannot_be_stored_has_its_fields_but_no_values() -> None:
    shape = Shape(FIELDS, FIELDS)

    shape.add_page({"coin_id", "name", "price"}, 1)

    assert (shape.filled, shape.dropped) == ({"coin_id": 0, "name": 0, "price": 0}, set())


def test_an_expected_field_that_no_record_has_is_dropped() -> None:
    assert shape_of({"coin_id": "a", "name": None}).dropped == {"price"}
    assert shape_of({"coin_id": "a", "name": None}, expected=("coin_id", "name")).dropped == set()


def test_an_optional_field_is_never_missing() -> None:
    shape = Shape(FIELDS, ["coin_id", "price"], optional=["name", "price"])

    absent = shape.add_page({"coin_id"}, 1)

    assert (absent, shape.absent, shape.dropped, shape.unsent()) == ([], {}, set(), [])


def test_a_field_that_is_missing_from_pages_is_logged_once_and_counted() -> None:
    shape = Shape(FIELDS, FIELDS)
    pages = [({"coin_id", "name", "price"}, 2), ({"coin_id", "name"}, 2), ({"coin_id"}, 1), (set[str](), 0)]

    missed = [shape.add_page(names, records) for names, records in pages]

    assert missed == [[], ["price"], ["name"], []]
    assert (shape.absent, shape.dropped) == ({"price": 3, "name": 1}, set())


def test_unknown_fields_are_named() -> None:
    assert shape_of({"coin_id": "a", "sparkline": None, "missing_since": None}).unknown([*FIELDS, "missing_since"]) == [
        "sparkline"
    ]
