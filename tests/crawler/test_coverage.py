"""What the pages of a run prove, whatever the source does: a row for each thing that it may do."""

from typing import Any

import pytest

from coincrawl.pagination import NextLink
from tests.support.sources import (
    BROKEN,
    EMPTY,
    FIRST_PAGE,
    NAMELESS,
    NO_COUNT,
    ONE_ROW_TOO_FEW,
    SHORT,
    Source,
    coins,
    crawl,
    numbered,
)

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
    "a checked page in another order": (
        {},
        {"counts": NO_COUNT, "lapses": {10: [lambda ids: ids[::-1]]}},
        48,
        "",
        "10 pages came",
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
