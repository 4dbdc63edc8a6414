"""PaginatedSpider: everything that spiders of page after page have in common."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from time import monotonic
from typing import Any, Self, cast

import scrapy
from django.db import models
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider
from scrapy.http import Request, Response
from scrapy.settings import BaseSettings
from twisted.python.failure import Failure

from coincrawl import crawl_settings
from coincrawl.components import extension
from coincrawl.coverage import Coverage
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Stop
from coincrawl.items import CoinItem
from coincrawl.middlewares import WasRefused
from coincrawl.pagination import Pagination
from coincrawl.paths import Absent
from coincrawl.records import DateFormat, Names, Translation
from coincrawl.responses import REMEDIES, Judgement, judge
from coincrawl.secret import Secret
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.catalog import SPIDERS, parse_arguments
from webapp.crawls.models import Verdict

usable_id = check_for(FullCoin._meta.pk)
FIELDS = FullCoin.api_fields()
DECIMALS = [field.name for field in FIELDS if isinstance(field, models.DecimalField)]
DATES = [field.name for field in FullCoin._meta.concrete_fields if isinstance(field, models.DateTimeField)]

MAX_SIZE = 10_000  # records in a page, where nobody can say how many
MAX_EXCESS = 10  # times the records that were asked for; an answer with more is broken
GONE = (404, 410)
GRACE = 2.0  # seconds in which a page's records are still taken when the run is ending


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
    records name things differently from FullCoin, `names` says so. What the pages prove is in `coverage`; a subclass
    may prove more by further `rounds` of asking, and refine `doubts`, `notes` and `proof` by it.
    """

    pagination: Pagination
    secret: Secret | None = None  # what the source is asked with
    accept = "application/json"  # the media type that it is asked for
    names: Names = {}  # by field: where a record has it
    remedies: Mapping[int, str] = REMEDIES  # what to check where the source refuses, by its code or the status
    final: Collection[int] = ()  # codes with which also a 429 is final
    fields: Collection[str] | None = None  # of FullCoin's, those that it always sends; None: what it sent before
    dates: DateFormat = "iso"  # or "epoch_s", "epoch_ms": seconds or milliseconds since 1970
    numbers_as_text = False  # whether Decimals come as JSON strings, as Django REST Framework writes them
    listed: int | None = None  # ids that the source's list of all names, where it has one that was had
    tells_missing = False  # whether `missing_since` in its records says that a coin has left the market

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        """`arguments` as the catalog has them, ArgumentError otherwise; `_job` is scrapyd's key for the run."""
        super().__init__()
        self.key = _job
        self.arguments = parse_arguments(self.name, arguments)
        self.ending: Ending | None = None
        self.closing: asyncio.Future[None] | None = None  # kept, or it might be forgotten before it is done
        self.pages = 0  # answers with records, of any kind
        self.records = 0  # in all answers
        self.newest_change: datetime | None = None  # that the source tells of; later runs may ask for changes since
        self.round = 0  # of asking: in a later one, what has been had may be asked for again
        self.rounds_left = iter(self.rounds())
        self.translation = Translation(self.names, DECIMALS if self.numbers_as_text else (), DATES, self.dates)

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        if settings.getbool("RECORD_RUNS"):
            settings.setmodule(crawl_settings, priority="addon")
        else:  # a tool of Scrapy's looks at answers as they come
            settings.setdict(crawl_settings.IN_A_TOOL, priority="addon")
        headers = settings.getdict("DEFAULT_REQUEST_HEADERS") | {"Accept": cls.accept}
        settings.set("DEFAULT_REQUEST_HEADERS", headers, priority="spider")
        if cls.secret:
            cls.secret.read(settings)

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        spider = super().from_crawler(crawler, *args, **kwargs)
        # A run says what it has crawled, also where the settings will name something else one day.
        defaults = SPIDERS[spider.name].defaults.items()
        spider.arguments = {name: crawler.settings[setting] for name, setting in defaults} | spider.arguments
        if crawler.settings.getbool("RECORD_RUNS"):
            crawler.signals.connect(spider.ask_on, signals.spider_idle)
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
    def credential(self) -> str:
        """What the source is asked with, and nobody may read; empty where it is asked without."""
        return self.settings[self.secret.setting] if self.secret else ""

    def secret_headers(self) -> Mapping[str, str]:
        """What is added to a request at the last moment and never logged."""
        return self.secret.headers(self.credential) if self.secret else {}

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

    @cached_property
    def coverage(self) -> Coverage:
        """What the pages have shown so far."""
        return Coverage(self.pagination, counts_vary=self.counts_vary)

    @property
    def answered(self) -> set[str]:
        """The ids in the records of all answers."""
        return self.coverage.answered

    @property
    def present(self) -> set[str] | None:
        """The ids of all coins that the source has; None where others may be there.

        A record without an id may be any of them. Where a page did not come as it should, the run is not complete.
        """
        return self.answered if self.whole and not self.coverage.nameless else None

    def rounds(self) -> Iterator[list[Request]]:
        """What to ask for when all before has been answered, round by round."""
        yield from self.in_rounds(self.coverage.unproven)

    def in_rounds(self, pages: Callable[[], Iterable[Request]]) -> Iterator[list[Request]]:
        """Ask for pages until there are none to ask for; `pages` is called when all before have been answered."""
        while requests := [self.asked(request, self.parse) for request in pages()]:
            yield requests

    def doubts(self) -> list[str]:
        """Why this run may not have seen all there is; empty where it can prove that it has."""
        return self.coverage.doubts()

    def proof(self) -> str:
        """Why it has; asked for where there are no doubts."""
        return self.coverage.proof()

    def notes(self) -> list[str]:
        """What else is worth knowing."""
        notes = self.coverage.notes()
        if self.whole and self.coverage.nameless:
            notes.append("no coin was marked missing, because some records have no id that a coin can be stored under")
        return notes

    def survives(self, request: Request, status: int) -> bool:
        """Whether the run goes on where the source refuses this request for good: only its answer is lost then."""
        return request.meta.get("page", 0) > 1 and status in GONE

    def judge(self, request: Request, response: Response) -> Judgement:
        """What the answer to a request is worth."""
        pagination = self.pagination
        return judge(
            response,
            datetime.now(UTC),
            rows=pagination.rows,
            is_empty=pagination.is_empty,
            is_record=lambda record: self.translation.value(record, "coin_id") is not Absent,
            max_rows=self.max_rows(request),
            is_end_404=pagination.is_numbered and request.meta.get("page", 1) > 1,
            remedies=self.remedies,
            final=self.final,
            hook=request.meta.get("json_hook"),
            limit=request.meta.get("download_maxsize") or self.settings.getint("DOWNLOAD_MAXSIZE"),
            secret=self.credential,
        )

    def max_rows(self, request: Request) -> int | None:
        """The most records that an answer is believed to have; None: any number."""
        return MAX_EXCESS * (self.pagination.size or MAX_SIZE) if "page" in request.meta else None

    def pages_in_all(self, before: int | None) -> int | None:
        """How many pages this run will ask for; None where nobody can say.

        `before` were in the last complete run of the same scope. Of a part of the source nothing is known before.
        """
        if self.pagination.limit:
            return self.pagination.limit
        usual = -(-SPIDERS[self.name].typical_records // (self.pagination.size or 100)) if self.whole else 0
        return self.coverage.expected or before or usual or None

    # How it goes ---------------------------------------------------------------------------------

    async def start(self) -> AsyncIterator[Request]:
        if self.crawler.get_extension(RunRecord) is None:
            self.logger.error("Nothing is asked without a run: scrapy crawl %s begins one", self.name)
            return
        for request in self.first_requests():
            yield request

    def first_requests(self) -> Iterable[Request]:
        """What the run begins with."""
        previous = extension(self.crawler, RunRecord).previous
        first = self.coverage.begin(self.collection, previous.coins if previous else 0)
        return [self.asked(first, self.parse)]

    def asked(self, request: Request, callback: Any) -> Request:
        return request.replace(callback=callback, errback=self.give_up)

    def parse(self, response: Response) -> Iterator[Request | CoinItem]:
        request, answer = request_of(response), response.meta["answer"]
        self.pages += 1
        following = self.coverage.add(request, response, answer, self.ids(answer.rows))
        # Requests first: the next page is on its way while this one is stored.
        yield from (self.asked(successor, self.parse) for successor in following)
        if not self.coverage.is_to_come_again(request.meta["page"]):
            yield from self.items(answer.rows, str(request.meta["page"]))

    def put_off(self, request: Request) -> None:
        """A page will be asked for again later: the pages after it that are known to be there need not wait for it."""
        if 1 < request.meta.get("page", 0) < request.meta.get("expected", 0):
            for successor in self.coverage.pass_over(request):
                self.crawler.engine.crawl(self.asked(successor, self.parse))

    def give_up(self, failure: Failure) -> Iterator[Request]:
        """A request has come to nothing: the others go on, and the verdict hears of it."""
        if self.is_ending:
            return
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy puts it there
        cause = str(failure.value) or type(failure.value).__name__
        if not self.has_heard:
            self.end(Verdict.FAILED, cause)  # nothing has ever answered, so nothing else will
            return
        became = "stayed broken"
        if isinstance(failure.value, WasRefused):
            became = "is gone, perhaps because the list became shorter" if "page" in request.meta else "was refused"
        yield from self.go_without(request, f"{self.label(request)} {became}: {cause}")

    def go_without(self, request: Request, words: str) -> list[Request]:
        """Take note that a request was not answered, in these words; what can be asked for all the same."""
        return [self.asked(successor, self.parse) for successor in self.coverage.give_up(request, words)]

    def ids(self, rows: list[Any]) -> Iterator[str]:
        """The ids in `rows` that a coin can be stored under."""
        return self.usable(self.translation.value(row, "coin_id") for row in rows if isinstance(row, dict))

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
        if record := self.crawler.get_extension(RunRecord):
            record.look_at(objects, page)
        end = math.inf
        for row, record in zip(rows, translated, strict=True):
            if self.is_ending and (end := min(end, monotonic() + GRACE)) < monotonic():
                return  # the rest of a page that takes too long is dropped
            filled = nulls | record if isinstance(record, dict) else record
            yield CoinItem(record=row, translated=filled, page=page)

    def expected_fields(self, usual: Mapping[str, float]) -> list[str]:
        """The fields that the source is known to send, by those that it had a value for in its complete runs."""
        return [field.name for field in FIELDS if field.name in (self.fields or ()) or usual.get(field.name)]

    def called(self, fields: Collection[str]) -> set[str]:
        """What the source calls these fields of FullCoin, or the object that has them and no others."""
        paths = {field.name: self.translation.paths(field.name)[0] for field in FIELDS}
        parents = {name: path.partition(".")[0] for name, path in paths.items()}
        others = {parent for name, parent in parents.items() if name not in fields}
        return {paths[name] if parents[name] in others else parents[name] for name in fields}

    def translate(self, record: Any) -> Any:
        """A record under the names of FullCoin's fields."""
        return self.translation(record)

    def label(self, request: Request) -> str:
        """What a request asks for, in words."""
        return printable(request.meta.get("label") or f"page {request.meta['page']}", 200)

    def ask_on(self) -> None:
        """When nothing is under way: ask for what would complete the proof, or let the spider close."""
        requests = None if self.is_ending else next(filter(None, self.rounds_left), None)
        if requests:
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
    def is_attended(self) -> bool:
        """Whether somebody waits at a terminal."""
        return self.settings.getbool("ATTENDED") and self.key is None

    @property
    def is_ending(self) -> bool:
        stop = self.crawler.get_extension(Stop)
        return stop is not None and stop.begun.is_set()

    def end_with_what_there_is(self, reason: str) -> None:
        """End the run early: as partial where it has had a page, else as failed."""
        self.end(Verdict.PARTIAL if self.pages else Verdict.FAILED, reason)

    def end(self, verdict: Verdict, reason: str) -> None:
        """End the run early; the first reason counts."""
        if self.ending is None:
            self.ending = Ending(verdict, reason)
            if stop := self.crawler.get_extension(Stop):
                stop.begun.set()
            else:  # in a tool, where no run ends
                self.logger.error("%s", reason)
            self.closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=verdict.value))
