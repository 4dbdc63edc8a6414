"""What a run says of its batches."""

import pytest

from coincrawl.outcome import notes_on_batches as notes
from webapp.crawls.models import CrawlRun


@pytest.mark.parametrize(
    ("went_back", "stale", "words"),
    [
        (2, 0, "2 stored, 0 ignored"),
        (0, 3, "0 stored, 3"),
        (1, 2, "1 stored, 2"),
    ],
)
def test_coins_that_go_back_in_time_are_counted_in_a_message(went_back: int, stale: int, words: str) -> None:
    (note,) = notes(CrawlRun(went_back=went_back, stale=stale))

    assert note.startswith(f"{went_back + stale} coins went back in time")
    assert f"): {words}" in note


def test_rejected_records_that_are_not_kept_are_counted_in_a_message() -> None:
    assert list(notes(CrawlRun(), not_kept=59_000)) == [
        "59,000 rejected records not kept, only counted: a run keeps the first 1,000, so that no source can fill "
        "the database with them"
    ]


def test_there_is_no_message_if_no_coin_goes_back_in_time() -> None:
    assert not list(notes(CrawlRun(updated=1, unchanged=1)))


def test_rounded_numbers_are_counted_by_field_in_a_message() -> None:
    assert list(notes(CrawlRun(rounded={"price": 2, "ath": 2}))) == [
        "numbers with more digits than SQLite can keep were rounded: 2 of ath, 2 of price"
    ]
