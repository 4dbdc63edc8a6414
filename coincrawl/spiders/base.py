"""PaginatedSpider: everything that spiders of page after page have in common."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Self, cast

import scrapy
from django.db import models
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider
from scrapy.http import Request, Response
from twisted.python.failure import Failure

from coincrawl.components import extension
from coincrawl.extensions import RunRecord
from coincrawl.items import CoinItem
from coincrawl.pagination import NextLink, PageNumber, PagingError
from coincrawl.records import DateFormat, Translation, inside
from coincrawl.responses import REMEDIES, Rows
from coincrawl.stop import Stop
from webapp.coins.catalog import SPIDERS, parse_arguments
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin, Verdict
from webapp.coins.texts import printable

usable_id = check_for(FullCoin._meta.pk)
FIELDS = FullCoin.api_fields()
DECIMALS = [field.name for field in FIELDS if isinstance(field, models.DecimalField)]
DATES = [field.name for field in FullCoin._meta.concrete_fields if isinstance(field, models.DateTimeField)]

MOST_GROWTH = 1.25  # of a source during a run of the whole of it
MOST_BROKEN_IN_A_ROW = 3  # pages; then the source is down, and asking on would only hammer it


@dataclass(frozen=True)
class Ending:
    """Why a run is to end before it is done."""

    verdict: Verdict
    reason: str


def request_of(response: Response) -> Request:
    return cast(Request, response.request)


class PaginatedSpider(scrapy.Spider):
    """Follows a pagination to its end, yields what it finds, and remembers what that proves.

    A subclass names its source (`url`), where its collection lies (`collection`) and its pagination; where its
    records name things differently from FullCoin, `names` says so. It may prove more than that the end was seen by
    `steps`, and refine `doubts` and `notes` by it.
    """

    pagination: PageNumber | NextLink
    names: Mapping[str, str] = {}  # by field: the record's key, or `a.b` for the key b of the object under a
    remedies: Mapping[int, str] = REMEDIES  # what to check where the source refuses, by its code or the status
    final: Collection[int] = ()  # codes with which also a 429 is final
    fields: Collection[str] | None = None  # of FullCoin's, those that it sends; None: all of them
    optional_fields: Collection[str] = ()  # of those: may be absent unless complete runs had values in them
    dates: DateFormat = "iso"  # or "epoch_s", "epoch_ms": seconds or milliseconds since 1970
    numbers_as_text = False  # whether Decimals come as JSON strings, as Django REST Framework writes them
    tells_missing = False  # whether `missing_since` in its records says that a coin has left the market

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        """`arguments` as the catalog has them, ArgumentError otherwise; `_job` is scrapyd's key for the run."""
        super().__init__()
        self.key = _job
        self.arguments = parse_arguments(self.name, arguments)
        self.ending: Ending | None = None
        self.closing: asyncio.Future[None] | None = None  # kept, or it might be forgotten before it is done
        self.answered: set[str] = set()  # ids in the records of all answers
        self.pages = 0  # answered
        self.records = 0  # in all answers
        self.broken: list[tuple[Request, str]] = []  # what stayed broken, and why
        self.broken_in_a_row = self.put_off_in_a_row = 0  # without a page that was answered in between
        self.sizes: dict[int, int] = {}  # of the pages that were answered, in records
        self.paging_fault = ""  # why paging was ended before its end
        self.expected_pages: int | None = None
        self.visited: dict[str, int] = {}  # the pages' numbers by address
        self.count_fault = ""
        self.counts: list[int] = []  # of all records, by the word of each answer
        self.newest_change: datetime | None = None  # that the source tells of; later runs may ask for changes since
        self.nameless = 0  # records without an id that a coin can be stored under
        self.steps_left = iter(self.steps())
        self.round = 0  # of asking: in a later one, what has been had may be asked for again
        self.translation = Translation(self.names, DECIMALS if self.numbers_as_text else (), DATES, self.dates)

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        # A run says what it has crawled, also where the settings will name something else one day.
        defaults = SPIDERS[spider.name].defaults.items()
        spider.arguments = {name: crawler.settings[setting] for name, setting in defaults} | spider.arguments
        crawler.signals.connect(spider.take_next_step, signals.spider_idle)
        return spider

    # What a subclass says ------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The source's address: nothing is asked for at another origin."""
        raise NotImplementedError

    @property
    def calls_per_minute(self) -> float:
        """How many the source takes; 0: any number."""
        return 60.0

    @property
    def monthly_credits(self) -> int:
        """How many answers it gives in a month; 0: any number."""
        return 0

    @property
    def collection(self) -> str:
        """The address whose pages are followed."""
        return self.url

    @property
    def secret(self) -> str:
        """What the source is asked with, and nobody may read."""
        return ""

    def secret_headers(self) -> Mapping[str, str]:
        """What is added to a request at the last moment and never logged."""
        return {}

    @property
    def whole(self) -> bool:
        """Whether no argument narrows the run to a part of the source."""
        return not any(name in self.arguments for name in SPIDERS[self.name].narrowing)

    @property
    def counts_vary(self) -> bool:
        """Whether runs of one scope may have any number of records, none as well."""
        return False

    @property
    def whole_arguments(self) -> Mapping[str, Any]:
        """The arguments of the runs whose records this run's are like: its own, or those of a run of more."""
        return self.arguments

    def steps(self) -> Iterable[Any]:
        """Functions that return requests, each called when all requests before have been answered."""
        yield self.ask_short_pages

    def doubts(self) -> list[str]:
        """Why this run may not have seen all there is; empty where it can prove that it has."""
        broken = [f"{self.label(request)} stayed broken: {cause}" for request, cause in self.broken]
        if len(broken) > MOST_BROKEN_IN_A_ROW:
            broken[MOST_BROKEN_IN_A_ROW:] = [f"{len(broken) - MOST_BROKEN_IN_A_ROW} more stayed broken"]
        return [*broken, *filter(None, [self._hole(), self.paging_fault, self.count_fault, self._miscount()])]

    def _hole(self) -> str:
        """An empty page before one that was not: unless a count agrees, nobody knows whether it was a lapse."""
        holes = [page for page in self.sizes if not self.sizes[page] and page < self.last_page]
        if not holes or (self.counts and not self._miscount()):
            return ""
        return f"page {min(holes)} was empty and page {self.last_page} was not"

    def _miscount(self) -> str:
        """What comes while pages are fetched may stand on one that was before; what goes draws others onto one."""
        came = len(self.answered) + self.nameless
        first, last = self.counts[:1], self.counts[-1:]
        if any(later < earlier for earlier, later in pairwise(self.counts)):
            return (
                f"the API counted {max(self.counts)} records, then {min(self.counts)}: others may have been passed over"
            )
        if first and not first <= [came] <= last:
            return f"the API counts {last[0]} records, and its pages had {came} different ones"
        if last and not self.counts_vary and last[0] > came * MOST_GROWTH:
            return f"the API counted {first[0]} records at first and {last[0]} in the end, which is not believed"
        return ""

    def notes(self) -> list[str]:
        """What else is worth knowing."""
        return []

    def pages_in_all(self, before: int | None) -> int:
        """About how many pages this run will ask for; `before` were in the last complete run of the same scope."""
        if self.pagination.limit:
            return self.pagination.limit
        return self.expected_pages or before or -(-SPIDERS[self.name].typical_records // (self.pagination.size or 100))

    # How it goes ---------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        previous = extension(self.crawler, RunRecord).previous
        first = self.pagination.first(self.collection, previous.coins if previous else 0)
        self.visited[first.url] = 1
        yield self.asked(first, self.parse)

    def asked(self, request: Request, callback: Any) -> Request:
        return request.replace(callback=callback, errback=self.give_up)

    def parse(self, response: Response) -> Iterator[Request | CoinItem]:
        answer: Rows = response.meta["answer"]
        page, rows = response.meta["page"], answer.rows
        self.pages += 1
        self.broken_in_a_row = self.put_off_in_a_row = 0
        if page == 1 and (expected := self.pagination.expected(response, answer)):
            self.expected_pages = expected
        try:
            count = self.pagination.count(answer)
        except PagingError as error:
            self.count_fault = str(error)
        else:
            self.counts += [] if count is None else [count]
        self.sizes[page] = len(rows)
        is_news = self.take(rows) or response.meta.get("asked_again")  # then it need not be, for paging to go on
        if rows and not any(self.ids(rows)):
            self.paging_fault = f"no record on page {page} has an id that a coin can be stored under: is `names` right?"
        elif rows and not is_news:
            self.paging_fault = f"page {page} brought nothing new, so paging ended there"
        elif rows and page >= self.pagination.cap:
            self.paging_fault = f"paging had no end at page {page}, and is cut there"
        # Requests first: the next page is on its way while this one is stored.
        yield from self.follow(request_of(response), response)
        yield from self.items(rows, str(page))

    @property
    def last_page(self) -> int:
        """The last page that had records."""
        return max((page for page, size in self.sizes.items() if size), default=0)

    def ask_short_pages(self) -> Iterator[Request]:
        """A step: once more, what a lapse of the API may have cut short."""
        for request in self.pagination.short(self.collection, self.sizes, self.expected_pages):
            request.meta.update(asked_again=True, followed=request.meta["page"] < self.last_page)
            yield self.asked(request, self.parse)

    def put_off(self, request: Request) -> None:
        """A page will be asked for again later: the pages after it that are known to be there need not wait for it."""
        is_known = 1 < request.meta.get("page", 0) < request.meta.get("expected", 0)
        if is_known and not request.meta.get("followed") and self.put_off_in_a_row < MOST_BROKEN_IN_A_ROW:
            self.put_off_in_a_row += 1
            for following in self.follow(request, None):
                self.crawler.engine.crawl(following)
            request.meta["followed"] = True

    def follow(self, request: Request, response: Response | None) -> Iterator[Request]:
        """The requests for the pages after the one that `request` asked for, each once."""
        if self.paging_fault or request.meta.get("followed"):
            return
        page = request.meta["page"]
        try:
            following = self.pagination.next(request, response, response.meta["answer"] if response else None)
        except PagingError as error:
            self.paging_fault = str(error)
            return
        for successor in following:
            known = self.visited.setdefault(successor.url, successor.meta["page"])
            if known == successor.meta["page"]:
                yield self.asked(successor, self.parse)
            else:
                self.paging_fault = f"the link on page {page} leads back to page {known}, so paging ended there"

    def give_up(self, failure: Failure) -> Iterator[Request]:
        """A request has come to nothing: the others go on, and the verdict hears of it."""
        if self.is_ending:
            return
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        cause = str(failure.value) or type(failure.value).__name__
        if not self.has_heard:
            self.end(Verdict.FAILED, cause)  # nothing has ever answered, so nothing else will
            return
        self.broken.append((request, cause))
        if "page" in request.meta:
            self.broken_in_a_row += 1
            if self.broken_in_a_row >= MOST_BROKEN_IN_A_ROW:
                self.paging_fault = f"{self.broken_in_a_row} pages in a row stayed broken, so paging ended there"
            yield from self.follow(request, None)

    def take(self, rows: list[Any]) -> bool:
        """Remember the ids in `rows`; whether one of them is new."""
        before = len(self.answered)
        ids = list(self.ids(rows))
        self.answered.update(ids)
        self.nameless += len(rows) - len(ids)
        return len(self.answered) > before

    def ids(self, rows: list[Any]) -> Iterator[str]:
        """The ids in `rows` that a coin can be stored under."""
        path = self.names.get("coin_id", "coin_id")
        return self.usable(inside(row, path) for row in rows if isinstance(row, dict))

    @staticmethod
    def usable(values: Iterable[Any]) -> Iterator[str]:
        for value in values:
            with suppress(Unfit):
                yield usable_id(value)

    def items(self, rows: list[Any], page: str) -> Iterator[CoinItem]:
        """The records of a page. What none of them has stays absent; what only some have is null in the others."""
        self.records += len(rows)
        translated = [self.translate(row) for row in rows]
        objects = [record for record in translated if isinstance(record, dict)]
        present = set[str]().union(*objects)
        nulls = {field.name: None for field in FIELDS if field.name in present and field.null}
        extension(self.crawler, RunRecord).look_at(objects, page)
        for row, record in zip(rows, translated, strict=True):
            filled = nulls | record if isinstance(record, dict) else record
            yield CoinItem(record=row, translated=filled, page=page)

    def expected_fields(self, usual: Mapping[str, float]) -> list[str]:
        """The fields that the source is known to send, by those that it had a value for in its complete runs."""
        fields = [field.name for field in FIELDS] if self.fields is None else self.fields
        return [name for name in fields if name not in self.optional_fields or usual.get(name)]

    def called(self, field: str) -> str:
        """What the source calls a field of FullCoin, or the object that it is in."""
        return self.names.get(field, field).partition(".")[0]

    def translate(self, record: Any) -> Any:
        """A record under the names of FullCoin's fields."""
        return self.translation(record)

    def label(self, request: Request) -> str:
        """What a request asks for, in words."""
        return printable(request.meta.get("label") or f"page {request.meta['page']}", 200)

    def take_next_step(self) -> None:
        """When nothing is under way: ask for what would complete the proof, or let the spider close."""
        for step in () if self.is_ending else self.steps_left:
            if requests := list(step()):
                self.round += 1
                for request in requests:
                    self.crawler.engine.crawl(request)
                raise DontCloseSpider

    @property
    def has_heard(self) -> bool:
        """Whether the source has ever answered anything, if only a part of it."""
        stat = self.crawler.stats.get_value
        return bool(stat("downloader/response_count") or stat("coincrawl/credits"))

    @property
    def is_ending(self) -> bool:
        return extension(self.crawler, Stop).begun.is_set()

    def end(self, verdict: Verdict, reason: str) -> None:
        """End the run early; the first reason counts."""
        if self.ending is None:
            self.ending = Ending(verdict, reason)
            extension(self.crawler, Stop).begun.set()
            self.closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=verdict.value))
