"""What a run says of its batches."""

import pytest

from coincrawl.outcome import notes_on_batches
from webapp.coins.cleaning import Rejection
from webapp.crawls.batch import Memory
from webapp.crawls.models import CrawlRun


def notes(run: CrawlRun, memory: Memory | None = None) -> list[str]:
    return list(notes_on_batches(run, memory or Memory()))


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
    memory = Memory()
    memory.not_kept = 59_000

    assert notes(CrawlRun(), memory) == [
        "59,000 rejected records not kept, only counted: a run keeps the first 1,000, so that no source can fill "
        "the database with them"
    ]


def test_the_commonest_reasons_for_rejected_records_are_a_message() -> None:
    memory = Memory()
    for number in range(1_200):
        reasons = ("price: not a number", "date: a number, not a date") if number % 2 else ("price: not a number",)
        memory.count_rejected(Rejection(f"coin {number}", "", reasons))
    for reason in ("a", "a", "b"):
        memory.count_rejected(Rejection("", "", (reason,)))

    assert notes(CrawlRun(), memory) == [
        "why records were rejected, first of all: price: not a number (1,200 records); "
        "date: a number, not a date (600 records); a (2 records)"
    ]


def test_there_is_no_message_if_no_coin_goes_back_in_time() -> None:
    assert not notes(CrawlRun(updated=1, unchanged=1))


def test_rounded_numbers_are_counted_by_field_in_a_message() -> None:
    assert notes(CrawlRun(rounded={"price": 2, "ath": 2})) == [
        "numbers with more digits than SQLite can keep were rounded: 2 of ath, 2 of price"
    ]
