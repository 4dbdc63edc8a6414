"""PageNumber by itself: which pages it asks for, whatever the `total` header says."""

import pytest
from scrapy.http import Request, Response

from coincrawl.pagination import PageNumber
from coincrawl.responses import Rows

URL = "https://api.example/coins?order=id_asc"


def walk(
    pagination: PageNumber, pages: int, total: str | None = None, broken: frozenset[int] = frozenset()
) -> list[int]:
    """The pages asked for, in order, of a collection that has so many; the end is an empty page."""
    waiting, asked = [pagination.first(URL)], []
    while waiting:
        request = waiting.pop(0)
        page = request.meta["page"]
        asked.append(page)
        response = Response(request.url, headers={"total": total} if total is not None else {})
        answer = Rows(["row"] if page <= pages else [])
        waiting += pagination.next(request, *((None, None) if page in broken else (response, answer)))
    return asked


@pytest.mark.parametrize("total", [None, "", "many", "-5", "0", "1.5", "9" * 20, "50", "100", "95", "200", "1000000"])
@pytest.mark.parametrize("window", [1, 3, 8])
def test_every_page_is_asked_for_once_and_the_end_is_seen(total: str | None, window: int) -> None:
    asked = walk(PageNumber(size=5, window=window), pages=20, total=total)

    assert set(asked) >= set(range(1, 22))
    assert len(asked) == len(set(asked))


def test_without_a_total_no_page_is_asked_for_before_the_last_is_answered() -> None:
    pagination = PageNumber(size=5)
    first = pagination.first(URL)

    following = pagination.next(first, Response(first.url), Rows(["row"]))

    assert [request.meta["page"] for request in following] == [2]


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
    pagination = PageNumber(size=5, window=3)
    first = pagination.first(URL, before=100)

    following = pagination.next(first, Response(first.url, headers={"total": "15"}), Rows(["row"]))

    assert [request.meta["page"] for request in following] == [2, 3]


def test_a_total_far_too_large_costs_a_window_of_empty_pages_at_most() -> None:
    asked = walk(PageNumber(size=5, window=8), pages=20, total="10000")

    assert max(asked) <= 20 + 8


@pytest.mark.parametrize("broken", [frozenset({1}), frozenset({2}), frozenset({7, 8}), frozenset({20})])
@pytest.mark.parametrize("total", [None, "100"])
def test_a_page_without_an_answer_is_passed_over(broken: frozenset[int], total: str | None) -> None:
    asked = walk(PageNumber(size=5, window=3), pages=20, total=total, broken=broken)

    assert set(asked) >= set(range(1, 22))


@pytest.mark.parametrize("total", [None, "100", "10"])
def test_a_limit_is_the_last_page(total: str | None) -> None:
    assert walk(PageNumber(size=5, limit=3), pages=20, total=total) == [1, 2, 3]


def test_paging_without_an_end_is_cut_at_the_cap() -> None:
    asked = walk(PageNumber(size=5, max_records=100), pages=1_000)

    assert max(asked) == 20


def test_the_urls_own_parameters_stay() -> None:
    request = PageNumber(size=5).first(URL)

    assert request.url == URL + "&per_page=5&page=1"


def test_headers_and_callbacks_of_a_request_stay_with_its_successors() -> None:
    pagination = PageNumber(size=5)
    first = pagination.first(URL).replace(callback=print, headers={"x": "y"})

    (following,) = pagination.next(first, Response(first.url), Rows(["row"]))

    assert (following.callback, following.headers) == (print, first.headers)


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
