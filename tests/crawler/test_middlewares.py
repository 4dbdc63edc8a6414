"""What an answer is worth, and what it leads to."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
)
from scrapy.http import Request, Response

from coincrawl.components import WasRefused
from coincrawl.extensions.outage import MAX_USELESS, Outage
from coincrawl.extensions.pace import Pace
from coincrawl.extensions.stop import Stop
from coincrawl.middlewares import BackOffMiddleware, JudgeMiddleware, RestMiddleware, describe
from coincrawl.pagination import NextLink
from coincrawl.responses import Broken, Rows, Throttled
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI, answers
from tests.support.crawls import Crawl
from tests.support.spiders import Engine, make_spider
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

UNTRUSTED = DownloadFailedError("[('SSL routines', '', 'certificate verify failed')]")


@pytest.fixture
def crawler(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A crawler that has not been started, and that remembers how it was ended; AutoThrottle's delay is 0.1 s."""
    crawler: Any = make_spider(MarketsSpider, {"RETRY_BACKOFF_BASE": 2}).crawler
    crawler.settings.frozen = False
    crawler.endings = []
    crawler.engine = Engine(throttle=0.1)
    monkeypatch.setattr(Stop, "end", lambda stop, *ending: crawler.endings.append(ending))
    return crawler


def page(**meta: Any) -> Request:
    return Request("https://api.example/coins", meta={"page": 1, "throttle": 0.8} | meta)


def judged(crawler: Any, answer: answers.Answer, request: Request | None = None) -> Response:
    headers = {name: value for name, value in answer.headers.items() if value is not None}
    response = Response("https://api.example/coins", answer.status, headers, answer.body)
    return asyncio.run(asyncio.wait_for(JudgeMiddleware(crawler).process_response(request or page(), response), 5))


def waits(crawler: Any, monkeypatch: pytest.MonkeyPatch, *, late: bool) -> list[float]:
    """For how long a page that stays broken waits before each further try, where chance makes that long or short."""
    waited: list[float] = []

    async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
        waited.extend([seconds] if seconds > 0 else [])
        return False

    monkeypatch.setattr("coincrawl.middlewares.monotonic", lambda: 1_000.0)
    monkeypatch.setattr("coincrawl.middlewares.random.uniform", max if late else min)
    monkeypatch.setattr("coincrawl.middlewares.wait_for_event", wait_for_event)
    middleware: Any = BackOffMiddleware(crawler)
    request = page(judgement=Broken("status 500"))
    for _ in range(5):
        request = middleware.process_response(request, Response(request.url))
        asyncio.run(middleware.process_request(request))
    return waited


def tries(crawler: Any, error: Exception) -> int:
    """How often a page is asked for in all, where this is what comes each time."""
    middleware: Any = BackOffMiddleware(crawler)
    request, done = page(), 0
    while done < 100:
        done += 1
        try:
            request = middleware.process_exception(request, error)
        except IgnoreRequest:
            break
    return done


@pytest.mark.parametrize(("late", "share"), [(False, 0.75), (True, 1.25)], ids=["early", "late"])
def test_tries_of_a_broken_page_are_further_apart_each_time(
    late: bool, share: float, crawler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawler.settings.set("RETRY_BACKOFF_BASE", 2)

    seconds = waits(crawler, monkeypatch, late=late)

    assert seconds == pytest.approx([2 * share, 4 * share, 8 * share, 16 * share, 32 * share])


def test_no_try_waits_for_more_than_ten_minutes(crawler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    crawler.settings.set("RETRY_BACKOFF_BASE", 100)

    assert waits(crawler, monkeypatch, late=True) == pytest.approx([125, 250, 500, 600, 600])


def test_a_first_try_waits_for_nothing(crawler: Any) -> None:
    asyncio.run(asyncio.wait_for(BackOffMiddleware(crawler).process_request(page()), 10))


@pytest.mark.parametrize(
    "error",
    [CannotResolveHostError(), DownloadConnectionRefusedError(), UNTRUSTED],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    ("attended", "job", "heard", "number"),
    [
        (True, None, None, 2),
        (True, None, "downloader/response_count", 6),
        (True, None, "coincrawl/credits", 6),
        (True, "a-job", None, 6),
        (False, None, None, 6),
    ],
    ids=["nothing yet", "an answer", "a part of one", "scrapyd", "no terminal"],
)
def test_a_crawl_at_a_terminal_gives_up_after_two_tries_without_a_network(  # noqa: PLR0917 - a table
    attended: bool, job: str | None, heard: str | None, number: int, error: Exception, crawler: Any
) -> None:
    crawler.settings.set("ATTENDED", attended)
    crawler.spider.key = job
    if heard:
        crawler.stats.inc_value(heard)

    assert tries(crawler, error) == number


def test_an_api_that_is_there_and_slow_is_tried_as_often_as_any(crawler: Any) -> None:
    crawler.settings.set("ATTENDED", value=True)

    assert tries(crawler, DownloadTimeoutError()) == 6


def test_what_is_no_fault_of_the_source_is_not_tried_again(crawler: Any) -> None:
    middleware = BackOffMiddleware(crawler)

    assert middleware.process_exception(page(), KeyError("a bug")) is None
    assert crawler.stats.get_value("retry/count") is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DownloadTimeoutError(), "api.example did not answer in time"),
        (UNTRUSTED, "api.example shows a certificate that cannot be trusted: is it really the API?"),
        (DownloadFailedError("VerificationError"), "api.example shows a certificate that cannot be trusted"),
        (DownloadFailedError("reset"), "api.example broke the connection off: is it up?"),
        (OSError("odd"), "api.example broke off (OSError)"),
    ],
    ids=["late", "certificate", "name", "reset", "other"],
)
def test_a_download_that_failed_is_said_in_words(error: Exception, words: str) -> None:
    assert describe(error, page()).startswith(words)


def test_a_status_that_came_at_an_earlier_try_is_not_paid_for_again(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.CUT_BODY, page=2)
    api.fault(answers.HUNG_UP, page=2, times=3)

    crawl(api)

    run = CrawlRun.objects.get()
    assert run.retries == 4
    assert run.credits == sum(request.status == 200 for request in api.requests)


@pytest.mark.parametrize(
    ("answer", "delay"),
    [(answers.HTML_IN_A_200, 0.8), (answers.SERVER_ERROR, 0.8), (answers.RATE_LIMITED, 0.8), (answers.data("[]"), 0.1)],
    ids=["HTML in a 200", "500", "429", "rows"],
)
def test_a_quick_error_leaves_autothrottles_delay_where_it_was(
    answer: answers.Answer, delay: float, crawler: Any
) -> None:
    judged(crawler, answer)

    assert crawler.get_extension(Pace).throttle == delay


@pytest.mark.parametrize(
    ("answer", "rests"),
    [(answers.data("[]"), 0), (answers.HTML_IN_A_200, 3), (answers.RATE_LIMITED_IN_A_200, 3)],
    ids=["rows", "HTML in a 200", "429 in a 200"],
)
def test_only_rows_end_a_row_of_rests(answer: answers.Answer, rests: int, crawler: Any) -> None:
    pace = crawler.get_extension(Pace)
    pace.rests_in_a_row = 3

    judged(crawler, answer)

    assert pace.rests_in_a_row == rests


def test_a_refusal_ends_the_run_and_reaches_no_spider(crawler: Any) -> None:
    with pytest.raises(IgnoreRequest, match="API Key Missing"):
        judged(crawler, answers.KEY_MISSING)

    ((verdict, reason),) = crawler.endings
    assert verdict == Verdict.FAILED
    assert "is COINGECKO_API_KEY set" in reason


GONE = answers.error(404, {"detail": "Invalid page."})
LINKS = NextLink()


def test_a_404_of_the_api_behind_the_first_of_numbered_pages_is_their_end(crawler: Any) -> None:
    request = page(page=2)

    judged(crawler, GONE, request)

    assert request.meta["judgement"] == Rows([], {"detail": "Invalid page."})


@pytest.mark.parametrize(
    "request_", [page(), Request("https://api.example/coins", meta={"label": "ids a to b", "throttle": 0.8})]
)
def test_any_other_404_of_the_api_is_a_refusal(request_: Request, crawler: Any) -> None:
    with pytest.raises(IgnoreRequest):
        judged(crawler, GONE, request_)

    ((verdict, reason),) = crawler.endings
    assert (verdict, reason.startswith("the API answered 404")) == (Verdict.FAILED, True)


def test_a_refusal_after_a_page_says_what_was_refused(crawler: Any) -> None:
    crawler.spider.coverage.pages = 1

    with pytest.raises(IgnoreRequest):
        judged(crawler, answers.KEY_MISSING, page(page=2))

    ((_, reason),) = crawler.endings
    assert reason.startswith("page 2: the API answered 401")


def test_a_page_of_a_chain_that_is_gone_does_not_end_the_run(crawler: Any) -> None:
    crawler.spider.pagination = LINKS

    with pytest.raises(WasRefused, match="the API answered 404"):
        judged(crawler, GONE, page(page=2))

    assert crawler.endings == []


def test_what_a_spider_knows_of_its_source_counts(crawler: Any) -> None:
    many, null, spent = page(), page(), answers.status_error(429, 10006, "spent")

    judged(crawler, answers.data(f"[{','.join(['{}'] * 2_501)}]"), many)
    with pytest.raises(IgnoreRequest):
        judged(crawler, spent)
    crawler.spider.pagination = LINKS
    judged(crawler, answers.data('{"results": null, "next": null}'), null)

    assert many.meta["judgement"] == Broken("2,501 records, far more than were asked for")
    assert null.meta["judgement"].rows == []


def down(crawler: Any, request: Request) -> Outage:
    """A source that has broken this request and four others."""
    outage: Outage = crawler.get_extension(Outage)
    for url in (request.url, *(f"https://api.example/{number}" for number in range(1, 5))):
        outage.add(url)
    return outage


@pytest.mark.parametrize(
    ("answer", "is_back"),
    [(answers.data('[{"id": "a"}]'), True), (answers.data("[]"), False), (GONE, True)],
    ids=["rows", "no rows", "a refusal"],
)
def test_a_source_that_answers_with_something_is_back(answer: answers.Answer, is_back: bool, crawler: Any) -> None:
    request = page(page=2)
    outage = down(crawler, request)
    crawler.spider.pagination = NextLink(rows="")
    assert not outage.holds("https://api.example/1")
    assert outage.holds("https://api.example/2")

    with suppress(WasRefused):
        judged(crawler, answer, request)

    assert outage.holds("https://api.example/2") is not is_back


@pytest.mark.parametrize(
    ("pages", "remedy", "number"),
    [(0, "", 6), (0, "check it", 3), (1, "check it", 6)],
    ids=["broken", "first", "later"],
)
def test_a_gateway_is_tried_three_times_before_any_page_has_been_had(
    pages: int, remedy: str, number: int, crawler: Any
) -> None:
    middleware: Any = BackOffMiddleware(crawler)
    crawler.spider.coverage.pages = pages
    request, done = page(judgement=Broken("status 403", remedy)), 0

    with suppress(IgnoreRequest):
        while done < 100:
            done += 1
            request = middleware.process_response(request, Response(request.url))

    assert done == number
    is_end = (pages, remedy) == (0, "check it")
    assert crawler.endings == ([(Verdict.FAILED, "status 403: check it")] if is_end else [])


def test_a_request_that_fails_by_itself_holds_up_no_other(crawler: Any) -> None:
    middleware, request = BackOffMiddleware(crawler), page()
    outage = down(crawler, request)
    assert not outage.holds(request.url)

    assert middleware.process_exception(request, ValueError("a bug")) is None

    assert not outage.holds("https://api.example/1")


def test_a_request_that_stayed_broken_leaves_its_turn_to_others(crawler: Any) -> None:
    middleware: Any = BackOffMiddleware(crawler)
    request = page(judgement=Broken("status 503"), retry_times=middleware.tries)
    outage = down(crawler, request)
    for number in range(1, 5):
        outage.forget(f"https://api.example/{number}")
    assert outage.holds("https://api.example/5")

    with pytest.raises(IgnoreRequest):
        middleware.process_response(request, Response(request.url))

    assert not outage.holds("https://api.example/5")


@pytest.mark.parametrize(("pages", "verdict"), [(0, Verdict.FAILED), (1, Verdict.PARTIAL)])
def test_a_source_that_stopped_answering_ends_the_run_with_what_it_has(
    pages: int, verdict: Verdict, crawler: Any
) -> None:
    middleware: Any = BackOffMiddleware(crawler)
    crawler.spider.coverage.pages = pages
    outage = down(crawler, page())

    def ask_until_it_ends(request: Request) -> None:
        while not hasattr(crawler.spider, "endings"):
            outage.holds(request.url)
            request = middleware.process_response(request, Response(request.url))

    with pytest.raises(IgnoreRequest):
        ask_until_it_ends(page(judgement=Broken("status 503")))

    assert crawler.endings == [(verdict, "the source stopped answering (page 1: status 503)")]


def test_a_request_that_is_held_leaves_when_the_source_is_back(crawler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coincrawl.middlewares.CHECK_SECONDS", 0.001)
    middleware, outage = BackOffMiddleware(crawler), crawler.get_extension(Outage)

    async def ask() -> tuple[bool, bool]:
        outage.rest()
        await middleware.process_request(page(page=1).replace(url="https://api.example/1"))
        second = asyncio.ensure_future(middleware.process_request(page(page=2)))
        await asyncio.sleep(0.05)
        was_held = not second.done()
        outage.end()
        await asyncio.wait_for(second, 10)
        return was_held, second.done()

    assert asyncio.run(ask()) == (True, True)


def test_the_request_that_asks_alone_waits_for_its_time(crawler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
        waited.append(seconds)
        return False

    for module in ("middlewares", "extensions.outage"):
        monkeypatch.setattr(f"coincrawl.{module}.monotonic", lambda: 1_000.0)
    monkeypatch.setattr("coincrawl.middlewares.wait_for_event", wait_for_event)
    crawler.get_extension(Outage).base = 2
    down(crawler, page())

    asyncio.run(BackOffMiddleware(crawler).process_request(page()))

    assert max(waited) == 2


async def reading(middleware: JudgeMiddleware, request: Request, size: int = 10_000) -> asyncio.Task[Response]:
    """The task of judging an answer of so many bytes. It has begun, and has ended if the answer need not wait."""
    answer = Response(request.url, body=b"[" + b" " * (size - 1))
    task = asyncio.create_task(middleware.process_response(request, answer))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("is_ending", [False, True], ids=["room", "the run ends"])
def test_answers_wait_while_enough_pages_are_being_stored(crawler: Any, *, is_ending: bool) -> None:
    middleware, slot, stop = JudgeMiddleware(crawler), crawler.engine.scraper.slot, crawler.get_extension(Stop)

    async def crawl() -> None:
        slot.active_size = slot.max_active_size + 1
        tasks = [await reading(middleware, page(page=number)) for number in (1, 2)]
        assert not any(task.done() for task in tasks)
        if is_ending:
            stop.begun.set()
        else:
            slot.active_size = 0
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    asyncio.run(crawl())


def test_an_answer_that_may_ask_to_slow_down_is_read_at_once(crawler: Any) -> None:
    slot = crawler.engine.scraper.slot
    slot.active_size = slot.max_active_size

    request = page()
    judged(crawler, answers.RATE_LIMITED_IN_A_200, request)

    assert isinstance(request.meta["judgement"], Throttled)


def test_a_long_refusal_is_read_at_once(crawler: Any) -> None:
    slot, request = crawler.engine.scraper.slot, page()
    slot.active_size = slot.max_active_size

    async def read() -> Response:
        refusal = Response(request.url, status=429, body=b"<html>" + b" " * 10_000)
        return await asyncio.wait_for(JudgeMiddleware(crawler).process_response(request, refusal), 0.5)

    asyncio.run(read())

    assert isinstance(request.meta["judgement"], Throttled)


def test_answers_wait_while_enough_others_are_on_their_way_to_the_spider(crawler: Any) -> None:
    middleware, downloading = JudgeMiddleware(crawler), crawler.engine.downloader.active
    limit = crawler.engine.scraper.slot.max_active_size
    requests = [page(page=number) for number in (1, 2, 3)]
    downloading.update(requests)

    async def crawl() -> None:
        first = await reading(middleware, requests[0], 2 * limit)
        second = await reading(middleware, requests[1], limit // 2)
        assert (first.done(), second.done()) == (True, False)
        downloading.remove(requests[0])  # it is being scraped
        await asyncio.wait_for(second, 5)
        third = await reading(middleware, requests[2], limit // 2)
        assert third.done()

    asyncio.run(crawl())


def test_after_a_rest_one_request_asks_alone(crawler: Any) -> None:
    request = page(judgement=Throttled("asked", 30))

    asyncio.run(RestMiddleware(crawler).process_response(request, Response(request.url)))

    outage = crawler.get_extension(Outage)
    assert [outage.holds(f"https://api.example/{number}") for number in range(2)] == [False, True]


def test_what_need_not_wait_for_a_page_that_is_tried_again_is_asked_for_at_once(crawler: Any) -> None:
    request = page(page=2, expected=30, judgement=Broken("status 500"))

    BackOffMiddleware(crawler).process_response(request, Response(request.url))

    assert [asked.meta["page"] for asked in crawler.engine.asked] == [22]


@pytest.mark.parametrize("done", [None, 0, 4])
def test_being_asked_to_slow_down_is_counted_and_uses_up_no_try(done: int | None, crawler: Any) -> None:
    request = page(judgement=Throttled("asked", 30), **{} if done is None else {"retry_times": done})

    again = asyncio.run(RestMiddleware(crawler).process_response(request, Response(request.url)))

    assert isinstance(again, Request)
    assert again.meta["retry_times"] == (done or 0)
    assert crawler.stats.get_value("throttled/count") == 1
    assert crawler.stats.get_value("retry/count") is None


def test_what_is_no_rest_is_passed_on(crawler: Any) -> None:
    response = Response("https://api.example")

    assert asyncio.run(RestMiddleware(crawler).process_response(page(judgement=None), response)) is response


def test_being_asked_for_too_long_a_rest_is_counted_too_and_ends_the_run(crawler: Any) -> None:
    request = page(judgement=Throttled("asked", 7_200))

    with pytest.raises(IgnoreRequest, match="no requests for 120 minutes"):
        asyncio.run(RestMiddleware(crawler).process_response(request, Response(request.url)))

    assert crawler.endings == [(Verdict.PARTIAL, "the API asked for no requests for 120 minutes")]
    assert crawler.stats.get_value("throttled/count") == 1


def test_broken_answers_and_rests_without_an_end_end_the_run(crawler: Any) -> None:
    middleware = RestMiddleware(crawler)
    middleware.outage._useless = MAX_USELESS - 1

    with pytest.raises(IgnoreRequest, match="asked"):
        asyncio.run(
            middleware.process_response(page(judgement=Throttled("asked", 0.0)), Response("https://api.example"))
        )

    assert crawler.endings == [(Verdict.FAILED, "the source stopped answering (asked)")]


@pytest.mark.parametrize(
    "meta", [{"label": "ids a\n2026 ERROR to \x1b[2J\u202e"}, {"page": "1\n2026 ERROR"}], ids=["label", "page"]
)
def test_what_a_request_asks_for_is_said_in_one_line_of_ascii(meta: dict[str, str], crawler: Any) -> None:
    label = crawler.spider.label(page(**meta))

    assert "ERROR" in label
    assert label.isprintable()
    assert label.isascii()
