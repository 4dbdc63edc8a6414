"""Which prices a mirror asks its source for, and what it makes of the answers."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest
from scrapy.http import Request
from twisted.python.failure import Failure

from coincrawl.components import WasRefused
from coincrawl.days import DayList, address_of_prices
from coincrawl.meta import request_of, rows_in
from coincrawl.spiders.mirror import MirrorSpider
from tests.support.spiders import answered, make_spider
from webapp.coins.prices.tiers import start_of
from webapp.coins.texts import Nested, Repeating
from webapp.crawls.copying import DayOfPrices

FIRST, SECOND, THIRD = (date(2026, 2, day) for day in (5, 6, 7))
CHANGED = datetime(2026, 2, 8, 12, tzinfo=UTC)
Answer = dict[str, Any] | Exception
Hook = Callable[[dict[str, Any]], Answer]


def instant(day: date, hour: int = 0) -> str:
    return f"{day:%F}T{hour:02}:00:00Z"


def record(coin_id: Any, day: date = FIRST, **values: Any) -> dict[str, Any]:
    """A bar as the read API has it."""
    prices = dict.fromkeys(("open", "high", "low", "close"), "1.5")
    facts = {"market_cap": None, "volume": "7", "rank": Decimal(2), "observations": Decimal(3)}
    return {"coin_id": coin_id, "time": instant(day), "last_at": instant(day, 12)} | prices | facts | values


class Source:
    """An installation with pages of two. Each hook gets the usual answer to the n-th request for a page of a day."""

    def __init__(self, days: Mapping[date, list[Any]], **hooks: Hook) -> None:
        self.days = dict(days)
        self.hooks = hooks
        self.asked: list[str] = []

    def answer(self, request: Request) -> Answer:
        parts = urlsplit(request.url)
        query = dict(parse_qsl(parts.query))
        self.asked.append(f"{parts.path} {query.get('date', '')} {query.get('after', '')}".strip())
        match parts.path:
            case "/api/coins/":
                return {"results": [{"coin_id": "bitcoin"}], "next": None, "count": Decimal(1)}
            case "/api/prices/days/":
                listed = [{"date": f"{day:%F}", "changed_at": f"{CHANGED:%FT%TZ}"} for day in self.days]
                return self._hooked("listed", {"results": listed, "next": None})
            case "/api/prices/":
                day = self.days[date.fromisoformat(query["date"])]
                start = int(query.get("after", 0))
                more = f"/api/prices/?date={query['date']}&after={start + 2}" if len(day) > start + 2 else None
                page: dict[str, Any] = {"results": day[start : start + 2], "next": more}
                page |= {} if start else {"count": Decimal(len(day))}
                return self._hooked(f"page_{start // 2 + 1}", page)
        raise AssertionError(request.url)

    def _hooked(self, name: str, usual: dict[str, Any]) -> Answer:
        hook = self.hooks.get(name)
        return hook(usual) if hook else usual


class Run:
    """A run of a mirror, without an engine: requests are answered in turn."""

    def __init__(self, source: Source, copied: Mapping[date, datetime] | None = None) -> None:
        self.source = source
        self.spider = make_spider(MirrorSpider, {"MIRROR_URL": "https://a.example/api/coins/"}, prices="day")
        self.spider.copied = dict(copied or {})
        self.spider.crawler.stats.inc_value("downloader/response_count")
        self.days: list[DayOfPrices] = []

    def crawl(self) -> Self:
        self._crawl([*self.spider.first_requests()])
        for requests in self.spider.rounds():
            self._crawl(requests)
        return self

    def _crawl(self, requests: list[Request]) -> None:
        while requests:
            request = requests.pop(0)
            for result in self._results(request, self.source.answer(request)):
                if isinstance(result, Request):
                    requests.append(result)
                elif isinstance(result, DayOfPrices):
                    self.days.append(result)

    def _results(self, request: Request, answer: Answer) -> Iterator[Any]:
        if isinstance(answer, Exception):
            failure = Failure(answer)
            failure.request = request  # type: ignore[attr-defined]  # as Scrapy does
            return request.errback(failure)  # type: ignore[misc]  # there is one
        response = answered(request, *answer.pop("results"), **answer)
        return request.callback(response, **request.cb_kwargs)  # type: ignore[misc]  # there is one

    @property
    def coverage(self) -> Any:
        return self.spider.coverage

    def copied(self) -> list[date]:
        """The days that are noted as copied."""
        return [day.day for day in self.days if day.changed_at == CHANGED]

    def stored(self) -> list[str]:
        return [bar.coin_id for day in self.days for bar in day.bars]


def crawled(source: Source, copied: Mapping[date, datetime] | None = None) -> Run:
    """A run that is over."""
    return Run(source, copied).crawl()


def days(*which: date, coins: int = 3) -> dict[date, list[Any]]:
    return {day: [record(f"coin-{number}", day) for number in range(coins)] for day in which}


# What is asked for -----------------------------------------------------------------------------------


def test_days_that_have_changed_are_asked_for_the_newest_first_after_the_coins() -> None:
    source = Source(days(FIRST, SECOND, THIRD, coins=1))

    run = crawled(source, {SECOND: CHANGED, THIRD: CHANGED - timedelta(seconds=1)})

    assert source.asked == ["/api/coins/", "/api/prices/days/", "/api/prices/ 2026-02-07", "/api/prices/ 2026-02-05"]
    assert (run.copied(), run.coverage.doubts(), run.coverage.pages) == ([THIRD, FIRST], [], 4)
    assert "2 of 3 days with prices had changed, and all their bars came" in run.coverage.proof()


def test_two_days_are_asked_for_at_a_time() -> None:
    source = Source(days(FIRST, SECOND, THIRD))

    crawled(source)

    read = [asked.removeprefix("/api/prices/ 2026-02-") for asked in source.asked[2:]]
    assert read == ["07", "06", "07 2", "06 2", "05", "05 2"]


def test_the_pages_of_days_are_expected_as_soon_as_these_are_known() -> None:
    expected: list[int | None] = []

    def note(usual: dict[str, Any]) -> Answer:
        expected.append(run.coverage.expected)
        return usual

    source = Source(days(FIRST, SECOND, THIRD))
    source.hooks["page_1"] = note
    run = Run(source)

    run.crawl()

    assert expected == [5, 5, 8]
    assert (run.coverage.expected, run.coverage.pages) == (8, 8)


def test_all_bars_of_a_day_come_together_with_all_their_values() -> None:
    source = Source({FIRST: [record("bitcoin"), record("old", observations=Decimal(0), rank=None), record("x")]})

    (day,) = crawled(source).days

    bar = day.bars[1]
    assert [one.coin_id for one in day.bars] == ["bitcoin", "old", "x"]
    assert (bar.time, bar.last_at) == tuple(datetime(2026, 2, 5, hour, tzinfo=UTC) for hour in (0, 12))
    assert (bar.close, bar.volume, bar.observations) == (Decimal("1.5"), Decimal(7), 0)
    assert (bar.market_cap, bar.rank) == (None, None)


@pytest.mark.parametrize("last_at", [instant(FIRST), "2026-02-05T23:59:59.999999Z"])
def test_a_bar_may_end_with_the_first_or_the_last_microsecond_of_its_day(last_at: str) -> None:
    run = crawled(Source({FIRST: [record("bitcoin", last_at=last_at)]}))

    assert (run.stored(), run.copied()) == (["bitcoin"], [FIRST])


@pytest.mark.parametrize(
    ("behind", "listed"),
    [(timedelta(), [THIRD]), (timedelta(days=1), [THIRD]), (timedelta(days=1, microseconds=1), [])],
    ids=["not", "a day", "more than a day"],
)
def test_a_day_counts_also_if_this_clock_is_a_day_behind(behind: timedelta, listed: list[date]) -> None:
    chain = DayList("https://a.example/api/prices/")
    response = answered(chain.first(), {"date": f"{THIRD:%F}", "changed_at": instant(FIRST)})

    chain.add_days(request_of(response), response, rows_in(response), start_of(THIRD) - behind)

    assert [*chain.days] == listed


@pytest.mark.parametrize(
    ("coins", "prices"),
    [
        ("https://a.example/api/coins/", "https://a.example/api/prices/"),
        ("https://a.example:8443/api/coins", "https://a.example:8443/api/prices/"),
        ("https://a.example/coins/?category=x", "https://a.example/prices/"),
        ("https://a.example/", "https://a.example/prices/"),
    ],
)
def test_prices_are_beside_the_coins(coins: str, prices: str) -> None:
    assert address_of_prices(coins) == prices


def test_without_the_argument_no_prices_are_asked_for() -> None:
    spider = make_spider(MirrorSpider, {"MIRROR_URL": "https://a.example/api/coins/"})

    assert [*spider.preparations()] == []
    assert not any("prices" in request.url for requests in spider.rounds() for request in requests)


# What is wrong with a day ----------------------------------------------------------------------------

GONE = WasRefused("the API answered 404")
OF_FIRST = "the price list of 2026-02-05"


def instead(**values: Any) -> Hook:
    return lambda usual: usual | values


def gone(usual: dict[str, Any]) -> Answer:
    return GONE


@pytest.mark.parametrize(
    ("hooks", "stored", "words"),
    [
        (
            {"page_1": instead(count=Decimal(7))},
            5,
            f"{OF_FIRST}: the API counts 7 records, and its pages had 5 different ones",
        ),
        (
            {"page_1": instead(count=Decimal(4))},
            5,
            f"{OF_FIRST}: the API counts 4 records, and its pages had 5 different ones",
        ),
        (
            {"page_2": gone},
            2,
            f"{OF_FIRST}, page 2 is gone, perhaps because the list became shorter: the API answered 404",
        ),
        ({"page_1": gone}, 0, f"{OF_FIRST} was refused: the API answered 404"),
        (
            {"page_2": instead(next="/api/prices/?step=day&date=2026-02-05&page_size=1000")},
            4,
            f"{OF_FIRST}: the link on page 2 leads back to page 1, so paging ended there",
        ),
        (
            {"page_2": instead(next="https://evil.example/api/prices/")},
            4,
            f"{OF_FIRST}: the link on page 2 leads to another origin and is not followed",
        ),
        ({"page_3": instead(results=[])}, 4, f"{OF_FIRST}: the API counts 5 records, and its pages had 4"),
        (
            {"page_2": instead(results=[record("coin-0")] * 2)},
            2,
            f"{OF_FIRST}: page 2 brought nothing new",
        ),
    ],
    ids=["more counted", "fewer counted", "gone", "refused", "a link back", "another origin", "emptied", "repeated"],
)
def test_a_day_that_may_be_incomplete_is_stored_as_far_as_it_came_and_not_noted(
    hooks: dict[str, Hook], stored: int, words: str
) -> None:
    run = crawled(Source(days(FIRST, coins=5), **hooks))

    assert any(doubt.startswith(words) for doubt in run.coverage.doubts()), run.coverage.doubts()
    assert (len(run.stored()), run.copied()) == (stored, [])


def test_a_day_whose_coins_become_more_while_it_is_read_is_read_again() -> None:
    source = Source(days(FIRST))

    def grow(usual: dict[str, Any]) -> Answer:
        if len(source.days[FIRST]) == 3:
            source.days[FIRST].append(record("new"))
            return usual | {"results": [*usual["results"], record("new")]}
        return usual

    source.hooks["page_2"] = grow
    run = crawled(source)

    assert (run.copied(), run.coverage.doubts(), len(source.asked)) == ([FIRST], [], 6)
    assert run.stored() == ["coin-0", "coin-1", "coin-2", "new"]


def test_a_count_that_lies_costs_one_more_reading() -> None:
    source = Source(days(FIRST), page_1=instead(count=Decimal(2)))

    crawled(source)

    assert len(source.asked) == 2 + 2 * 2


def test_a_page_that_was_cut_short_is_asked_for_again_also_after_another_has_failed() -> None:
    def cut_once(usual: dict[str, Any]) -> Answer:
        del source.hooks["page_2"]
        return usual | {"results": usual["results"][:1]}

    source = Source(days(FIRST, coins=7), page_2=cut_once, page_4=gone)

    run = crawled(source)

    assert sorted(run.stored()) == [f"coin-{number}" for number in range(6)]
    assert run.coverage.doubts()[0].startswith(f"{OF_FIRST}, page 4 is gone")


@pytest.mark.parametrize(
    ("odd", "coin_id", "reason"),
    [
        (record("odd", close="cheap"), "odd", "close: a text, not a number"),
        (record("odd", high="NaN"), "odd", "high: a text, not a number"),
        (record("odd", observations=Decimal(-1)), "odd", "observations: not between 0 and 2147483647"),
        (record("odd", open="1e40"), "odd", "open: more than 30 digits before the point"),
        (record("odd", SECOND), "odd", "time: not the beginning of the day that was asked for"),
        (record("odd", last_at=instant(SECOND)), "odd", "last_at: not on the day that was asked for"),
        (record("x" * 300), "", "coin_id: longer than 255 characters"),
        (Nested("{", record("odd")), "odd", "record: nested too deeply to be read"),
        (Repeating([*record("odd").items(), ("x", 1), ("x", 2)]), "odd", "record: the key x appears twice"),
        ("no object", "", "record: a text, not an object"),
    ],
    ids=[
        *("text", "no number", "a negative number", "too large", "of another day", "ended later", "long id"),
        *("nested", "a key twice", "no bar"),
    ],
)
def test_a_bar_that_cannot_be_stored_is_rejected_and_the_others_are_not(odd: Any, coin_id: str, reason: str) -> None:
    source = Source(days(FIRST))
    source.days[FIRST].append(odd)

    run = crawled(source)

    ((rejection, raw, page),) = run.days[0].rejected
    assert (rejection.coin_id, raw, page) == (coin_id, odd, "the price list of 2026-02-05, page 2")
    assert reason in rejection.reasons
    assert (run.stored(), run.copied()) == (["coin-0", "coin-1", "coin-2"], [])
    assert (run.coverage.doubts(), run.coverage.records) == ([], 2)  # a coin, and this bar


# What is wrong with a list of days -------------------------------------------------------------------

ODD_ENTRY = "the list of days with prices has entries without a valid date: 1"


def more(entry: Any) -> Hook:
    return lambda usual: usual | {"results": [*usual["results"], entry]}


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (
            gone,
            "the list of days with prices was refused: the API answered 404: if the source has no prices at "
            "https://a.example/api/prices/days/, leave prices=day out",
        ),
        (more({"date": "soon", "changed_at": instant(FIRST)}), ODD_ENTRY),
        (more({"date": "9999-12-31", "changed_at": instant(FIRST)}), ODD_ENTRY),
        (more("2026-02-05"), ODD_ENTRY),
        (
            lambda usual: {"results": usual["results"]},
            "the list of days with prices: page 1 has no 'next', and no count says that it is all",
        ),
    ],
    ids=["gone", "no date", "a day to come", "no object", "no link"],
)
def test_a_list_of_days_that_may_be_incomplete_is_a_doubt(hook: Hook, words: str) -> None:
    run = crawled(Source(days(FIRST), listed=hook))

    (doubt,) = run.coverage.doubts()
    assert doubt.startswith(words)
    assert run.copied() == ([] if hook is gone else [FIRST])


def test_a_source_that_has_no_days_yet_is_copied_completely() -> None:
    source = Source({})

    run = crawled(source)

    assert run.coverage.doubts() == []
    assert source.asked == ["/api/coins/", "/api/prices/days/", "/api/prices/days/"]  # an empty list may be a fault


# What is wrong with several days ---------------------------------------------------------------------


def test_a_day_that_fails_is_no_reason_not_to_ask_for_the_others() -> None:
    def fails_on_the_second(usual: dict[str, Any]) -> Answer:
        return GONE if usual["results"][0]["time"] == instant(SECOND) else usual

    run = crawled(Source(days(FIRST, SECOND, THIRD), page_1=fails_on_the_second))

    assert run.copied() == [THIRD, FIRST]
    assert run.coverage.doubts() == ["the price list of 2026-02-06 was refused: the API answered 404"]


def test_if_no_day_can_be_read_the_others_are_not_asked_for() -> None:
    source = Source(days(*(FIRST + timedelta(days=number) for number in range(9))), page_1=gone)

    run = crawled(source)

    assert len(source.asked) == 2 + 2
    assert run.coverage.doubts()[-1] == "the prices of 7 days were not asked for after that"


def test_only_the_first_doubts_are_told() -> None:
    source = Source(days(*(FIRST + timedelta(days=number) for number in range(9))), page_2=gone)

    source.hooks["listed"] = more("odd")

    run = crawled(source)

    assert len(run.coverage.doubts()) == 1 + 3 + 1
    assert run.coverage.doubts()[-1] == "the prices of 6 more days may be incomplete"
