"""What a list of all ids proves, and what answers to ids do."""

import pytest
from scrapy.http import Request, Response

from coincrawl.listing import IdsCoverage, ListedCoverage, LookupCoverage
from coincrawl.pagination import PageNumber
from coincrawl.responses import Rows
from tests.support.spiders import page

URL = "https://api.example/coins"
UNSOUND = "no coin was marked missing, because not all pages were read, or some were damaged"


def listed(pagination: PageNumber | None = None) -> ListedCoverage:
    return ListedCoverage(pagination or PageNumber(size=250), 250, lambda ids: True, listed_at="/coins/list")


def whole() -> ListedCoverage:
    """Pages that were read to their end, and the whole market of two coins."""
    coverage = listed()
    coverage.begin(URL)
    for request, ids in (page(1, expected=1), ["a", "b"]), (page(2, expected=1), []):
        add_page(coverage, request, ids, "2")
    take_list(coverage, ["a", "b"], 2)
    return coverage


def add_page(coverage: ListedCoverage, request: Request, ids: list[str], total: str) -> None:
    rows = Rows([{"id": coin_id} for coin_id in ids])
    coverage.add(request, Response(request.url, headers={"total": total}), rows, ids)


def take_list(coverage: ListedCoverage, ids: list[str], entries: int) -> list[list[str]]:
    """The list comes when all pages have: the calls for the ids in it that no page had."""
    coverage.add_list(ids, entries)
    return coverage.ask_unanswered()


def asked_for(ids: list[str]) -> Request:
    return Request(URL, meta={"ids": ids, "label": f"ids {ids[0]} to {ids[-1]}"})


@pytest.mark.parametrize(
    ("named", "held", "answered", "before", "fault"),
    [
        (1_000, 990, 1_000, None, ""),
        (1_000, 989, 1_000, None, "/coins/list names only 989 of the 1,000 coins that pages had"),
        (900, 900, 900, 1_000, ""),
        (899, 899, 899, 1_000, "/coins/list names 899 coins, but the last complete run had 1,000"),
        (5, 0, 0, None, ""),
        (0, 0, 0, None, "/coins/list has no entry with an id"),
        (100_000, 1, 1, None, ""),
        (100_001, 1, 1, None, "/coins/list names 100,001 coins, more than the 100,000 that a run asks for"),
    ],
)
def test_a_list_names_the_whole_market_or_the_doubt_says_why_not(
    named: int, held: int, answered: int, before: int | None, fault: str
) -> None:
    coverage = listed()
    coverage.set_last_complete(0, before)
    coverage.note_answered(f"coin-{number}" for number in range(answered))

    calls = take_list(coverage, [f"coin-{number + answered - held}" for number in range(named)], named)

    assert coverage.doubts()[:1] == ([fault] if fault else [])
    asked = {coin_id for call in calls for coin_id in call}
    assert len(asked - coverage.answered) == (0 if "more than" in fault else named - held)


def test_without_a_list_nothing_proves_the_whole_market() -> None:
    assert listed().doubts()[0] == "without /coins/list nothing proves that this is the whole market"


def test_a_list_counts_its_ids_and_notes_the_other_entries() -> None:
    coverage = listed()

    calls = take_list(coverage, ["a", "b"], 4)

    assert (coverage.listed, calls, coverage.pages) == (2, [["a", "b"]], 1)
    assert "entries of /coins/list with a repeated id, or without a valid id: 2" in coverage.notes()


def test_what_was_not_answered_keeps_a_run_of_ids_from_being_complete() -> None:
    coverage = IdsCoverage(PageNumber(size=250), 250, lambda ids: True)
    (call,) = coverage.ask(["a", "b"])
    coverage.give_up(asked_for(["c", "d"]), "ids c to d stayed broken")
    coverage.add_ids(asked_for(call), [])

    assert coverage.doubts() == ["ids c to d stayed broken", "2 ids had no answer in 1 round of asking"]


@pytest.mark.parametrize(
    ("list_ids", "failed", "doubts", "notes"),
    [
        (["a"], "", [], ["page 1 was not read", UNSOUND]),
        ([], "", ["/coins/list has no entry with an id", "page 1 was not read"], [UNSOUND]),
        (["a"], "ids a to b stayed broken", ["ids a to b stayed broken", "page 1 was not read"], [UNSOUND]),
    ],
    ids=["proven", "list", "ids"],
)
def test_trouble_with_pages_is_a_note_where_the_list_proves_the_market_and_else_a_doubt(
    list_ids: list[str], failed: str, doubts: list[str], notes: list[str]
) -> None:
    coverage = listed()
    coverage.begin(URL)
    take_list(coverage, list_ids, len(list_ids))
    if failed:
        coverage.give_up(asked_for(["a", "b"]), failed)

    found = coverage.doubts()
    assert [doubt for doubt in found if "page 1" in doubt or doubt in doubts] == doubts
    assert [note for note in coverage.notes() if "page 1" in note or note == UNSOUND] == notes


def test_of_a_whole_market_whose_pages_are_sound_what_is_not_there_is_missing() -> None:
    unsound = whole()
    unsound.give_up(page(3, expected=1), "page 3 stayed broken")

    assert whole().present == {"a", "b"}
    assert unsound.present is None


@pytest.mark.parametrize(
    ("absent", "nameless", "others", "notes"),
    [
        ([], [], " or is not on the market", []),
        (["c"], [], " or is not on the market", ["not on the market, though /coins/list names them: 1 id"]),
        (
            ["c"],
            [None],
            ", is not on the market, or may be a record without a valid id",
            ["not on the market, or sent without a valid id, though /coins/list names them: 1 id"],
        ),
    ],
    ids=["all", "all but one", "one without an id"],
)
def test_a_whole_market_is_proven_by_its_list(
    absent: list[str], nameless: list[None], others: str, notes: list[str]
) -> None:
    coverage = whole()
    look_up(coverage, take_list(coverage, ["a", "b", *absent], 2 + len(absent)), nameless)

    assert (coverage.doubts(), coverage.notes()) == ([], notes)
    assert coverage.proof() == f"/coins/list names {2 + len(absent)} coins, and each was returned{others}"


def look_up(coverage: LookupCoverage, calls: list[list[str]], nameless: list[None]) -> None:
    """Answer with `a` and `b` where they are asked for, and with these records without an id."""
    while calls:
        for call in calls:
            coverage.add_ids(asked_for(call), [*(coin_id for coin_id in call if coin_id in ("a", "b")), *nameless])
        calls = coverage.again()


@pytest.mark.parametrize(
    ("ids", "nameless", "others", "notes"),
    [
        (["a", "b"], [], "", []),
        (["a", "b", "c"], [], ", or was missing from two answers", ["not on the market: c"]),
        (
            ["a", "b", "c"],
            [None],
            ", or may be a record without a valid id",
            ["not on the market, or sent without a valid id: c"],
        ),
        (
            ["a", *(f"c{number}" for number in range(10))],
            [],
            ", or was missing from two answers",
            ["not on the market: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9"],
        ),
        (
            ["a", *(f"c{number:02}" for number in range(12))],
            [],
            ", or was missing from two answers",
            ["not on the market: c00, c01, c02, c03, c04, c05, c06, c07, c08, c09, and 2 more"],
        ),
    ],
    ids=["ids", "ids but one", "one without an id", "ten", "more than ten"],
)
def test_some_coins_are_proven_by_the_answer_to_each(
    ids: list[str], nameless: list[None], others: str, notes: list[str]
) -> None:
    coverage = IdsCoverage(PageNumber(size=250), 250, lambda ids: True)
    look_up(coverage, coverage.ask(ids), nameless)

    assert (coverage.doubts(), coverage.notes()) == ([], notes)
    assert coverage.proof() == f"each of these coins was returned{others}"
    assert coverage.present is None


def test_what_is_doubtful_is_said_to_be_missing_nowhere() -> None:
    coverage = IdsCoverage(PageNumber(size=250), 250, lambda ids: True)
    (call,) = coverage.ask(["c"])
    coverage.add_ids(asked_for(call), [])

    assert (bool(coverage.doubts()), coverage.notes()) == (True, [])


def test_a_call_wants_what_is_not_known_and_records_without_an_id() -> None:
    coverage = whole()
    take_list(coverage, ["a", "b", "c", "d"], 4)
    (call,) = coverage.ask_unanswered()

    wanted = coverage.add_ids(asked_for(call), ["a", "c", None])

    assert call == ["a", "b", "c", "d"]
    assert wanted == [1, 2]
    assert (coverage.pages, coverage.records, coverage.answered) == (5, 4, {"a", "b", "c"})
    assert (coverage.lookup.absent, coverage.lookup.perhaps_absent) == ({"d"}, {"d"})


@pytest.mark.parametrize(
    ("total", "doubt"),
    [("3", ""), ("4", "but the pages count 4"), ("", "but by their number and size the pages have 5")],
    ids=["as many as are counted", "fewer", "no count"],
)
def test_a_broken_page_of_the_whole_market_lacks_coins_by_its_count_or_by_its_size(total: str, doubt: str) -> None:
    coverage = listed(PageNumber(size=2))
    coverage.begin(URL)
    for number, ids in (1, ["a", "b"]), (3, ["c"]):
        add_page(coverage, page(number, expected=1), ids, total)
    coverage.give_up(page(2, expected=1), "page 2 stayed broken")
    take_list(coverage, ["a", "b", "c"], 3)

    assert coverage.doubts()[:1] == ([f"pages and /coins/list have 3 coins, {doubt}"] if doubt else [])


def test_a_broken_page_lacks_coins_where_an_earlier_run_had_more() -> None:
    coverage = listed(PageNumber(size=2))
    coverage.set_last_complete(4, None)
    coverage.begin(URL)
    add_page(coverage, page(1, expected=1), ["a", "b"], "")
    coverage.give_up(page(2, expected=1), "page 2 stayed broken")
    take_list(coverage, ["a", "b"], 2)

    assert coverage.doubts()[0] == "pages and /coins/list have 2 coins, but the last complete run had 4"


@pytest.mark.parametrize(
    ("answered", "note"),
    [(600, "the API counts more coins than came"), (601, "")],
    ids=["fewer than are counted", "as many"],
)
def test_no_coin_is_missing_where_the_pages_count_speaks_of_more(answered: int, note: str) -> None:
    coverage = listed()
    coverage.begin(URL)
    add_page(coverage, page(1, expected=1), [f"coin-{number}" for number in range(10)], "601")
    add_page(coverage, page(2, expected=2), [], "601")
    coverage.note_answered(f"coin-{number}" for number in range(answered))

    assert (coverage.present is None) is bool(note)
    assert coverage.notes()[-1:] == ([f"no coin was marked missing, because {note}"] if note else [])


def test_what_came_to_nothing_is_a_doubt_of_pages_or_of_all_else() -> None:
    coverage = listed()
    coverage.begin(URL)

    assert coverage.give_up(page(2, expected=2), "page 2 stayed broken") != []
    assert coverage.give_up(Request(URL, meta={"label": "/coins/list"}), "the list stayed broken") == []

    doubts = coverage.doubts()
    assert doubts.index("the list stayed broken") < doubts.index("page 2 stayed broken")


def numbers(requests: list[Request]) -> list[int]:
    return [request.meta["page"] for request in requests]


def full(first: int, count: int = 2) -> list[str]:
    return [f"coin-{number}" for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("before", "total", "due"),
    [(0, "", 1), (0, "40", 15), (40, "", 15)],
    ids=["unknown", "counted", "known from before"],
)
def test_the_list_is_due_shortly_before_the_last_page_and_after_the_first_where_nothing_says_how_many_there_are(
    before: int, total: str, due: int
) -> None:
    """Of twenty pages, and a window of three."""
    coverage = listed(PageNumber(size=2, window=3))
    waiting, answered = [coverage.begin(URL, before)], 0
    while not (answered and coverage.is_list_due):
        request = waiting.pop(0)
        answered += 1
        ids = full(2 * request.meta["page"])
        response = Response(request.url, headers={"total": total} if total else {})
        waiting += coverage.add(request, response, Rows([{"id": coin_id} for coin_id in ids]), ids)

    assert answered == due


@pytest.mark.parametrize(
    ("ids", "pages"),
    [(40, [3, 4, 5]), (41, [3, 4, 5]), (8, [3, 4, 5]), (6, [3, 4]), (5, [3]), (4, [3]), (3, []), (1, []), (0, [])],
)
def test_a_list_that_comes_first_says_how_many_pages_there_are(ids: int, pages: list[int]) -> None:
    """It may name some ids that are not on the market. One page more than it fills is asked for, to see the end."""
    coverage = listed(PageNumber(size=2, window=3))
    first = coverage.begin(URL)
    rows = full(0)
    following = coverage.add(first, Response(first.url), Rows([{"id": coin_id} for coin_id in rows]), rows)

    assert numbers(following) == [2]
    assert numbers(coverage.add_list(full(0, ids), ids)) == pages


@pytest.mark.parametrize(("total", "last"), [("40", []), ("", []), ("40", full(2))], ids=["both", "the end", "a count"])
def test_a_list_that_comes_later_asks_for_no_pages(total: str, last: list[str]) -> None:
    coverage = listed(PageNumber(size=2, window=3))
    first = coverage.begin(URL)
    add_page(coverage, first, full(0), total)
    add_page(coverage, page(2, expected=1), last, total)

    assert coverage.add_list(full(0, 40), 40) == []


def test_coins_that_came_after_an_early_list_are_no_fault_of_it() -> None:
    coverage = listed(PageNumber(size=250))
    first = coverage.begin(URL)
    coverage.add_list(full(0, 200), 200)

    add_page(coverage, first, full(0, 202), "")

    assert coverage.ask_unanswered() == []
    assert coverage.doubts() == []
