"""Which pages are asked for again, and what a run notes or doubts at its end."""

from decimal import Decimal
from typing import Any

import pytest
from scrapy.http import Response

from coincrawl.coverage import Coverage
from coincrawl.pagination import NextLink, Offset, OnePage, PageNumber
from coincrawl.readings import Reading, Readings
from coincrawl.responses import Rows
from tests.support.sources import (
    BROKEN,
    EMPTY,
    FIRST_PAGE,
    LINKS,
    NAMELESS,
    NO_COUNT,
    NO_ID,
    ONE_ROW_TOO_FEW,
    SHORT,
    URL,
    Lapse,
    Source,
    coins,
    crawl,
    ids_of,
    numbered,
    read_once,
    shrinking,
)


@pytest.mark.parametrize(
    ("pagination", "counts", "number", "asked"),
    [
        (numbered(limit=1), NO_COUNT, 500, [1]),
        (numbered(limit=12), NO_COUNT, 500, [*range(1, 13)]),
        (numbered(), NO_COUNT, 43, [*range(1, 11)]),
        (numbered(), NO_COUNT, 48, [*range(1, 12), 10]),
        (numbered(), NO_COUNT, 93, [*range(1, 21), 19]),
        (numbered(), NO_COUNT, 98, [*range(1, 22), 20, 10]),
        (numbered(), NO_COUNT, 498, [*range(1, 102), 100, 50, 1]),
        (numbered(), lambda number: number, 498, [*range(1, 102)]),
        (NextLink(), NO_COUNT, 43, [*range(1, 10)]),
        (NextLink(), NO_COUNT, 98, [*range(1, 21), 20, 10]),
        (NextLink(), lambda number: number, 98, [*range(1, 21)]),
    ],
)
def test_checking_again_costs_a_tenth_of_the_pages_at_most_and_nothing_below_ten_pages(
    pagination: PageNumber | NextLink, counts: Any, number: int, asked: list[int]
) -> None:
    source = Source(pagination, coins(number), counts=counts)

    coverage = crawl(source)

    assert not coverage.doubts()
    assert sorted(source.asked) == sorted(asked)


def test_a_page_that_its_lane_did_not_reach_is_asked_for_once() -> None:
    source = Source(numbered(), counts=NO_COUNT, lapses={7: [EMPTY], 9: [SHORT]})

    coverage = crawl(source, before=48)

    assert coverage.doubts() == []
    assert sorted(source.asked) == sorted([*range(1, 12), 7, 9, 10])


@pytest.mark.parametrize(
    ("before", "came", "doubts"),
    [(33, 33, []), (34, 35, ["page 1 had other records when asked for again"])],
    ids=["as many", "more"],
)
def test_a_short_list_is_checked_again_if_an_earlier_run_had_more(before: int, came: int, doubts: list[str]) -> None:
    source = Source(numbered(), coins(35), counts=NO_COUNT)

    coverage = crawl(source, before=before, meanwhile=shrinking(source, after=1, most=2))

    assert [doubt.partition(",")[0] for doubt in coverage.doubts()] == doubts
    assert len(coverage.answered) == came


@pytest.mark.parametrize("pagination", [numbered(size=10), LINKS], ids=["numbers", "links"])
@pytest.mark.parametrize(("before", "came", "asks"), [(48, 48, 2), (44, 45, 1)], ids=["fewer", "as many"])
def test_a_last_page_is_asked_for_again_where_an_earlier_run_had_more(
    pagination: PageNumber | NextLink, before: int, came: int, asks: int
) -> None:
    source = Source(pagination, size=10, counts=NO_COUNT, lapses={5: [lambda ids: ids[:5]]})

    coverage = crawl(source, before=before)

    assert (coverage.doubts(), len(coverage.answered), source.asked.count(5)) == ([], came, asks)


def test_a_chain_that_ends_early_goes_on_where_an_earlier_run_had_more() -> None:
    source = Source(LINKS, counts=NO_COUNT, unlinked={6})

    coverage = crawl(source, before=48)

    assert (coverage.doubts(), len(coverage.answered)) == ([], 48)


def test_a_count_may_come_with_the_first_page_alone() -> None:
    counts = iter([48])

    coverage = crawl(Source(numbered(), counts=lambda number: next(counts, None)))

    assert coverage.doubts() == []
    assert coverage.proof() == "the API counts 48 records, and as many different ones came"


def test_a_count_that_comes_once_may_be_wrong_too() -> None:
    counts = iter([49])

    coverage = crawl(Source(numbered(), counts=lambda number: next(counts, None)))

    assert coverage.doubts() == ["the API counts 49 records, and its pages had 48 different ones"]


def test_paging_that_is_cut_is_the_only_doubt() -> None:
    coverage = crawl(Source(numbered(max_records=50), coins(98), counts=NO_COUNT))

    assert coverage.doubts() == ["paging had no end by page 10 and was stopped there"]


@pytest.mark.parametrize("page", [2, 4, 7])
def test_an_empty_page_ends_its_lane_of_the_window_and_nothing_else(page: int) -> None:
    source = Source(numbered(), counts=NO_COUNT, lapses={page: [EMPTY]})

    coverage = crawl(source, before=48)

    assert (coverage.doubts(), len(coverage.answered)) == ([], 48)
    assert sorted(source.asked) == sorted([*range(1, 12), page, 10])


@pytest.mark.parametrize(
    ("options", "how", "notes"),
    [
        ({"size": 7}, {}, ["pages 1, 2, 3 and 6 more had 5 records, and 7 were asked for"]),
        ({}, {"clamps": True, "ids": coins(50)}, []),
        ({}, {"lapses": {3: [FIRST_PAGE]}}, []),
        ({}, {"ids": [*coins(5), *coins(5), *coins(45)[5:]], "counts": lambda _: 45}, ["page 2 brought nothing new"]),
        ({}, {"for_ever": {3: SHORT}}, []),
        ({}, {"for_ever": {3: NAMELESS}}, [NO_ID]),
        ({}, {}, []),
    ],
    ids=[
        "smaller pages",
        "the last page for ever",
        "a lapse",
        "a page twice",
        "a doubt",
        "a doubt in spite of the count",
        "nothing odd",
    ],
)
def test_what_is_odd_is_noted_where_nothing_is_missing(
    options: dict[str, Any], how: dict[str, Any], notes: list[str]
) -> None:
    coverage = crawl(Source(numbered(**options), **how))

    assert coverage.notes() == notes
    assert coverage.repairs() == []


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ([2, 3, 4], []),
        ([2, 3, 4, 5], ["1 more page stayed broken"]),
        ([2, 3, 4, 5, 6], ["2 more pages stayed broken"]),
    ],
    ids=len,
)
def test_three_broken_pages_are_named_and_the_others_counted(pages: list[int], words: list[str]) -> None:
    coverage = crawl(Source(numbered(), counts=NO_COUNT, for_ever=dict.fromkeys(pages, BROKEN)))

    assert coverage.doubts() == [*(f"page {page} stayed broken: status 500" for page in (2, 3, 4)), *words]


@pytest.mark.parametrize(
    ("pagination", "doubt"),
    [(numbered(), "page 2 was not read"), (LINKS, "the end of the pages was not seen")],
    ids=["numbers", "links"],
)
def test_before_the_end_is_seen_nothing_is_proven(pagination: PageNumber | NextLink, doubt: str) -> None:
    source = Source(pagination, counts=NO_COUNT)
    coverage = Coverage(pagination)
    first = coverage.begin(URL)
    answered = source.answer(first)
    assert answered

    coverage.add(first, *answered, ids_of(answered[1]))

    assert coverage.doubts() == [doubt]


@pytest.mark.parametrize(
    ("how", "least"),
    [
        ({"for_ever": {3: BROKEN}}, 48),
        ({"for_ever": {3: FIRST_PAGE}}, 48),
        ({"for_ever": {10: BROKEN}}, 45),
        ({"for_ever": {4: lambda ids: [*ids, *(f"more-{number}" for number in range(9))]}}, 48),
        ({"size": 4}, 48),
        ({"ids": []}, 0),
    ],
    ids=["a broken page", "another page", "the last page", "a large page", "smaller pages", "nothing"],
)
def test_pages_that_did_not_come_are_counted_by_their_numbers(how: dict[str, Any], least: int) -> None:
    assert crawl(Source(numbered(), counts=NO_COUNT, **how)).min_records == least


@pytest.mark.parametrize(("short", "repairs"), [(4, [1, 2, 3, 4]), (5, [])], ids=["four of nine", "five of nine"])
def test_of_lapses_few_pages_are_short_but_for_a_proof_any_number_is_asked_for_again(
    short: int, repairs: list[int]
) -> None:
    pages = range(1, short + 1)
    source = Source(numbered(), for_ever=dict.fromkeys(pages, SHORT))

    coverage = read_once(Coverage(source.pagination), source)

    assert [request.meta["page"] for request in coverage.repairs()] == repairs
    assert [request.meta["page"] for request in coverage.unproven()] == (repairs or [*pages, 10])


def test_pages_that_are_all_short_once_are_all_asked_for_again() -> None:
    source = Source(numbered(), lapses={page: [ONE_ROW_TOO_FEW] for page in range(1, 11)})

    assert crawl(source).doubts() == []


def test_of_two_pages_with_the_same_records_the_later_one_is_the_copy() -> None:
    readings = Readings()

    for page in (2, 1):
        readings.put(page, Reading.of(2, ["a", "b"], None))

    assert (readings.repeated(), readings.last) == ({2}, 1)


def test_work_that_goes_through_all_pages_is_not_done_for_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = {30: 0, 60: 0}
    last = Readings.last.fget  # type: ignore[attr-defined]  # a property has it

    for pages in looks:
        source = Source(NextLink(rows=""), coins(5 * pages - 2), counts=NO_COUNT)
        coverage = read_once(Coverage(source.pagination), source)

        def counting(readings: Readings, pages: int = pages) -> int:
            looks[pages] += 1
            return int(last(readings))

        monkeypatch.setattr(Readings, "last", property(counting))
        coverage.unproven()
        coverage.doubts()

    assert looks[30] == looks[60] > 0


def test_a_broken_page_of_a_chain_is_the_only_doubt() -> None:
    coverage = crawl(Source(NextLink(rows=""), counts=NO_COUNT, for_ever={3: BROKEN}))

    assert coverage.doubts() == ["page 3 stayed broken: status 500"]


@pytest.mark.parametrize("counts", [NO_COUNT, lambda number: number], ids=["no count", "a count"])
def test_nothing_is_checked_again_if_there_is_a_doubt_already(counts: Any) -> None:
    source = Source(numbered(), coins(98), counts=counts, for_ever={5: BROKEN})

    crawl(source)

    assert sorted(source.asked) == [*range(1, 22)]


@pytest.mark.parametrize(
    ("ids", "counts", "before", "asked"),
    [
        (coins(50), NO_COUNT, 90, [*range(1, 13), 11, 10, 5, 1]),
        (coins(50), NO_COUNT, 0, [*range(1, 13), 11, 10]),
        ([], NO_COUNT, 0, [1, 1]),
        ([*coins(49), "coin-000"], lambda number: number, 0, [*range(1, 12), 1, 10]),
    ],
    ids=[
        "only the first of the empty pages",
        "the page behind it once",
        "the first of none",
        "none where as many pages came as the count speaks of",
    ],
)
def test_of_the_empty_pages_at_the_end_few_are_asked_for_again(
    ids: list[str], counts: Any, before: int, asked: list[int]
) -> None:
    source = Source(numbered(), ids, counts=counts)

    crawl(source, before=before)

    assert sorted(source.asked) == sorted(asked)


@pytest.mark.parametrize(("pagination", "expected"), [(numbered(limit=1), 1), (LINKS, 10)], ids=["numbers", "links"])
def test_the_first_answer_says_how_many_pages_to_expect(pagination: PageNumber | NextLink, expected: int) -> None:
    assert crawl(Source(pagination)).expected == expected


def test_the_first_page_of_a_chain_is_asked_for_again_at_its_own_address() -> None:
    coverage = Coverage(NextLink(size=5))
    first = coverage.begin(URL)
    coverage.add(first, Response(first.url), Rows([], {"next": None}), [])

    assert [request.url for request in coverage.unproven()] == [first.url]


def test_paging_ends_at_the_first_page_that_repeats_another() -> None:
    source = Source(numbered(), coins(50), counts=NO_COUNT, clamps=True)

    crawl(source)

    assert max(source.asked) == 12


@pytest.mark.parametrize(
    ("pagination", "shared", "asked"),
    [
        (numbered(), [1, 2], [*range(1, 12), 1, 2]),
        (numbered(), [1, 2, 3], [*range(1, 12)]),
        (LINKS, [1, 2], [*range(1, 11)]),
    ],
    ids=["two pages", "three pages", "a chain"],
)
def test_pages_that_share_a_record_are_asked_for_again_where_they_are_few(
    pagination: PageNumber | NextLink, shared: list[int], asked: list[int]
) -> None:
    ids = coins(48)
    for page in shared:
        ids[5 * (page - 1)] = "shared"
    source = Source(pagination, ids, counts=NO_COUNT)

    crawl(source)

    assert sorted(source.asked) == sorted(asked)


def test_where_many_pages_share_records_only_copies_are_asked_for_again() -> None:
    ids = coins(48)
    for page in (3, 4, 5):
        ids[5 * (page - 1)] = "shared"
    source = Source(numbered(), ids, counts=NO_COUNT, lapses={7: [FIRST_PAGE]})

    coverage = crawl(source)

    assert sorted(source.asked) == sorted([*range(1, 12), 1, 7])
    assert coverage.answered == {*ids}


@pytest.mark.parametrize(
    ("source", "is_sound"),
    [
        (Source(numbered()), True),
        (Source(numbered(), for_ever={3: BROKEN}), False),
        (Source(numbered(), for_ever={3: SHORT}), False),
        (Source(numbered(), clamps=True, ids=coins(50)), False),
    ],
    ids=["all right", "broken", "short", "repeated"],
)
def test_pages_are_sound_where_none_was_broken_short_or_in_the_place_of_another(source: Source, is_sound: bool) -> None:
    assert crawl(source).is_sound is is_sound


@pytest.mark.parametrize(
    ("loops", "others"),
    [(False, []), (True, ["the link on page 10 leads back to page 10, so paging ended there"])],
    ids=["all right", "no end"],
)
def test_where_one_count_is_no_number_the_others_prove_nothing(loops: bool, others: list[str]) -> None:
    counts = iter([48, 48, -1])

    coverage = crawl(Source(NextLink(rows=""), counts=lambda number: next(counts, 48), loops=loops))

    assert coverage.doubts() == ["the API counts -1 records, which is not a valid number", *others]


def test_a_link_that_is_none_is_the_only_doubt() -> None:
    coverage = Coverage(LINKS)
    first = coverage.begin(URL)

    following = coverage.add(first, Response(first.url), Rows([{"id": "a"}], {"next": Decimal(5)}), ["a"])

    assert (following, coverage.doubts()) == ([], ["page 1 has 5 as its 'next', which is not an address"])


def test_an_empty_last_page_of_a_chain_is_not_asked_for_again() -> None:
    source = Source(LINKS, counts=NO_COUNT, for_ever={10: EMPTY})

    crawl(source)

    assert source.asked == [*range(1, 11)]


def test_the_last_word_of_the_source_is_its_count() -> None:
    source = Source(numbered())
    coverage = Coverage(source.pagination)
    request = coverage.begin(URL)
    for _ in range(2):
        answered = source.answer(request)
        assert answered
        request, *_ = coverage.add(request, *answered, ids_of(answered[1]))
        del source.ids[0]

    assert coverage.count == 47


def test_beside_another_doubt_records_that_came_twice_are_not_spoken_of() -> None:
    twice: Lapse = lambda ids: [*ids[:-1], ids[0]]  # noqa: E731

    coverage = crawl(Source(numbered(), counts=NO_COUNT, for_ever={3: BROKEN, 5: twice}))

    assert coverage.doubts() == ["page 3 stayed broken: status 500"]


def test_only_the_first_end_of_paging_before_its_end_is_a_doubt() -> None:
    coverage = crawl(Source(numbered(), counts=NO_COUNT, for_ever={3: NAMELESS, 4: NAMELESS}), before=50)

    assert [doubt for doubt in coverage.doubts() if "no record" in doubt] == coverage.doubts()[:1]


def test_pages_that_were_not_read_are_named() -> None:
    source = Source(numbered(), counts=NO_COUNT)
    coverage = Coverage(source.pagination)
    request = coverage.begin(URL, 50)
    for _ in range(2):
        answered = source.answer(request)
        assert answered
        _, request, *_ = [*coverage.add(request, *answered, ids_of(answered[1])), request, request]

    assert coverage.doubts() == ["pages 2 and 4 were not read"]


@pytest.mark.parametrize("page", [2, 5])
def test_an_offset_that_came_short_once_costs_nothing(page: int) -> None:
    coverage = crawl(Source(Offset(size=5), counts=NO_COUNT, lapses={page: [SHORT]}))

    assert (coverage.doubts(), len(coverage.answered)) == ([], 48)


def test_behind_a_smaller_limit_a_broken_page_costs_its_own_coins_alone() -> None:
    coverage = crawl(Source(Offset(size=7), for_ever={4: BROKEN}))

    assert len(coverage.answered) == 43
    assert coverage.doubts()[0] == "page 4 stayed broken: status 500"


@pytest.mark.parametrize(
    ("lapse", "doubts"),
    [([], 0), ([SHORT], 1)],
    ids=["alike", "cut short"],
)
def test_a_source_of_one_page_is_read_twice(lapse: list[Lapse], doubts: int) -> None:
    coverage = crawl(Source(OnePage(), coins(20), size=20, counts=NO_COUNT, lapses={1: lapse}))

    assert len(coverage.doubts()) == doubts
    assert coverage.proof() == (
        "the source has all its records in one answer, though no count says how many records there are; "
        "page 1 had the same records when asked for again"
    )


def test_a_source_of_one_page_that_had_more_before_is_read_twice_too() -> None:
    source = Source(OnePage(), coins(20), size=20, counts=NO_COUNT)

    coverage = crawl(source, before=25)

    assert (coverage.doubts(), source.asked) == ([], [1, 1, 1])
