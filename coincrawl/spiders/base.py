"""PaginatedSpider: follows the pages of a source."""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import cached_property
from time import monotonic
from typing import Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider
from scrapy.http import Request, Response
from twisted.python.failure import Failure

from coincrawl.components import NotNeeded, WasRefused, extension, has_answered
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Stop
from coincrawl.items import CoinItem, CoinPage, are_items_needed
from coincrawl.meta import meta_of, request_of, rows_in
from coincrawl.records import Record
from coincrawl.source import Source
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.verdict import Verdict

GRACE = 2.0  # seconds: when the run is ending, the rest of a page may take so long


class PaginatedSpider(Source):
    """Follows the pages of its source to the end, and yields their records as items.

    `coverage` says what that proves. A subclass may make more requests in further `rounds`.
    """

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        super().__init__(_job, **arguments)
        self._rounds = iter(self.rounds())

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        # Defaults come from settings, which may change: the row of the run records what was crawled.
        defaults = SPIDERS[spider.name].defaults.items()
        spider.arguments = {name: crawler.settings[setting] for name, setting in defaults} | spider.arguments
        if crawler.settings.getbool("RECORD_RUNS"):
            crawler.signals.connect(spider.on_idle, signals.spider_idle)
        return spider

    # Requests --------------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        if self.crawler.get_extension(RunRecord) is None:
            self.logger.error("No request is made without a run: use scrapy crawl %s", self.name)
            return
        for request in self.first_requests():
            yield request

    def first_requests(self) -> Iterable[Request]:
        first = self.coverage.begin(self.collection, extension(self.crawler, RunRecord).before.coins)
        return [self.with_callback(first, self.parse)]

    def rounds(self) -> Iterator[list[Request]]:
        """Further requests. A round begins when all earlier requests have been answered."""
        yield from self.in_rounds(self.coverage.unproven)

    def in_rounds(self, pages: Callable[[], Iterable[Request]]) -> Iterator[list[Request]]:
        """Rounds of the requests that `pages` returns, until it returns none."""
        while requests := [self.with_callback(request, self.parse) for request in pages()]:
            yield requests

    def with_callback(self, request: Request, callback: Callable[..., object]) -> Request:
        return request.replace(callback=callback, errback=self.give_up)

    def on_idle(self) -> None:
        """No request is under way: begin the next round, or let the spider close."""
        requests = None if self._is_ending else next(filter(None, self._rounds), None)
        if requests:
            self.round += 1
            for request in requests:
                self.crawler.engine.crawl(request)
            raise DontCloseSpider

    # Answers ---------------------------------------------------------------------------------------

    def parse(self, response: Response) -> Iterator[Request | Any]:
        """Yield the requests for the next pages, then the items of this one."""
        request, answer = request_of(response), rows_in(response)
        page = meta_of(request)["page"]
        records = self.read(answer.rows)
        ids = [record.coin_id for record in records if record.coin_id is not None]
        following = self.coverage.add(request, response, answer, ids)
        # Requests come first, so that the next page is fetched while this one is stored.
        yield from (self.with_callback(successor, self.parse) for successor in following)
        if not self.coverage.is_asked_again(page):
            yield from self.items(records, str(page))

    def items(self, records: list[Record], label: str) -> Iterator[CoinPage | CoinItem]:
        """The records of a page as one item, or as an item for each if something else needs them."""
        page = CoinPage(records, self.translation, label)
        if run := self.crawler.get_extension(RunRecord):
            run.add_page(page.names, page.size, label)
        if not self._are_items_needed:
            yield from [page] if records else []
            return
        end = math.inf
        for item in page.items():
            if self._is_ending and (end := min(end, monotonic() + GRACE)) < monotonic():
                return  # the rest of a page that takes too long is dropped
            yield item

    @cached_property
    def _are_items_needed(self) -> bool:
        return are_items_needed(self.crawler)

    # Failures --------------------------------------------------------------------------------------

    def following(self, request: Request) -> list[Request]:
        meta = meta_of(request)
        if 1 < meta.get("page", 0) < meta.get("expected", 0):
            return [self.with_callback(successor, self.parse) for successor in self.coverage.pass_over(request)]
        return []

    def give_up(self, failure: Failure) -> Iterator[Request | Any]:
        """A request failed for good. The run goes on, but has a doubt."""
        if self._is_ending:
            return
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        if isinstance(failure.value, NotNeeded):
            self.coverage.drop(request)
            return
        cause = str(failure.value) or type(failure.value).__name__
        if not has_answered(self.crawler):
            self.end(Verdict.FAILED, cause)  # the source has never answered, so no other request will succeed
            return
        result = "stayed broken"
        if isinstance(failure.value, WasRefused):
            is_later_page = meta_of(request).get("page", 1) > 1
            result = "is gone, perhaps because the list became shorter" if is_later_page else "was refused"
        words = f"{self.label(request)} {result}: {cause}"
        callback = request.callback or self.parse
        yield from (self.with_callback(successor, callback) for successor in self.coverage.give_up(request, words))

    def end(self, verdict: Verdict, reason: str) -> None:
        """End the run early. Scrapy's tools have no run, so there the reason is only logged."""
        if stop := self.crawler.get_extension(Stop):
            stop.end(verdict, reason)
        else:
            self.logger.error("%s", reason)

    @property
    def _is_ending(self) -> bool:
        stop = self.crawler.get_extension(Stop)
        return stop is not None and stop.begun.is_set()
