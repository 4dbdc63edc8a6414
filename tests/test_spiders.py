"""What spiders make of a record, before anything is checked."""

from typing import Any

import pytest

from coincrawl.spiders.markets import MarketsSpider


class RenamingSpider(MarketsSpider):
    names = {"coin_id": "id", "name": "name", "image": "image.large"}


@pytest.mark.parametrize(
    ("record", "translated"),
    [
        ({"id": "a", "symbol": "b"}, {"coin_id": "a", "symbol": "b"}),
        ({"roi": None}, {"roi_times": None, "roi_currency": None, "roi_percentage": None}),
        (
            {"roi": {"times": 2, "currency": "usd", "percentage": 200}},
            {"roi_times": 2, "roi_currency": "usd", "roi_percentage": 200},
        ),
        ({"roi": "odd"}, {"roi_times": "odd", "roi_currency": "odd", "roi_percentage": "odd"}),
        ({"coin_id": "not its id", "roi_times": 5}, {}),
        ("no object", "no object"),
        (None, None),
    ],
    ids=["id", "null", "nested", "wrong type", "under our own name", "text", "nothing"],
)
def test_a_record_is_put_under_the_models_names(record: Any, translated: Any) -> None:
    assert MarketsSpider().translate(record) == translated


def test_a_field_may_be_found_under_its_own_name_or_inside_it() -> None:
    record = {"id": "a", "name": "A", "image": {"large": "https://x/a.png"}}

    assert RenamingSpider().translate(record) == {"coin_id": "a", "name": "A", "image": "https://x/a.png"}


def test_only_usable_ids_count_as_ids() -> None:
    rows = [{"id": "a"}, {"id": ""}, {"id": 5}, {"id": "n\0l"}, {"id": "x" * 256}, {}, "text", None]

    assert list(MarketsSpider().ids(rows)) == ["a"]


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [({}, True), ({"order": "id_desc", "per_page": "50"}, True), ({"pages": "1"}, False), ({"ids": "a"}, False)],
)
def test_only_arguments_that_narrow_it_make_a_run_less_than_whole(arguments: dict[str, str], whole: bool) -> None:
    assert MarketsSpider(**arguments).whole is whole
