"""Around a crawl: the run's record with its heartbeat and its verdict, and what a person sees while it goes on."""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from django.db import Error as AnyDatabaseError
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider
from scrapy.utils.log import get_scrapy_root_handler

from webapp.coins.models import CrawlRun, Verdict
from webapp.coins.models.run import Batch, NotMigrated, RunLost, new_key
from webapp.coins.texts import printable

from .components import Component, extension
from .database import Database, one_line
from .log import without_secrets
from .pace import Pace
from .stop import Stop, within
from .verdict import Evidence, decide

if TYPE_CHECKING:
    from .spiders.base import PaginatedSpider

logger = logging.getLogger(__name__)

PATIENCE_AT_FIRST = 10.0  # seconds; who has mistyped DATABASE_URL sees the warnings meanwhile
BAR_EVERY = 0.1  # seconds

LOST = "another run has taken over, because this one showed no sign of life for too long"


class Errors(logging.Handler):
    """Counts what is logged as an error, whatever the log shows: nobody expected it, so it spoils the run."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class RunRecord(Component):
    """The crawl's CrawlRun: takes the spider's lock, beats, stores batches, and sets the verdict at the end.

    `run` is the row (None where the database could not even be asked), `verdict` and `reason` how it ended.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.database: Database
        self.run: CrawlRun | None = None
        self.previous: CrawlRun | None = None  # the last complete run of the same scope
        self.newest_change: datetime | None = None  # that complete runs of the same source have heard of
        self.verdict = Verdict.FAILED
        self.reason = "the crawl did not start"
        self.errors = Errors()
        self.given_up = False  # a batch could not be stored, and the next would not fare better
        self.heart: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    async def opened(self, spider: "PaginatedSpider") -> None:
        logging.getLogger().addHandler(self.errors)
        self.stop, pace = extension(self.crawler, Stop), extension(self.crawler, Pace)
        patience = self.crawler.settings.getfloat("DATABASE_PATIENCE")
        self.database = Database(patience, self.stop.begun, away=pace.hold, back=pace.release)
        key, was_free = spider.key or new_key(), False

        def take_up() -> tuple[CrawlRun | None, CrawlRun]:
            nonlocal was_free
            CrawlRun.objects.check_migrated()
            previous = CrawlRun.objects.last_complete(spider.name, spider.arguments)
            if url := spider.arguments.get("url"):
                self.newest_change = CrawlRun.objects.newest_change(spider.name, url)
            known = CrawlRun.objects.filter(pk=key).first()
            if known and was_free:
                return previous, known  # an earlier attempt has succeeded, and we did not hear of it
            was_free = known is None
            return previous, CrawlRun.objects.begin(
                spider.name,
                spider.arguments,
                key,
                monthly_credits=spider.monthly_credits,
                expected_credits=previous.credits if previous else spider.pages_in_all(None),
            )

        try:
            self.previous, run = await self.database.call(take_up, PATIENCE_AT_FIRST)
        except (NotMigrated, ValueError) as error:
            self.reason = str(error)
        except AnyDatabaseError as error:
            self.reason = f"the database cannot be used ({one_line(error)}): check DATABASE_URL"
        except Exception as error:
            # Scrapy would log it, and crawl on without a run.
            logger.exception("The run could not begin")
            self.reason = f"the run could not begin ({type(error).__name__}: {one_line(error)})"
        else:
            self.run, self.verdict, self.reason = run, Verdict(run.verdict), run.reason
        if self.run is None or self.verdict != Verdict.RUNNING:
            raise CloseSpider(self.verdict.value)
        self.heart = asyncio.create_task(self._beat(self.run))

    async def store(self, batch: Batch) -> None:
        """Write a batch; where that fails for good, the run ends, and says what was not stored."""
        if self.run is None or self.given_up:
            return
        store = partial(self.run.store, batch, self.progress())
        self.given_up = not await self._could(store, "a batch could not be stored")

    async def _could(self, function: Callable[[], None], failure: str) -> bool:
        """Whether the database has done it; where not, the run ends, and says why."""
        try:
            await self.database.call(function)
        except RunLost:
            self.spider.end(Verdict.LOST, LOST)
        except AnyDatabaseError as error:
            words = f"the database fails ({one_line(error)}); what is counted is stored, no more"
            self.spider.end(Verdict.FAILED, words)
        except Exception as error:
            # Whatever it is, the run must not end as if nothing had been.
            logger.exception("%s", failure)
            self.spider.end(Verdict.FAILED, f"{failure} ({type(error).__name__}: {one_line(error)})")
        else:
            return True
        return False

    def progress(self) -> dict[str, int]:
        """The run's counters of what it has asked for."""
        stat = self.crawler.stats.get_value
        return {
            "pages": self.spider.pages,
            "requests": stat("coincrawl/requests", 0),
            "credits": stat("coincrawl/credits", 0),
            "retries": stat("retry/count", 0),
            "throttled": stat("throttled/count", 0),
        }

    async def closed(self, spider: "PaginatedSpider", reason: str) -> None:
        self.closing.set()
        try:
            if self.heart:
                await self.heart
            if self.run and self.verdict == Verdict.RUNNING:
                await self._finish(self.run, spider, reason)
            await self.database.close()
        finally:
            logging.getLogger().removeHandler(self.errors)
            self.stop.finish()

    def _decide(self, run: CrawlRun, spider: "PaginatedSpider", reason: str) -> tuple[Verdict, list[str]]:
        if spider.ending:
            return spider.ending.verdict, [spider.ending.reason]
        if self.stop.by_signal:
            return Verdict.INTERRUPTED, ["stopped by a signal"]
        if reason != "finished":
            return (Verdict.PARTIAL if spider.pages else Verdict.FAILED), [f"closed early: {reason}"]
        stat = self.crawler.stats.get_value
        comparable = None if spider.counts_vary else self.previous
        return decide(
            Evidence(
                pages=spider.pages,
                records=spider.records,
                seen=run.seen,
                coins=run.coins,
                rejected=run.rejected,
                errors=self.errors.count,
                doubts=spider.doubts(),
                dropped=stat("coincrawl/dropped") if run.seen else (),
                emptied=set(comparable.filled) - set(stat("coincrawl/filled")) if comparable else (),
                coins_before=comparable.coins if comparable else None,
                may_be_empty=spider.counts_vary,
            )
        )

    async def _finish(self, run: CrawlRun, spider: "PaginatedSpider", reason: str) -> None:
        try:
            self.verdict, reasons = self._decide(run, spider, reason)
            self.reason = printable(without_secrets("; ".join(reasons)), 2_000)
            notes = spider.notes()
            if unknown := self.crawler.stats.get_value("coincrawl/unknown"):
                notes.append(f"fields that the API sends and FullCoin does not have: {', '.join(unknown)}")
            finish = partial(
                run.finish,
                self.verdict,
                self.reason,
                answered=spider.answered if spider.whole else None,
                messages="\n".join(printable(without_secrets(note), 500) for note in notes),
                leave_alone=extension(self.crawler, Pace).resting,
                filled=self.crawler.stats.get_value("coincrawl/filled"),
                newest_change=spider.newest_change,
                **self.progress(),
            )
            await self.database.call(finish)
            if run.verdict != self.verdict:
                self.verdict, self.reason = Verdict(run.verdict), run.reason
        except RunLost:
            self.verdict, self.reason = Verdict.LOST, LOST
        except AnyDatabaseError as error:
            self.verdict = Verdict.FAILED
            self.reason = f"the database fails ({one_line(error)}), so the run will be shown as lost"
        except Exception as error:
            logger.exception("The run could not be ended as it should")
            self.verdict = Verdict.FAILED
            self.reason = f"the run could not be ended as it should ({type(error).__name__}: {one_line(error)})"
            await self.database.call(partial(run.finish, self.verdict, self.reason))

    async def _beat(self, run: CrawlRun) -> None:
        """Show life until the run is over, or has lost its lock or its database."""
        every = self.crawler.settings.getfloat("HEARTBEAT_SECONDS")
        while not await within(self.closing, every) and await self._could(run.beat, "the run could not show life"):
            pass


class Progress(Component):
    """How far the crawl is: on a terminal a bar, in a file or a pipe a line now and then."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.started = monotonic()
        self.task: asyncio.Task[None] | None = None
        self.bar: Bar | None = None
        crawler.signals.connect(self.started_crawling, signals.engine_started)
        crawler.signals.connect(self.closed, signals.spider_closed)

    def started_crawling(self) -> None:
        spider = self.spider
        self.interval = extension(self.crawler, Pace).interval
        self.record = extension(self.crawler, RunRecord)
        pages = self._pages_in_all()
        time = f"; at this pace that takes about {_duration(pages * self.interval)}" if self.interval else ""
        logger.info("Crawling %s from %s: about %s%s", spider.name, spider.url, _pages(pages), time)
        if sys.stderr.isatty() and not self.crawler.settings["LOG_FILE"]:
            self._start_bar()
        every = BAR_EVERY if self.bar else self.crawler.settings.getfloat("LOGSTATS_INTERVAL")
        if every:
            self.task = asyncio.create_task(self._tell(every))

    def closed(self) -> None:
        if self.task:
            self.task.cancel()
        if self.bar:
            self.bar.stop()
            self._send_log_to(sys.stderr)

    async def _tell(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            done, in_all = self.spider.pages, self._pages_in_all()
            if self.bar:
                self.bar.update(self.bar.task_ids[0], completed=done, total=in_all, words=self._words(done, in_all))
            else:
                logger.info("%s", self._words(done, in_all))

    def _words(self, done: int, in_all: int) -> str:
        elapsed = monotonic() - self.started
        coins = len(self.spider.answered)
        left = (in_all - done) * max(self.interval, elapsed / done if done else 0)
        rate = f"{coins / elapsed:,.0f} coins/s" if coins > elapsed else f"{60 * coins / elapsed:,.0f} coins/min"
        return f"{done:,} of {_pages(in_all)}, {coins:,} coins, {rate}, about {_duration(left)} left"

    def _pages_in_all(self) -> int:
        """As the API's header has it, or else as it was in the last complete run, or else as it usually is."""
        before = self.record.previous.pages if self.record.previous else None
        return max(self.spider.pages_in_all(before), self.spider.pages)

    def _start_bar(self) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}")
        self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self.bar.add_task(self.spider.name, words="")
        self.bar.start()
        self._send_log_to(sys.stderr)  # which is now rich's: log lines go above the bar, not through it

    @staticmethod
    def _send_log_to(stream: object) -> None:
        handler = get_scrapy_root_handler()
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def _pages(number: int) -> str:
    return f"{number:,} page{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 90 else f"{seconds:,.0f} s"
