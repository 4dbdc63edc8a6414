"""PaginatedSpider: follows the pages of a source."""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider
from scrapy.http import Request, Response
from twisted.python.failure import Failure

from coincrawl.components import extension, has_answered
from coincrawl.exceptions import WasRefused
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Stop
from coincrawl.items import CoinItem
from coincrawl.meta import meta_of, request_of, rows_in
from coincrawl.records import Record
from coincrawl.source import FIELDS, Source
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.verdict import Verdict

GRACE = 2.0  # seconds in which a page's records are still taken when the run is ending


class PaginatedSpider(Source):
    """Follows the pages of its source to their end, and yields what they have.

    What that proves is in `coverage`. A subclass may ask for more in further `rounds`.
    """

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        super().__init__(_job, **arguments)
        self._rounds = iter(self.rounds())

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        # A run's row names what it crawled, even if the settings name something else one day.
        defaults = SPIDERS[spider.name].defaults.items()
        spider.arguments = {name: crawler.settings[setting] for name, setting in defaults} | spider.arguments
        if crawler.settings.getbool("RECORD_RUNS"):
            crawler.signals.connect(spider.ask_on, signals.spider_idle)
        return spider

    # What is asked for -----------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        if self.crawler.get_extension(RunRecord) is None:
            self.logger.error("Nothing is asked without a run: scrapy crawl %s begins one", self.name)
            return
        for request in self.first_requests():
            yield request

    def first_requests(self) -> Iterable[Request]:
        """What the run begins with."""
        first = self.coverage.begin(self.collection, extension(self.crawler, RunRecord).before.coins)
        return [self.asked(first, self.parse)]

    def rounds(self) -> Iterator[list[Request]]:
        """What to ask for when all before has been answered, round by round."""
        yield from self.in_rounds(self.coverage.unproven)

    def in_rounds(self, pages: Callable[[], Iterable[Request]]) -> Iterator[list[Request]]:
        """Ask for pages until there are none to ask for. `pages` is called when all before have been answered."""
        while requests := [self.asked(request, self.parse) for request in pages()]:
            yield requests

    def asked(self, request: Request, callback: Any) -> Request:
        return request.replace(callback=callback, errback=self.give_up)

    def ask_on(self) -> None:
        """When no request is under way: ask for what would complete the proof, or let the spider close."""
        requests = None if self._is_ending else next(filter(None, self._rounds), None)
        if requests:
            self.round += 1
            for request in requests:
                self.crawler.engine.crawl(request)
            raise DontCloseSpider

    # What comes ------------------------------------------------------------------------------------

    def parse(self, response: Response) -> Iterator[Request | CoinItem]:
        """A page: its successors, then its items."""
        request, answer = request_of(response), rows_in(response)
        page = meta_of(request)["page"]
        records = self.read(answer.rows)
        ids = [record.coin_id for record in records if record.coin_id is not None]
        following = self.coverage.add(request, response, answer, ids)
        # Requests first: the next page is on its way while this one is stored.
        yield from (self.asked(successor, self.parse) for successor in following)
        if not self.coverage.is_asked_again(page):
            yield from self.items(records, str(page))

    def items(self, records: list[Record], page: str) -> Iterator[CoinItem]:
        """The records of a page. A field that no record has stays absent; one that only some have is null in others."""
        objects = [record.values for record in records if isinstance(record.values, dict)]
        present = set[str]().union(*objects)
        nulls = {field.name: None for field in FIELDS if field.name in present and field.null}
        if run := self.crawler.get_extension(RunRecord):
            run.add_page(objects, page)
        end = math.inf
        for record in records:
            if self._is_ending and (end := min(end, monotonic() + GRACE)) < monotonic():
                return  # the rest of a page that takes too long is dropped
            values = nulls | record.values if isinstance(record.values, dict) else record.values
            yield CoinItem(record=record.raw, translated=values, page=page)

    # What does not come ------------------------------------------------------------------------------

    def following(self, request: Request) -> list[Request]:
        meta = meta_of(request)
        if 1 < meta.get("page", 0) < meta.get("expected", 0):
            return [self.asked(successor, self.parse) for successor in self.coverage.pass_over(request)]
        return []

    def give_up(self, failure: Failure) -> Iterator[Request]:
        """A request stays without an answer: the others go on, and the coverage has a doubt."""
        if self._is_ending:
            return
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        cause = str(failure.value) or type(failure.value).__name__
        if not has_answered(self.crawler):
            self.end(Verdict.FAILED, cause)  # nothing has ever answered, so nothing else will
            return
        became = "stayed broken"
        if isinstance(failure.value, WasRefused):
            is_page = "page" in meta_of(request)
            became = "is gone, perhaps because the list became shorter" if is_page else "was refused"
        words = f"{self.label(request)} {became}: {cause}"
        yield from (self.asked(successor, self.parse) for successor in self.coverage.give_up(request, words))

    def end(self, verdict: Verdict, reason: str) -> None:
        """End the run early. In one of Scrapy's tools there is none to end."""
        if stop := self.crawler.get_extension(Stop):
            stop.end(verdict, reason)
        else:
            self.logger.error("%s", reason)

    @property
    def _is_ending(self) -> bool:
        stop = self.crawler.get_extension(Stop)
        return stop is not None and stop.begun.is_set()
