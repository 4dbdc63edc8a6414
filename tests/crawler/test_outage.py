"""When a source is asked by one request alone, and when it is left alone."""

import pytest

from coincrawl.components import extension
from coincrawl.extensions import outage
from coincrawl.extensions.outage import Outage
from coincrawl.spiders.markets import MarketsSpider
from tests.support.spiders import make_spider

PAGES = [f"https://api.example/?page={number}" for number in range(1, 20)]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Outage:
    """A source that is asked at a time that stands still."""
    monkeypatch.setattr(outage, "monotonic", lambda: 1_000.0)
    return extension(make_spider(MarketsSpider, {"RETRY_BACKOFF_BASE": 2}).crawler, Outage)


def down_to_the_last_try(source: Outage) -> None:
    """Break five pages, and then all tries of the one request but the last."""
    for page in PAGES[:5]:
        source.add(page)
    for _ in range(4):
        source.holds(PAGES[0])
        source.add(PAGES[0])
    source.holds(PAGES[0])


def test_one_page_that_stays_broken_is_no_outage(source: Outage) -> None:
    assert not any(source.add(PAGES[0]) for _ in range(34))
    assert not source.holds(PAGES[1])


def test_from_five_broken_pages_on_one_request_alone_asks_and_waits_longer_each_time(source: Outage) -> None:
    before = [source.add(page) for page in PAGES[:5]]
    held = [source.holds(page) for page in PAGES[:3]]

    waits, ends = [], []
    for page in PAGES[:5]:
        source.holds(page)
        waits.append(source.wait)
        ends.append(source.add(page))

    assert not any(before)
    assert held == [False, True, True]
    assert waits == [2, 4, 8, 16, 32]
    assert ends == [False, False, False, False, True]


def test_four_broken_pages_are_no_outage(source: Outage) -> None:
    for page in PAGES[:4]:
        source.add(page)
    assert not any(source.holds(page) for page in PAGES)

    source.add(PAGES[4])
    assert [source.holds(page) for page in PAGES[:2]] == [False, True]


def test_a_second_outage_has_a_request_and_tries_of_its_own(source: Outage) -> None:
    down_to_the_last_try(source)

    source.end()

    ends = [source.add(page) for page in PAGES[1:6]]
    assert not source.holds(PAGES[3])
    assert not any([*ends, source.add(PAGES[3])])


def test_the_one_is_a_request_that_was_broken_before_while_there_is_any(source: Outage) -> None:
    """A source that breaks each request once is not down."""
    for page in PAGES[:5]:
        source.add(page)

    assert [source.holds(page) for page in (PAGES[7], PAGES[2], PAGES[0])] == [True, False, True]
    for page in PAGES[:5]:
        source.forget(page)  # asked for as often as is sensible
    assert [source.holds(page) for page in (PAGES[7], PAGES[8])] == [False, True]


@pytest.mark.parametrize("is_good", [False, True])
def test_broken_answers_and_rests_by_turns_are_an_outage_in_the_end(is_good: bool, source: Outage) -> None:
    ends = [source.add(PAGES[0]) if turn % 2 else source.rest() for turn in range(34)]
    if is_good:
        source.end()

    assert not any(ends)
    assert source.add(PAGES[0]) is not is_good


def test_very_many_rests_in_a_row_are_an_outage_too(source: Outage) -> None:
    assert [source.rest() for _ in range(36)].index(True) == 34


def test_an_answer_without_records_leaves_the_turn_to_another_and_ends_nothing(source: Outage) -> None:
    for page in PAGES[:5]:
        source.add(page)
    source.holds(PAGES[0])

    source.forget(PAGES[1])
    assert source.holds(PAGES[2])

    source.forget(PAGES[0])
    assert [source.holds(page) for page in PAGES[2:4]] == [False, True]


def test_after_a_good_answer_it_takes_as_many_as_before(source: Outage) -> None:
    source.rest()

    source.end()

    assert [source.rest() for _ in range(36)].index(True) == 34


def test_a_second_outage_is_as_long_as_the_first(source: Outage) -> None:
    ends = []
    for _ in range(2):
        down_to_the_last_try(source)
        ends.append(source.wait)
        source.end()

    assert ends == [32, 32]


def test_a_good_answer_ends_a_rest_too(source: Outage) -> None:
    source.rest()

    source.end()

    assert not any(source.holds(page) for page in PAGES)


def test_answers_to_what_was_under_way_are_no_tries_of_the_one(source: Outage) -> None:
    for page in PAGES[:5]:
        source.add(page)
    source.holds(PAGES[0])

    assert not any(source.add(page) for page in PAGES[5:19])
    assert source.wait == 2
    assert source.holds(PAGES[5])


def test_a_good_answer_ends_it(source: Outage) -> None:
    for page in PAGES[:5]:
        source.add(page)
    source.holds(PAGES[0])

    source.end()

    assert not any(source.holds(page) for page in PAGES)
    assert source.wait <= 0
    assert not any([source.add(PAGES[0]), *map(source.holds, PAGES)])


def test_after_a_rest_one_request_asks_alone_and_at_once(source: Outage) -> None:
    source.rest()

    assert [source.holds(page) for page in PAGES[:3]] == [False, True, True]
    assert source.wait <= 0


def test_what_was_broken_before_a_rest_has_no_precedence_after_it(source: Outage) -> None:
    source.add(PAGES[0])

    source.rest()

    assert not source.holds(PAGES[1])


def test_after_a_rest_a_broken_page_is_tried_as_any_other(source: Outage) -> None:
    source.rest()

    for _ in range(20):
        source.holds(PAGES[0])
        assert not source.add(PAGES[0])


def test_a_source_that_asks_for_a_rest_is_not_down(source: Outage) -> None:
    for page in PAGES[:4]:
        source.add(page)

    source.rest()

    source.add(PAGES[4])
    assert source.wait <= 0
