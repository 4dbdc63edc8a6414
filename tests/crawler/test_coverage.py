"""What the pages of a run prove, whatever the source does and in whatever order its answers come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from scrapy.http import Request, Response

from coincrawl.coverage import Coverage
from coincrawl.pagination import NextLink, Offset, OnePage, PageNumber
from coincrawl.readings import Readings
from coincrawl.responses import Rows

URL = "https://api.example/coins"
LINKS = NextLink()
Lapse = Callable[[list[str]], list[str]]

EMPTY: Lapse = lambda ids: []  # noqa: E731 - these are named like that in the tables
SHORT: Lapse = lambda ids: ids[: len(ids) // 2]  # noqa: E731
ONE_ROW_TOO_FEW: Lapse = lambda ids: ids[:-1]  # noqa: E731
NAMELESS: Lapse = lambda ids: [""] * len(ids)  # noqa: E731
FIRST_PAGE = "the first page"  # in the place of the one that was asked for
BROKEN = "broken"
NO_ID = "no coin was marked missing, because some records have no id that a coin can be stored under"


def coins(number: int) -> list[str]:
    return [f"coin-{place:03}" for place in range(number)]


@dataclass
class Source:
    """A list of ids that is read page by page; `lapses` are what it does to a page, ask after ask, before it is right.

    `counts` says how many records it counts, of the ids that it has; None: it does not count.
    """

    pagination: PageNumber | NextLink
    ids: list[str] = field(default_factory=lambda: coins(48))
    size: int = 5
    counts: Callable[[int], int | None] = lambda number: number
    lapses: dict[int, list[Any]] = field(default_factory=dict)
    for_ever: dict[int, Any] = field(default_factory=dict)
    clamps: bool = False  # the last page answers for all after it
    loops: bool = False  # the last page links to itself
    unlinked: set[int] = field(default_factory=set)  # pages that name no next one, the first time
    asked: list[int] = field(default_factory=list)

    def answer(self, request: Request) -> tuple[Response, Rows] | None:
        asked = parse_qs(urlsplit(request.url).query)
        page = request.meta["page"] if "offset" in asked else int(asked.get("page", ["1"])[0])
        self.asked.append(page)
        last = max(1, -(-len(self.ids) // self.size))
        lapse = self.lapses[page].pop(0) if self.lapses.get(page) else self.for_ever.get(page)
        if lapse is BROKEN:
            return None
        number = 1 if lapse is FIRST_PAGE else min(page, last) if self.clamps else page
        begin = int(asked["offset"][0]) if "offset" in asked and number == page else (number - 1) * self.size
        rows = self.ids[begin : begin + self.size]
        rows = lapse(rows) if callable(lapse) else rows
        count = self.counts(len(self.ids))
        envelope: dict[str, Any] = {} if count is None else {"count": Decimal(count)}
        envelope["next"] = f"{URL}?page={page + 1}" if page < last else f"{URL}?page={page}" if self.loops else None
        envelope["token"] = Decimal(page + 1) if page < last else None
        if page in self.unlinked:
            self.unlinked.remove(page)
            envelope["next"] = None
        headers = {} if count is None else {"total": str(count)}
        return Response(request.url, headers=headers), Rows([{"id": coin_id} for coin_id in rows], envelope)


def ids_of(answer: Rows) -> list[str]:
    return [row["id"] for row in answer.rows if row["id"]]


def crawl(
    source: Source, *, before: int = 0, order: Random | None = None, meanwhile: Callable[[], None] | None = None
) -> Coverage:
    """Read the source to the end: the answers in their order, or as `order` has it; something happens after each."""
    coverage = Coverage(source.pagination)
    waiting = [coverage.begin(URL, before)]
    while waiting or (waiting := coverage.unproven()):
        request = waiting.pop(order.randrange(len(waiting)) if order else 0)
        answered = source.answer(request)
        if answered is None:
            waiting += coverage.give_up(request, f"page {request.meta['page']} stayed broken: status 500")
        else:
            waiting += coverage.add(request, *answered, ids_of(answered[1]))
        if meanwhile:
            meanwhile()
        assert len(source.asked) < 500, "asking has no end"
    return coverage


def read_once(
    coverage: Coverage, source: Source, meanwhile: Callable[[], object] = lambda: None, *, before: int = 0
) -> Coverage:
    """Follow the pages to their end, without asking for any of them again; something happens after each."""
    waiting = [coverage.begin(URL, before)]
    while waiting:
        request = waiting.pop()
        answered = source.answer(request)
        assert answered
        waiting += coverage.add(request, *answered, ids_of(answered[1]))
        meanwhile()
    return coverage


def numbered(**options: Any) -> PageNumber:
    return PageNumber(**{"size": 5, "window": 3} | options)


# Complete, or why not --------------------------------------------------------------------------------

NO_COUNT: Callable[[int], None] = lambda number: None  # noqa: E731
FIRST_NONE = lambda number, counts=iter([0]): next(counts, number)  # noqa: B008, E731 - once is what it is for
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], int, str, str]] = {
    # The pagination, the source, how many ids come, the doubt, the proof
    "a count": ({}, {}, 48, "", "the API counts 48 records, and as many different ones came"),
    "no count": (
        {},
        {"counts": NO_COUNT},
        48,
        "",
        "10 pages came, all full but the last, and no page follows, though no count says how many records there are; "
        "page 10 had the same records when asked for again",
    ),
    "an empty page once, in a window": ({}, {"lapses": {3: [EMPTY]}}, 48, "", "the API counts 48"),
    "an empty page once, without a count": ({}, {"counts": NO_COUNT, "lapses": {3: [EMPTY]}}, 48, "", "10 pages came"),
    "an empty first page once, and no count": ({}, {"counts": NO_COUNT, "lapses": {1: [EMPTY]}}, 48, "", "10 pages"),
    "a short page that is broken when it is asked for again": (
        {},
        {"lapses": {3: [SHORT]}, "for_ever": {3: BROKEN}},
        45,
        "page 3 stayed broken: status 500; page 3 had 2 records, and 5 were asked for; the API counts 48",
        "",
    ),
    "an empty page twice": (
        {},
        {"for_ever": {3: EMPTY}},
        43,
        "page 3 was empty and page 10 was not; the API counts 48 records, and its pages had 43 different ones",
        "",
    ),
    "an empty page, and no count": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: EMPTY}},
        43,
        "page 3 was empty and page 10 was not",
        "",
    ),
    "every page after the third is empty": (
        {},
        {"for_ever": dict.fromkeys(range(4, 12), EMPTY)},
        15,
        "the API counts 48 records, and its pages had 15 different ones",
        "",
    ),
    "half of each page": (
        {},
        {"for_ever": dict.fromkeys(range(1, 12), SHORT)},
        19,
        "pages 1, 2, 3 and 6 more had 2 records, and 5 were asked for; the API counts 48 records, and its",
        "",
    ),
    "half of each page, and no count": (
        {},
        {"counts": NO_COUNT, "for_ever": dict.fromkeys(range(1, 12), SHORT)},
        19,
        "pages 1, 2, 3 and 6 more had 2 records, and 5 were asked for",
        "",
    ),
    "smaller pages than were asked for, all of them": ({"size": 7}, {}, 48, "", "the API counts 48 records"),
    "one row too few": (
        {},
        {"for_ever": {10: ONE_ROW_TOO_FEW}},
        47,
        "the API counts 48 records, and its pages had 47 different ones",
        "",
    ),
    "one row too few once": ({}, {"lapses": {10: [ONE_ROW_TOO_FEW]}}, 48, "", "the API counts 48 records"),
    "a broken page": (
        {},
        {"for_ever": {2: BROKEN}},
        43,
        "page 2 stayed broken: status 500; the API counts 48 records, and its pages had 43 different ones",
        "",
    ),
    "a broken last page, and no count": (
        {},
        {"counts": NO_COUNT, "for_ever": {10: BROKEN}},
        45,
        "page 10 stayed broken: status 500",
        "",
    ),
    "a count that is wrong": (
        {},
        {"counts": lambda number: number + 1},
        48,
        "the API counts 49 records, and its pages had 48 different ones",
        "",
    ),
    "a count that is too small": (
        {},
        {"counts": lambda number: number - 1},
        48,
        "the API counts 47 records, and its pages had 48 different ones",
        "",
    ),
    "all pages that were wanted came full": ({"limit": 3}, {}, 15, "", "each of the 3 pages came full"),
    "all pages that were wanted, and no count": ({"limit": 3}, {"counts": NO_COUNT}, 15, "", "each of the 3 pages"),
    "more pages were wanted than there are": ({"limit": 20}, {}, 48, "", "the API counts 48 records"),
    "of the pages wanted, one was empty once": (
        {"limit": 10},
        {"ids": coins(50), "lapses": {3: [EMPTY]}},
        50,
        "",
        "each",
    ),
    "of the pages wanted, one was empty": (
        {"limit": 10},
        {"for_ever": {3: EMPTY}},
        43,
        "page 3 was empty and page 10 was not",
        "",
    ),
    "of the pages wanted, the last is the last, and no count": (
        {"limit": 3},
        {"counts": NO_COUNT, "ids": coins(13)},
        13,
        "",
        "3 pages came, all full but the last",
    ),
    "full pages that share a record": (
        {"limit": 2},
        {"ids": [*coins(9), "coin-000", *coins(30)[10:]]},
        9,
        "1 record came twice, so others may be missing",
        "",
    ),
    "one full page was wanted": ({"limit": 1}, {"counts": NO_COUNT}, 5, "", "the page that was asked for came full"),
    "the last page for ever": ({}, {"clamps": True}, 48, "", "the API counts 48 records"),
    "the last page for ever, and no count": (
        {},
        {"clamps": True, "counts": NO_COUNT},
        48,
        "page 11 brought nothing new",
        "",
    ),
    "an API that ignores the page number": (
        {},
        {"for_ever": dict.fromkeys(range(1, 12), FIRST_PAGE), "counts": NO_COUNT},
        5,
        "page 2 brought nothing new",
        "",
    ),
    "a page that changes behind our back": (
        {},
        {"ids": coins(100), "counts": NO_COUNT, "lapses": {10: [lambda ids: [*ids[:-1], "other"]]}},
        101,
        "page 10 had other records when asked for again, and no count says how many",
        "",
    ),
    "records without an id once": ({}, {"lapses": {3: [NAMELESS]}}, 48, "", "the API counts 48 records"),
    "a first page of records without an id once": (
        {},
        {"lapses": {1: [NAMELESS]}},
        48,
        "",
        "the API counts 48 records",
    ),
    "as many pages as were wanted and are ever asked for": (
        {"limit": 10, "max_records": 50},
        {"counts": NO_COUNT, "ids": coins(98)},
        50,
        "",
        "each of the 10 pages came full",
    ),
    "a last page of records without an id once": (
        {},
        {"lapses": {10: [NAMELESS]}},
        48,
        "",
        "the API counts 48 records",
    ),
    "records without an id once, and no count": (
        {},
        {"counts": NO_COUNT, "lapses": {3: [NAMELESS]}},
        48,
        "",
        "10 pages came",
    ),
    "the records of another page once": (
        {},
        {"counts": NO_COUNT, "lapses": {3: [FIRST_PAGE]}},
        48,
        "",
        "10 pages came",
    ),
    "the records of another page": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: FIRST_PAGE}},
        43,
        "page 3 brought nothing new",
        "",
    ),
    "the records of another page, where so many were wanted": (
        {"limit": 4},
        {"lapses": {4: [ONE_ROW_TOO_FEW, FIRST_PAGE]}},
        19,
        "page 4 brought nothing new",
        "",
    ),
    "a record that is twice on its page": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: lambda ids: [*ids[:-1], ids[0]]}},
        47,
        "1 record came twice, so others may be missing",
        "",
    ),
    "an empty first page, and a count of none, once": (
        {},
        {"counts": FIRST_NONE, "lapses": {1: [EMPTY]}},
        48,
        "",
        "the API counts 48 records",
    ),
    "nothing at all": ({}, {"ids": []}, 0, "", "the API counts 0 records"),
    "a record without an id is one that came": (
        {},
        {"for_ever": {3: lambda ids: ["", *ids[1:]]}},
        47,
        "",
        "the API counts 48 records",
    ),
    "a page of records without an id": (
        {},
        {"for_ever": {3: NAMELESS}},
        43,
        "page 3 had no record with an id that a coin can be stored under",
        "",
    ),
    "nothing but records without an id": (
        {},
        {"for_ever": dict.fromkeys(range(1, 12), NAMELESS)},
        0,
        "page 1 had no record with an id that a coin can be stored under",
        "",
    ),
    "a page of records without an id, and no count": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: NAMELESS}},
        43,
        "page 3 had no record with an id that a coin can be stored under",
        "",
    ),
    "a broken page in the middle, and no count": (
        {},
        {"counts": NO_COUNT, "for_ever": {5: BROKEN}},
        43,
        "page 5 stayed broken: status 500",
        "",
    ),
    "a last page that is empty once, behind one that stays short": (
        {},
        {"lapses": {10: [EMPTY]}, "for_ever": {9: SHORT}},
        45,
        "page 9 had 2 records, and 5 were asked for; the API counts 48 records, and its pages had 45 different ones",
        "",
    ),
    "as many pages as are ever asked for, and one more": (
        {"max_records": 50},
        {"counts": NO_COUNT, "ids": coins(51)},
        50,
        "paging had no end by page 10 and was stopped there",
        "",
    ),
    "a record without an id, and no count": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: lambda ids: ["", *ids[1:]]}},
        47,
        "",
        "10 pages came",
    ),
    "a last page of one record without an id": (
        {},
        {"counts": NO_COUNT, "ids": coins(46), "for_ever": {10: NAMELESS}},
        45,
        "page 10 had no record with an id that a coin can be stored under",
        "",
    ),
    "a record that is twice on its page once": (
        {},
        {"counts": NO_COUNT, "lapses": {3: [lambda ids: [*ids[:-1], ids[0]]]}},
        48,
        "",
        "10 pages came",
    ),
    "two empty pages": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: EMPTY, 5: EMPTY}},
        38,
        "pages 3 and 5 were empty and page 10 was not",
        "",
    ),
    "three empty pages": (
        {},
        {"counts": NO_COUNT, "for_ever": dict.fromkeys((3, 5, 7), EMPTY)},
        33,
        "pages 3, 5 and 7 were empty and page 10 was not",
        "",
    ),
    "one page was wanted, and is short": (
        {"limit": 1},
        {"for_ever": {1: SHORT}},
        2,
        "the API counts 48 records, and its pages had 2 different ones",
        "",
    ),
    "as many pages were wanted as are ever asked for": (
        {"limit": 10, "max_records": 50},
        {"ids": coins(60)},
        50,
        "",
        "each of the 10 pages came full",
    ),
    "short pages of several lengths": (
        {},
        {"counts": NO_COUNT, "for_ever": {3: SHORT, 5: ONE_ROW_TOO_FEW}},
        44,
        "pages 3 and 5 had 2 to 4 records, and 5 were asked for",
        "",
    ),
    "an empty page where paging would be cut": (
        {"max_records": 50},
        {"counts": NO_COUNT, "ids": coins(45)},
        45,
        "",
        "9 pages came",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_proven_is_free_of_doubt(case: str) -> None:
    options, how, came, doubt, proof = CASES[case]
    source = Source(numbered(**options), **how)

    coverage = crawl(source)

    assert len(coverage.answered) == came
    assert "; ".join(coverage.doubts()).startswith(doubt)
    assert bool(coverage.doubts()) == bool(doubt)
    assert doubt or coverage.proof().startswith(proof)


LINKED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "a count": ({}, 48, "", "the API counts 48 records, and as many different ones came"),
    "no count": (
        {"counts": NO_COUNT},
        48,
        "",
        "10 pages came, each linked to the next, and the last to none, though no count says how many records there "
        "are; page 10 had the same records when asked for again",
    ),
    "an empty page, and no count": (
        {"counts": NO_COUNT, "for_ever": {3: EMPTY}},
        43,
        "page 3 was empty and page 10",
        "",
    ),
    "a broken page": ({"for_ever": {3: BROKEN}}, 10, "page 3 stayed broken: status 500; the API counts 48 records", ""),
    "a broken page, and no count": ({"counts": NO_COUNT, "for_ever": {3: BROKEN}}, 10, "page 3 stayed broken", ""),
    "an empty last page once": ({"lapses": {10: [EMPTY]}}, 48, "", "the API counts 48 records"),
    "one row too few on the last page once": ({"lapses": {10: [ONE_ROW_TOO_FEW]}}, 48, "", "the API counts 48 records"),
    "an empty last page": (
        {"for_ever": {10: EMPTY}},
        45,
        "the API counts 48 records, and its pages had 45 different ones",
        "",
    ),
    "half of a page, and a count": (
        {"for_ever": {3: SHORT}},
        45,
        "page 3 had 2 records, and 5 were on others; the API counts 48 records, and its pages had 45 different ones",
        "",
    ),
    "one row too few once, and no count": (
        {"counts": NO_COUNT, "lapses": {3: [ONE_ROW_TOO_FEW]}},
        48,
        "",
        "10 pages came",
    ),
    "one row too few, and no count": (
        {"counts": NO_COUNT, "for_ever": {3: ONE_ROW_TOO_FEW}},
        47,
        "page 3 had 4 records, and 5 were on others",
        "",
    ),
    "four pages cut short once, and no count": (
        {"counts": NO_COUNT, "lapses": {page: [SHORT] for page in (2, 3, 5, 7)}},
        48,
        "",
        "10 pages came",
    ),
    "four pages cut short, and no count": (
        {"counts": NO_COUNT, "for_ever": dict.fromkeys((2, 3, 5, 7), SHORT)},
        36,
        "pages 2, 3, 5 and 1 more had 2 records, and 5 were on others",
        "",
    ),
    "two of three pages of another size, and no count": (
        {"ids": coins(18), "counts": NO_COUNT, "for_ever": {1: SHORT, 2: SHORT}},
        12,
        "",
        "4 pages came",
    ),
    "the first of two pages cut short, and no count": (
        {"ids": coins(10), "counts": NO_COUNT, "for_ever": {1: SHORT}},
        7,
        "page 1 had 2 records, and 5 were on others",
        "",
    ),
    "two of five pages cut short once": (
        {"ids": coins(23), "lapses": {2: [SHORT], 4: [SHORT]}},
        23,
        "",
        "the API counts 23 records",
    ),
    "two pages cut short once": ({"lapses": {2: [SHORT], 3: [SHORT]}}, 48, "", "the API counts 48 records"),
    "pages of any size, and no count": (
        {"counts": NO_COUNT, "for_ever": dict.fromkeys((2, 3, 5, 7, 9), SHORT)},
        33,
        "",
        "10 pages came",
    ),
    "a last page that links to itself": ({"loops": True}, 48, "", "the API counts 48 records"),
    "a last page that links to itself, and no count": (
        {"loops": True, "counts": NO_COUNT},
        48,
        "the link on page 10 leads back to page 10, so paging ended there",
        "",
    ),
    "one short page of six, and no count": (
        {"counts": NO_COUNT, "ids": coins(28), "for_ever": {3: SHORT}},
        25,
        "page 3 had 2 records, and 5 were on others",
        "",
    ),
    "two short pages of ten, and no count": (
        {"counts": NO_COUNT, "for_ever": dict.fromkeys((3, 5), SHORT)},
        42,
        "pages 3 and 5 had 2 records, and 5 were on others",
        "",
    ),
    "an only page that is empty once, and no count": (
        {"counts": NO_COUNT, "ids": coins(4), "lapses": {1: [EMPTY]}},
        4,
        "",
        "1 page came",
    ),
    "a record that is on two pages, and no count": (
        {"counts": NO_COUNT, "ids": [*coins(7), "coin-000", *coins(30)[7:]]},
        30,
        "1 record came twice, so others may be missing",
        "",
    ),
    "a count that is none": ({"counts": lambda number: -1}, 48, "the API counts -1 records, which is not", ""),
    "a page that changes behind our back": (
        {"counts": NO_COUNT, "lapses": {10: [lambda ids: [*ids[:-1], "other"]]}},
        49,
        "page 10 had other records when asked for again",
        "",
    ),
}


@pytest.mark.parametrize("case", LINKED)
def test_of_a_chain_only_what_is_proven_is_free_of_doubt_too(case: str) -> None:
    how, came, doubt, proof = LINKED[case]

    coverage = crawl(Source(NextLink(rows=""), **how))

    assert len(coverage.answered) == came
    assert "; ".join(coverage.doubts()).startswith(doubt)
    assert bool(coverage.doubts()) == bool(doubt)
    assert doubt or coverage.proof().startswith(proof)


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
def test_a_second_look_costs_a_tenth_at_most_and_nothing_below_ten_pages(
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
def test_a_short_list_is_looked_at_again_where_an_earlier_run_had_more(
    before: int, came: int, doubts: list[str]
) -> None:
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


def test_what_costs_a_look_at_all_pages_is_not_done_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_where_there_is_a_doubt_nothing_is_looked_at_again(counts: Any) -> None:
    source = Source(numbered(), coins(98), counts=counts, for_ever={5: BROKEN})

    crawl(source)

    assert sorted(source.asked) == [*range(1, 22)]


@pytest.mark.parametrize(
    ("ids", "counts", "before", "asked"),
    [
        (coins(50), NO_COUNT, 90, [*range(1, 14), 11, 10, 5, 1]),
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


# While the list changes ------------------------------------------------------------------------------


def shrinking(source: Source, after: int, most: int = 1) -> Callable[[], None]:
    """The first of the ids go, one after each answer, once so many answers have come."""

    def shrink() -> None:
        if after < len(source.asked) <= after + most:
            del source.ids[0]

    return shrink


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


def test_changes_are_not_looked_at_again_where_nothing_counts_them() -> None:
    coverage = read_changes(Source(NextLink(rows=""), coins(98), counts=NO_COUNT))

    assert (coverage.unproven(), coverage.doubts()) == ([], [])


def test_changes_may_become_more_while_they_are_fetched() -> None:
    source = Source(NextLink(rows=""), coins(23))

    coverage = read_changes(source, lambda: source.ids.append(f"newcomer-{len(source.ids)}"))

    assert coverage.unproven() == []
    assert coverage.doubts() == []
    assert coverage.proof() == "the API counted 23 to 28 records while they were read, and 28 came"


# Whatever happens ------------------------------------------------------------------------------------

lapses = st.dictionaries(
    st.integers(1, 12), st.lists(st.sampled_from([EMPTY, SHORT, ONE_ROW_TOO_FEW, BROKEN, FIRST_PAGE]), max_size=3)
)
paginations = (
    st.builds(
        numbered,
        size=st.sampled_from([5, 7]),
        window=st.integers(1, 9),
        limit=st.none() | st.integers(1, 14),
        counted=st.sampled_from(["", "count"]),
    )
    | st.builds(Offset, size=st.sampled_from([4, 5, 7]), window=st.integers(1, 9))
    | st.sampled_from([NextLink(rows=""), NextLink(rows="", token="token", parameter="page")])
)


@given(
    pagination=paginations,
    number=st.integers(0, 60),
    before=st.integers(0, 90),
    lapses=lapses,
    for_ever=st.dictionaries(st.integers(1, 12), st.sampled_from([EMPTY, SHORT, ONE_ROW_TOO_FEW, BROKEN])),
    clamps=st.booleans(),
    order=st.randoms(use_true_random=False),
    gone=st.integers(0, 8),
    came=st.integers(0, 8),
)
@settings(deadline=None, max_examples=200)
def test_no_run_with_a_coin_lacking_is_free_of_doubt_where_the_source_counts(  # noqa: PLR0917 - hypothesis names them
    pagination: PageNumber | NextLink,
    number: int,
    before: int,
    lapses: dict[int, list[Any]],
    for_ever: dict[int, Any],
    clamps: bool,
    order: Random,
    gone: int,
    came: int,
) -> None:
    """Ids go, or others come, at any place and any time: those that were there all the time have been had."""
    source = Source(pagination, coins(number), lapses=dict(lapses), for_ever=for_ever, clamps=clamps)
    stayed, left, more = set(source.ids), gone, 0 if gone else came

    def change() -> None:
        nonlocal left, more
        if left and source.ids and order.random() < 0.3:
            stayed.discard(source.ids.pop(order.randrange(len(source.ids))))
            left -= 1
        if more and order.random() < 0.3:
            source.ids.insert(order.randint(0, len(source.ids)), f"newcomer-{more}")
            more -= 1

    coverage = crawl(source, before=before, order=order, meanwhile=change)

    limit = (pagination.limit or 0) * (pagination.size or 0)
    assume(not limit or not (gone or came))  # which ids a number of pages has, changes with them
    wanted = {*source.ids[:limit]} if limit else stayed
    event("doubt" if coverage.doubts() else "proof")
    assert coverage.doubts() or coverage.answered >= wanted


@given(
    pagination=paginations,
    number=st.integers(0, 60),
    before=st.integers(0, 90),
    page=st.integers(1, 12),
    lapse=st.sampled_from([EMPTY, BROKEN, SHORT, ONE_ROW_TOO_FEW]),
    order=st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=200)
def test_no_single_lapse_before_the_last_page_costs_a_coin_where_the_source_counts_nothing(  # noqa: PLR0917
    pagination: PageNumber | NextLink, number: int, before: int, page: int, lapse: Any, order: Random
) -> None:
    source = Source(pagination, coins(number), counts=NO_COUNT, lapses={page: [lapse]})
    last = -(-number // source.size)
    # A last page may be short, and nothing says how long a page of a chain is.
    assume(page < min(last, pagination.limit or last) or lapse is BROKEN or (lapse is EMPTY and pagination.is_numbered))
    assume(pagination.is_numbered or lapse in (EMPTY, BROKEN))
    assume(pagination.size in (source.size, None))  # nor of a source that sends smaller pages, which is the last

    coverage = crawl(source, before=before, order=order)

    limit = (pagination.limit or 0) * (pagination.size or 0)
    wanted = {*source.ids[:limit]} if limit else {*source.ids}
    assert coverage.doubts() or coverage.answered >= wanted


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
