"""What a run of the whole market asks for, how often and in which order."""

from collections import deque
from collections.abc import Iterable

import pytest
from scrapy.http import Request

from coincrawl.listing import ListedCoverage
from coincrawl.spiders.markets import LIST, MarketsSpider
from tests.support.spiders import answered, make_spider, with_a_run_before

COINS = [f"coin-{number:03}" for number in range(97)]  # twenty pages of five, the last one is short
GHOSTS = ["ghost-1", "ghost-2", "ghost-3"]  # that the list names, and that are not on the market
PAGES = [*map(str, range(1, 22))]


def crawl(spider: MarketsSpider, total: str = "", *, in_flight: int = 1, coins: list[str] = COINS) -> list[str]:
    """What is asked for, in order: pages by their numbers. An answer comes when so many requests are in flight."""
    coverage, rounds = spider.coverage, filter(None, spider.rounds())
    asked, sent, waiting = [], deque[Request](), deque(spider.first_requests())
    while waiting or sent or (waiting := deque(next(rounds, []))):
        if waiting and len(sent) < in_flight:
            request = waiting.popleft()
            if coverage.is_needed(request):
                asked.append("ids" if "ids" in request.meta else str(request.meta.get("page", LIST)))
                sent.append(request)
            else:
                coverage.drop(request)
        else:
            waiting.extend(each for each in answers(spider, sent.popleft(), total, coins) if isinstance(each, Request))
    return asked


def answers(spider: MarketsSpider, request: Request, total: str, coins: list[str]) -> Iterable[object]:
    """What the spider makes of the answer to a request."""
    assert isinstance(spider.coverage, ListedCoverage)
    if "ids" in request.meta:
        found = [{"id": coin_id} for coin_id in request.meta["ids"] if coin_id in coins]
        return spider.parse_ids(answered(request, *found), spider.coverage)
    if "page" not in request.meta:
        return spider.parse_list(
            answered(request, *(coin_id.encode() for coin_id in [*coins, *GHOSTS])), spider.coverage
        )
    begin = 5 * (request.meta["page"] - 1)
    rows = [{"id": coin_id} for coin_id in coins[begin : begin + 5]]
    return spider.parse(answered(request, *rows, headers={"total": total} if total else {}))


def run(before: int) -> MarketsSpider:
    return with_a_run_before(make_spider(MarketsSpider, per_page="5"), coins=before)


@pytest.mark.parametrize("before", [0, 97])
@pytest.mark.parametrize("total", ["", "97"])
@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_each_page_is_asked_for_once_with_one_behind_the_last_and_the_list(
    before: int, total: str, in_flight: int
) -> None:
    asked = crawl(run(before), total, in_flight=in_flight)

    assert sorted(asked) == sorted([*PAGES, LIST, "ids", "ids"])


@pytest.mark.parametrize(
    ("before", "total", "following"),
    [(0, "", "2"), (0, "197", "38"), (197, "", "37"), (197, "197", "38")],
    ids=["first run", "counted", "later run", "later run, counted"],
)
def test_the_list_is_asked_for_second_where_nothing_says_how_many_pages_there_are_and_else_near_the_end(
    before: int, total: str, following: str
) -> None:
    coins = [f"coin-{number:03}" for number in range(197)]  # forty pages

    asked = crawl(run(before), total, coins=coins)

    assert asked[asked.index(LIST) - 1] == following


@pytest.mark.parametrize("before", [0, 100])
@pytest.mark.parametrize(("total", "asked_again"), [("", ["21", "22"]), ("100", [])], ids=["no count", "a count"])
def test_where_the_last_page_is_full_and_nothing_counts_the_end_is_asked_for_again(
    before: int, total: str, asked_again: list[str]
) -> None:
    coins = [*COINS, "coin-097", "coin-098", "coin-099"]

    asked = crawl(run(before), total, in_flight=3, coins=coins)

    assert sorted(asked) == sorted([*PAGES, *asked_again, LIST, "ids", "ids"])


def test_an_end_that_may_be_a_fault_is_asked_for_again_at_once() -> None:
    spider = run(before=10)
    (first,), (second, end) = spider.first_requests(), spider.pagination.ahead(spider.collection, 1, 2)
    for request in first, second:
        list(answers(spider, request, "", COINS[:10]))

    again = [each for each in answers(spider, end, "", COINS[:10]) if isinstance(each, Request)]

    assert [request.meta["page"] for request in again] == [3, 4]
