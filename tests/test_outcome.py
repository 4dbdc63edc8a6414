"""What a run says of its batches."""

from collections import Counter
from collections.abc import Set

import pytest

from coincrawl.outcome import Outcome
from webapp.coins.upsert import Upserted


def outcome(*results: Upserted, repeated: Set[str] = frozenset()) -> Outcome:
    outcome = Outcome()
    for result in results:
        outcome.add(result, repeated)
    return outcome


@pytest.mark.parametrize(
    ("went_back", "stale", "words"),
    [
        ("ab", "", "2 were stored, 0 were ignored"),
        ("", "abc", "0 were stored, 3 were"),
        ("a", "bc", "1 were stored, 2"),
    ],
)
def test_coins_that_go_back_in_time_are_told(went_back: str, stale: str, words: str) -> None:
    results = [*(Upserted(went_back={coin}) for coin in went_back), Upserted(stale=set(stale), updated={"other"})]

    (note,) = outcome(*results).notes()

    assert note.startswith(f"{len(went_back + stale)} coins went back in time")
    assert f"): {words}" in note


def test_rejected_records_that_are_not_kept_are_told() -> None:
    some = outcome(Upserted())
    some.add(Upserted(), set(), 7)
    some.add(Upserted(), set(), 59_000)

    assert list(some.notes()) == [
        "59,000 rejected records were counted and not kept: a run keeps the first 1,000, so that no source can fill "
        "the database with them"
    ]


def test_where_no_coin_goes_back_nothing_is_told() -> None:
    assert not list(outcome(Upserted(updated={"a"}, unchanged={"b"})).notes())


def test_a_coin_that_the_run_has_had_before_is_told_once() -> None:
    assert not list(outcome(Upserted(went_back={"a"}, stale={"b"}), repeated={"a", "b"}).notes())


def test_numbers_that_were_rounded_are_told_by_field() -> None:
    results = [Upserted(rounded=Counter(ath=count, price=1)) for count in (0, 2)]

    assert list(outcome(*results).notes()) == [
        "numbers with more digits than SQLite can keep were rounded: 2 of ath, 2 of price"
    ]
