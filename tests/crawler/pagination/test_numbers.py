"""Numbered pages and offsets: which pages are asked for, whatever an API says."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from scrapy.http import Request, Response
from w3lib.url import url_query_parameter

from coincrawl.pagination import Offset, PageNumber, PagingError
from coincrawl.responses import Rows

URL = "https://api.example/coins?order=id_asc"


def walk(
    pagination: PageNumber, pages: int, total: str | None = None, broken: frozenset[int] = frozenset()
) -> list[int]:
    """The pages asked for, in order, of a collection that has so many; the end is an empty page."""
    waiting, asked = [pagination.first(URL)], [1]
    while waiting:
        request = waiting.pop(0)
        page = request.meta["page"]
        response = Response(request.url, headers={"total": total} if total is not None else {})
        answer = Rows(["row"] * pagination.size if page <= pages else [])
        for following in pagination.next(request, *((None, None) if page in broken else (response, answer))):
            if following.meta["page"] not in asked:
                asked.append(following.meta["page"])
                waiting.append(following)
    return asked


@pytest.mark.parametrize("total", [None, "", "many", "-5", "0", "1.5", "9" * 20, "50", "100", "95", "200", "1000000"])
@pytest.mark.parametrize("window", [1, 3, 8])
def test_every_page_is_asked_for_and_the_end_is_seen(total: str | None, window: int) -> None:
    asked = walk(PageNumber(size=5, window=window), pages=20, total=total)

    assert set(asked) >= set(range(1, 22))


@pytest.mark.parametrize(
    ("page", "rows", "following"),
    [
        (1, 5, [2]),
        (2, 5, [3, 4]),
        (3, 5, [4, 5]),
        (4, 5, [5, 6, 7]),
        (400, 5, [401, 402, 403, 404, 405, 406, 407, 408]),
        (400, 4, [401]),
        (400, 0, []),
    ],
)
def test_without_a_total_the_window_grows_with_each_full_page(page: int, rows: int, following: list[int]) -> None:
    pagination = PageNumber(size=5, window=8)
    request = Request(URL, meta={"page": page, "expected": 1})

    requests = pagination.next(request, Response(URL), Rows(["row"] * rows))

    assert [request.meta["page"] for request in requests] == following


@pytest.mark.parametrize("pages", [1, 2, 5, 20, 200])
def test_of_a_source_of_unknown_length_half_as_many_pages_again_are_asked_for_at_most(pages: int) -> None:
    beyond = max(walk(PageNumber(size=5), pages)) - pages

    assert 1 <= beyond <= min(20, 1 + pages / 2)


def test_only_a_page_whose_predecessor_has_been_answered_is_sure_to_be_needed() -> None:
    pagination = PageNumber(size=5, window=3)
    first = pagination.first(URL, before=100)

    following = [*pagination.next(first, Response(first.url), Rows(["row"])), *pagination.ahead(URL, 4, 20)]

    assert [request.meta["page"] for request in following if request.meta["is_ahead"]] == [3, 4, 5, 6, 7]


def test_with_a_total_a_window_of_pages_is_asked_for_at_once() -> None:
    pagination = PageNumber(size=5, window=3)
    first = pagination.first(URL)

    following = pagination.next(first, Response(first.url, headers={"total": "100"}), Rows(["row"]))

    assert [request.meta["page"] for request in following] == [2, 3, 4]


def test_without_a_total_the_pages_of_last_time_are_asked_for_at_once() -> None:
    pagination = PageNumber(size=5, window=3)
    first = pagination.first(URL, before=100)

    following = pagination.next(first, Response(first.url), Rows(["row"]))

    assert [request.meta["page"] for request in following] == [2, 3, 4]


def test_a_total_counts_more_than_the_pages_of_last_time() -> None:
    pagination = PageNumber(size=5, window=6)
    first = pagination.first(URL, before=100)

    following = pagination.next(first, Response(first.url, headers={"total": "15"}), Rows(["row"]))

    assert [request.meta["page"] for request in following] == [2, 3, 4]  # the last one is expected to be empty


def test_what_turns_out_to_exist_is_asked_for_a_window_at_a_time() -> None:
    pagination = PageNumber(size=5, window=3)

    following = [pagination.ahead(URL, after, 20) for after in (4, 18, 19, 20)]

    assert [[request.meta["page"] for request in requests] for requests in following] == [
        [5, 6, 7],
        [19, 20, 21],
        [20, 21],
        [21],
    ]


def test_a_limit_says_how_many_pages_to_ask_for_at_once() -> None:
    pagination = PageNumber(size=5, window=3, limit=100)
    first = pagination.first(URL)

    following = pagination.next(first, Response(first.url), Rows(["row"]))

    assert [request.meta["page"] for request in following] == [2, 3, 4]


def test_a_total_far_too_large_costs_a_window_of_empty_pages_at_most() -> None:
    asked = walk(PageNumber(size=5, window=8), pages=20, total="10000")

    assert max(asked) <= 20 + 8


@pytest.mark.parametrize("broken", [frozenset({1}), frozenset({2}), frozenset({7, 8}), frozenset({20})])
@pytest.mark.parametrize("total", [None, "100"])
def test_a_page_without_an_answer_is_passed_over(broken: frozenset[int], total: str | None) -> None:
    asked = walk(PageNumber(size=5, window=3), pages=20, total=total, broken=broken)

    assert set(asked) >= set(range(1, 22))


def test_pages_of_before_are_asked_for_also_where_the_first_has_no_answer() -> None:
    pagination = PageNumber(size=5, window=3)

    following = pagination.next(pagination.first(URL, before=100), None, None)

    assert [request.meta["page"] for request in following] == [2, 3, 4]


@pytest.mark.parametrize("total", [None, "100", "10"])
def test_a_limit_is_the_last_page(total: str | None) -> None:
    assert walk(PageNumber(size=5, limit=3), pages=20, total=total) == [1, 2, 3]


def test_paging_without_an_end_is_cut_at_the_cap() -> None:
    asked = walk(PageNumber(size=5, max_records=100), pages=1_000)

    assert max(asked) == 20


def test_a_limit_beyond_the_cap_is_cut_there_too() -> None:
    assert max(walk(PageNumber(size=5, limit=100, max_records=50), pages=1_000)) == 10


def test_by_itself_the_cap_is_at_a_quarter_of_a_million_records() -> None:
    assert [PageNumber(size=1).max_pages, Offset(size=250).max_pages] == [250_000, 1_000]


def test_the_last_page_that_is_asked_for_need_not_be_full() -> None:
    assert PageNumber(size=7, max_records=50).max_pages == 8


@pytest.mark.parametrize(
    ("options", "total", "expected"),
    [
        ({}, "95", 19),
        ({}, "96", 20),
        ({}, "0", None),
        ({"limit": 3}, "96", 3),
        ({"max_records": 50}, "96", 10),
        ({"limit": 12, "max_records": 50}, "96", 10),
    ],
)
def test_a_total_says_how_many_pages_to_expect(options: dict[str, Any], total: str, expected: int | None) -> None:
    response = Response(URL, headers={"total": total})

    assert PageNumber(size=5, **options).expected(response, None) == expected


def test_the_urls_own_parameters_stay() -> None:
    request = PageNumber(size=5).first(URL)

    assert request.url == URL + "&per_page=5&page=1"


def test_headers_and_callbacks_of_a_request_stay_with_its_successors() -> None:
    pagination = PageNumber(size=5)
    first = pagination.first(URL).replace(callback=print, headers={"x": "y"})

    (following,) = pagination.next(first, Response(first.url), Rows(["row"]))

    assert (following.callback, following.headers) == (print, first.headers)


@pytest.mark.parametrize("wrong", [{"parameter": ""}, {"start": -1}], ids=str)
def test_a_page_that_cannot_be_named_fails_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="parameter must have a name, and start be at least 0"):
        PageNumber(size=5, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"size": 0}, {"size": 5, "limit": 0}, {"size": 5, "window": 0}, {"size": 5, "max_records": 0}], ids=str
)
def test_a_wrong_configuration_fails_when_it_is_made(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        PageNumber(**wrong)  # type: ignore[arg-type]


def test_a_retry_of_a_page_asks_for_the_same_successor() -> None:
    pagination = PageNumber(size=5)
    request = pagination.first(URL)
    again = Request(request.url, meta=request.meta | {"retry_times": 2})

    assert pagination.next(again, Response(request.url), Rows(["row"]))[0].meta["page"] == 2


@pytest.mark.parametrize(
    ("pagination", "queries"),
    [
        (PageNumber(size=5), ["per_page=5&page=1", "per_page=5&page=2"]),
        (PageNumber(size=5, size_parameter="", start=0), ["page=0", "page=1"]),
        (
            PageNumber(size=5, parameter="page[number]", size_parameter="page[size]"),
            ["page%5Bsize%5D=5&page%5Bnumber%5D=1", "page%5Bsize%5D=5&page%5Bnumber%5D=2"],
        ),
        (Offset(size=5), ["limit=5&offset=0", "limit=5&offset=5"]),
        (Offset(size=5, parameter="$skip", size_parameter="$top"), ["%24top=5&%24skip=0", "%24top=5&%24skip=5"]),
        (Offset(size=5, start=1), ["limit=5&offset=1", "limit=5&offset=6"]),
    ],
)
def test_a_page_is_named_as_the_source_names_it(pagination: PageNumber, queries: list[str]) -> None:
    first = pagination.first(URL)

    (second,) = pagination.next(first, Response(first.url), Rows(["row"] * 5))

    assert [first.url, second.url] == [f"{URL}&{query}" for query in queries]


def offsets(pagination: Offset, sizes: Sequence[int | None], total: str = "") -> list[str | None]:
    """The offsets that are asked for where the pages have so many records; None: no answer comes."""
    waiting = [pagination.first(URL)]
    asked = [url_query_parameter(waiting[0].url, "offset")]
    for size in sizes:
        request = waiting.pop(0)
        answer = None if size is None else Rows(["row"] * size)
        response = None if size is None else Response(request.url, headers={"total": total} if total else {})
        for following in pagination.next(request, response, answer):
            if (offset := url_query_parameter(following.url, "offset")) not in asked:
                asked.append(offset)
                waiting.append(following)
    return asked


@pytest.mark.parametrize(
    ("sizes", "total", "asked"),
    [
        ([5, 5, 3, 0], "", ["0", "5", "10", "15"]),
        ([3, 3, 3, 1, 0], "", ["0", "3", "6", "9", "10"]),
        ([3, 3, 3, 1, 0], "10", ["0", "3", "6", "9", "10"]),
        ([3, None, 3, 0], "", ["0", "3", "6", "9"]),
        ([1, 5, 4, 0], "10", ["0", "1", "6", "10"]),
        ([5, 3, 5, 0], "", ["0", "5", "10", "15", "20"]),
        ([5, None, 5, 0], "", ["0", "5", "10", "15", "20"]),
        ([5], "20", ["0", "5", "10", "15"]),
        ([0], "20", ["0"]),
    ],
    ids=["full", "smaller", "counted", "one is broken", "first cut", "later cut", "later broken", "window", "empty"],
)
def test_offsets_leave_nothing_out(sizes: list[int | None], total: str, asked: list[str]) -> None:
    """Behind a first page that came short, a page begins where the one before it ended."""
    assert offsets(Offset(size=5, window=3), sizes, total) == asked


def test_many_offsets_are_asked_for_once_each() -> None:
    asked = offsets(Offset(size=5, window=3), [5] * 20 + [0], "100")

    assert sorted(map(int, filter(None, asked))) == [*range(0, 105, 5)]


def test_offsets_end_at_a_limit() -> None:
    assert offsets(Offset(size=5, limit=2), [3, 3]) == ["0", "3"]


@pytest.mark.parametrize(("came", "expected"), [(5, 4), (3, 7), (0, 4)], ids=["full", "short", "empty"])
def test_a_short_first_page_says_how_many_offsets_to_expect(came: int, expected: int) -> None:
    response = Response(URL, headers={"total": "20"})

    assert Offset(size=5).expected(response, Rows(["row"] * came)) == expected


@pytest.mark.parametrize(
    ("counted", "header", "envelope", "count"),
    [
        ("meta.total", "total", {"meta": {"total": Decimal(600)}}, 600),
        ("meta.total", "total", {"meta": {"total": Decimal(0)}}, 0),
        ("meta.total", "total", {"meta": {}}, 7),
        ("meta.total", "total", {"meta": {"total": None}}, 7),
        ("", "total", {"meta": {"total": Decimal(600)}}, 7),
        ("meta.total", "x-total-count", {}, 8),
        ("meta.total", "", {}, None),
    ],
    ids=["in the body", "none", "absent", "null", "not looked for", "in another header", "nowhere"],
)
def test_numbered_pages_may_be_counted_in_the_body(
    counted: str, header: str, envelope: dict[str, Any], count: int | None
) -> None:
    pagination = PageNumber(size=5, counted=counted, counted_header=header)
    response = Response(URL, headers={"total": "7", "X-Total-Count": "8"})

    assert pagination.count(response, Rows([], envelope)) == count


def test_a_count_in_the_body_says_how_many_pages_to_ask_for_at_once() -> None:
    pagination = PageNumber(size=5, counted="count")
    first = pagination.first(URL)

    following = pagination.next(first, Response(first.url), Rows(["row"], {"count": Decimal(18)}))

    assert [request.meta["page"] for request in following] == [2, 3, 4, 5]


def test_nonsense_for_a_count_in_the_body_is_named_and_expects_nothing() -> None:
    pagination, answer = PageNumber(size=5, counted="count"), Rows(["row"], {"count": "many"})

    with pytest.raises(PagingError, match='the API counts "many" records, which is not a valid number'):
        pagination.count(Response(URL), answer)

    assert pagination.expected(Response(URL), answer) is None


@pytest.mark.parametrize(
    ("total", "count"),
    [
        ("600", 600),
        (" 600\t", 600),
        ("0", 0),
        ("", None),
        ("-5", None),
        ("many", None),
        (b"\xb2", None),  # a digit, and no number
        ("9" * 9, 999_999_999),
        ("9" * 10, None),
        (None, None),
    ],
)
def test_a_total_counts_the_records_where_it_is_a_number(total: str | bytes | None, count: int | None) -> None:
    response = Response(URL, headers={"total": total} if total is not None else {})

    assert PageNumber(size=5).count(response, Rows([])) == count
