"""What the pages of a run prove while the list changes, and of a list of changes."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from scrapy.http import Request, Response

from coincrawl.coverage import Coverage
from coincrawl.pagination import NextLink, PageNumber
from coincrawl.responses import Rows
from tests.support.sources import (
    BROKEN,
    FIRST_PAGE,
    NO_COUNT,
    ONE_ROW_TOO_FEW,
    SHORT,
    URL,
    Source,
    coins,
    crawl,
    numbered,
    read_once,
    shrinking,
)


@pytest.mark.parametrize("pagination", [numbered(), NextLink(rows="")], ids=["numbers", "links"])
def test_what_slides_over_the_borders_of_pages_is_asked_for_again(pagination: PageNumber | NextLink) -> None:
    source = Source(pagination, coins(48))
    stayed = set(source.ids[2:])

    coverage = crawl(source, meanwhile=shrinking(source, after=4, most=2))

    assert coverage.doubts() == []
    assert coverage.answered >= stayed
    assert coverage.proof() == "the API counts 46 records, and as many different ones came"


@pytest.mark.parametrize("pagination", [numbered(), NextLink(rows="")], ids=["numbers", "links"])
def test_a_list_that_does_not_come_to_rest_is_a_doubt(pagination: PageNumber | NextLink) -> None:
    source = Source(pagination, coins(98))

    coverage = crawl(source, meanwhile=shrinking(source, after=0, most=500))

    assert "; ".join(coverage.doubts()) == (
        "the API counted 98, then 97, then 96, then ... records while its pages were read: others may have been missed"
    )
    assert len(source.asked) <= 3 * 21


def test_pages_of_a_number_are_asked_for_again_too_where_the_count_changes() -> None:
    source = Source(numbered(limit=4), coins(48))
    stayed = source.ids[1:21]

    coverage = crawl(source, meanwhile=shrinking(source, after=2))

    assert coverage.doubts() == []
    assert coverage.answered >= {*stayed}


def test_a_list_that_comes_to_rest_late_is_proven_by_the_third_pass() -> None:
    source = Source(NextLink(rows=""), coins(48))

    def shrink() -> None:
        if len(source.asked) in (5, 15):
            del source.ids[0]

    assert crawl(source, meanwhile=shrink).doubts() == []


def test_a_chain_that_has_become_a_page_shorter_is_proven_by_its_next_pass() -> None:
    source = Source(NextLink(rows=""), coins(52))

    def shrink() -> None:
        if len(source.asked) in (3, 11):
            del source.ids[0]

    coverage = crawl(source, meanwhile=shrink)

    assert (coverage.doubts(), len(source.asked)) == ([], 11 + 10)


@pytest.mark.parametrize("after", [4, 9])
def test_pages_that_were_read_after_the_count_changed_are_not_asked_for_again(after: int) -> None:
    source = Source(numbered(), coins(48))

    coverage = crawl(source, meanwhile=shrinking(source, after))

    assert (coverage.doubts(), coverage.count) == ([], 47)
    assert sorted(source.asked) == sorted([*range(1, 12), *range(1, after + 2)])


def test_a_count_that_has_changed_is_named_as_it_was_and_is() -> None:
    source = Source(numbered(), coins(48), for_ever={10: ONE_ROW_TOO_FEW})

    coverage = crawl(source, meanwhile=shrinking(source, after=4))

    assert coverage.doubts() == [
        "the API counted 48, then 47 records while its pages were read: others may have been missed"
    ]


def test_where_paging_was_cut_the_next_pass_goes_on() -> None:
    source = Source(NextLink(rows=""), lapses={3: [FIRST_PAGE]})

    assert crawl(source, meanwhile=shrinking(source, after=1)).doubts() == []


def test_full_pages_prove_nothing_while_the_list_changes() -> None:
    source = Source(numbered(limit=4), coins(98))

    coverage = crawl(source, meanwhile=shrinking(source, after=0, most=500))

    assert coverage.doubts()[0].startswith("the API counted 98, then 97, then 96, then ... records")


@dataclass
class Keyset(Source):
    """One whose links name the id that the page before ended with."""

    def answer(self, request: Request) -> tuple[Response, Rows]:
        after = parse_qs(urlsplit(request.url).query).get("after", [""])[0]
        self.asked.append(request.meta["page"])
        rest = [coin_id for coin_id in self.ids if coin_id > after]
        link = f"{URL}?after={rest[self.size - 1]}" if len(rest) > self.size else None
        envelope = {"count": Decimal(len(self.ids)), "next": link}
        return Response(request.url), Rows([{"id": coin_id} for coin_id in rest[: self.size]], envelope)


def test_an_address_may_be_another_pages_in_the_next_pass() -> None:
    source = Keyset(NextLink(rows=""), coins(20))

    def grow() -> None:
        if len(source.asked) == 3:
            source.ids[:0] = [f"a-coin-{number}" for number in range(5)]

    coverage = crawl(source, meanwhile=grow)

    assert (coverage.doubts(), coverage.notes(), len(coverage.answered)) == ([], [], 25)


def test_a_page_that_is_answered_in_a_later_pass_is_broken_no_more() -> None:
    source = Source(NextLink(rows=""), coins(48), lapses={7: [BROKEN]})

    coverage = crawl(source, meanwhile=shrinking(source, after=4))

    assert (coverage.doubts(), len(coverage.answered)) == ([], 48)


def read_changes(source: Source, meanwhile: Callable[[], object] = lambda: None, *, before: int = 0) -> Coverage:
    """Read what has changed, to the end of the links; nothing has been asked for again then."""
    return read_once(Coverage(source.pagination, is_incremental=True), source, meanwhile, before=before)


def test_changes_that_become_fewer_are_a_doubt_and_not_fetched_again() -> None:
    source = Source(NextLink(rows=""), coins(48))

    coverage = read_changes(source, source.ids.pop)

    assert coverage.unproven() == []
    assert coverage.doubts()[0].startswith("the API counted 48, then 47, then 46, then ... records")


def test_changes_that_stay_as_many_are_proven() -> None:
    coverage = read_changes(Source(NextLink(rows=""), coins(23)))

    assert (coverage.doubts(), coverage.notes()) == ([], [])
    assert coverage.proof() == "the API counts 23 records, and as many different ones came"


@pytest.mark.parametrize("counts", [NO_COUNT, lambda number: number], ids=["no count", "a count"])
@pytest.mark.parametrize("number", [0, 3])
def test_changes_may_be_fewer_than_before_or_none(number: int, counts: Any) -> None:
    source = Source(NextLink(rows=""), coins(number), counts=counts)

    coverage = read_changes(source, before=48)

    assert (coverage.unproven(), coverage.doubts(), source.asked) == ([], [], [1])


def test_changes_may_be_as_many_as_were_first_counted() -> None:
    counts = iter([23, 24, 24, 24, 24])

    assert read_changes(Source(NextLink(rows=""), coins(23), counts=lambda number: next(counts))).doubts() == []


@pytest.mark.parametrize(
    "how", [{"counts": lambda number: number - 1}, {"for_ever": {2: SHORT}}], ids=["more came", "fewer came"]
)
def test_changes_of_another_number_than_is_counted_are_a_doubt(how: dict[str, Any]) -> None:
    coverage = read_changes(Source(NextLink(rows=""), coins(23), **how))

    assert "the API counts 2" in coverage.doubts()[-1]


def test_a_page_that_was_dropped_is_requested_again_where_the_pages_go_on() -> None:
    coverage = Coverage(PageNumber(size=2))

    def answer(request: Request) -> list[Request]:
        """The requests that follow a full page."""
        ids = [f"{request.meta['page']}-{letter}" for letter in "ab"]
        return coverage.add(request, Response(request.url), Rows([{"id": coin_id} for coin_id in ids]), ids)

    (second,) = answer(coverage.begin(URL))
    third, fourth = answer(second)
    coverage.drop(fourth)

    assert [request.meta["page"] for request in answer(third)] == [4, 5]


def test_changes_that_became_fewer_in_between_are_a_doubt_too() -> None:
    counts = iter([23, 22, 23, 23, 23])

    coverage = read_changes(Source(NextLink(rows=""), coins(23), counts=lambda number: next(counts)))

    assert coverage.doubts()[0].startswith("the API counted 23, then 22, then 23 records")


def test_changes_on_a_page_that_was_cut_short_are_lacking_also_where_as_many_others_came() -> None:
    source = Source(NextLink(rows=""), coins(23), for_ever={2: SHORT})

    coverage = read_changes(source, lambda: source.ids.append(f"newcomer-{len(source.ids)}"))

    assert coverage.doubts()[0] == "page 2 had 2 records, and 5 were on others"


def test_changes_that_have_moved_from_their_page_have_been_had() -> None:
    coverage = Coverage(NextLink(), is_incremental=True)
    first = coverage.begin(URL)
    for ids in (["a", "b"], ["b", "c"]):
        rows = Rows([{"id": coin_id} for coin_id in ids], {"count": Decimal(3), "next": None})
        coverage.add(first, Response(first.url), rows, ids)

    assert coverage.doubts() == []


def test_changes_are_not_checked_again_if_there_is_no_count() -> None:
    coverage = read_changes(Source(NextLink(rows=""), coins(98), counts=NO_COUNT))

    assert (coverage.unproven(), coverage.doubts()) == ([], [])


def test_changes_may_become_more_while_they_are_fetched() -> None:
    source = Source(NextLink(rows=""), coins(23))

    coverage = read_changes(source, lambda: source.ids.append(f"newcomer-{len(source.ids)}"))

    assert coverage.unproven() == []
    assert coverage.doubts() == []
    assert coverage.proof() == "the API counted 23 to 28 records while they were read, and 28 came"
