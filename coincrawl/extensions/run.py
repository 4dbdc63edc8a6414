"""The run's record: its beginning, its heartbeat, what it stores, and its verdict."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from django.conf import settings as django_settings
from django.db import Error as AnyDatabaseError
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from coincrawl import outcome
from coincrawl.components import Component, extension, has_answered
from coincrawl.database import Database, unusable
from coincrawl.extensions.credits import Credits
from coincrawl.extensions.feeds import unwritten
from coincrawl.extensions.pace import MAX_REST, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.log import RunLog, without_secrets
from coincrawl.shape import Shape
from coincrawl.source import Source
from coincrawl.start import Before, Start, beginning
from coincrawl.stored import Place, check_place, check_stored
from coincrawl.waiting import wait_for_event
from webapp.coins.texts import printable
from webapp.crawls import recording
from webapp.crawls.addresses import source_fault
from webapp.crawls.batch import Memory, Writable
from webapp.crawls.migrated import NotMigrated, check_migrated
from webapp.crawls.models import CrawlRun, SourcePace
from webapp.crawls.models.run import new_key
from webapp.crawls.verdict import Verdict

logger = logging.getLogger(__name__)

FIRST_PATIENCE = 10.0  # seconds to wait for the database at the beginning: DATABASE_URL may be wrong


class RunRecord(Component):
    """The crawl's CrawlRun: takes the spider's lock, sends heartbeats, stores batches, and sets the verdict at the end.

    `run` is the row (None if the database could not be used). `verdict` and `reason` say how the run ended.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.database: Database
        self.run: CrawlRun | None = None
        self.before = Before()
        self.verdict = Verdict.FAILED
        self.reason = "the crawl did not start"
        self._shape = Shape(outcome.NAMES, ())
        self._place: Place = None  # of the database's file
        self.memory = Memory()  # of what this run has stored or rejected: all its batches share it
        self._unwritten: list[str] = []  # why feeds could not be written
        self._log = RunLog(crawler.settings)
        self._stored_tail = ""  # the log's tail in the row
        self._is_to_stop = False
        self._has_given_up = False  # a batch could not be stored, so no other is tried
        self._storing = asyncio.Lock()
        self._heartbeats: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    # The beginning ---------------------------------------------------------------------------------

    async def opened(self, spider: Source) -> None:
        logging.getLogger().addHandler(self._log)
        self.stop, pace = extension(self.crawler, Stop), extension(self.crawler, Pace)
        patience = self.crawler.settings.getfloat("DATABASE_PATIENCE")
        self.database = Database(patience, self.stop.begun, away=pace.pause, back=pace.resume)
        if wrong := source_fault(spider.url, django_settings.PLAIN_HTTP_HOSTS):
            self.reason = f"the source's address is {wrong}"
        else:
            await self._begin(spider)
        if self.verdict != Verdict.RUNNING:
            raise CloseSpider(self.verdict.value)

    async def _begin(self, spider: Source) -> None:
        key, settings, began = spider.key or new_key(), self.crawler.settings, monotonic()
        try:
            await self.database.call(check_migrated, FIRST_PATIENCE)
            for prepare in spider.preparations():
                await self.database.call(prepare, FIRST_PATIENCE)
            start = await self.database.call(beginning(spider, settings, key, MAX_REST), FIRST_PATIENCE)
        except (NotMigrated, ValueError) as error:
            self.reason = str(error)
        except AnyDatabaseError as error:
            self.reason = unusable(error, monotonic() - began)
        except Exception as error:  # Scrapy would log it, and crawl without a run
            _, self.reason = outcome.verdict_after(error, "the run could not begin", "")
        else:
            self.run, self.before, self._place = start.run, start.before, start.place
            self.verdict, self.reason = Verdict(start.run.verdict), start.run.reason
            if self.verdict == Verdict.RUNNING:
                self._go_on(start, spider)

    def _go_on(self, start: Start, spider: Source) -> None:
        """Prepare the other components. The run has its lock now."""
        extension(self.crawler, Pace).begin(start.wait, self._store_pace)
        extension(self.crawler, Credits).begin(spider.monthly_credits, start.credits_spent)
        optional = self.crawler.settings.getlist("OPTIONAL_FIELDS")
        self._shape = Shape(outcome.NAMES, spider.expected_fields(start.before.usual), optional)
        self._heartbeats = asyncio.create_task(self._send_heartbeats(start.run))

    # During the run --------------------------------------------------------------------------------

    def add_page(self, names: Collection[str], records: int, page: str) -> None:
        """Count the names in so many records of a page. Logs a warning if an expected field is absent."""
        if absent := self._shape.add_page(names, records):
            logger.warning("Page %s: no record has %s, so the stored values are kept", page, ", ".join(absent))

    def add_values(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Count the values of valid records."""
        self._shape.add(records)

    async def store(self, batch: Writable) -> None:
        """Write a batch, after those before it. If that fails for good, the run ends."""
        async with self._storing:
            if self.run is None or self._has_given_up:
                return
            store = partial(recording.store, self.run, batch, self.progress())
            self._has_given_up = not await self._attempt(store, "a batch could not be stored")

    def progress(self) -> dict[str, int]:
        """The run's counters of requests and answers, by field of CrawlRun."""
        stat = self.crawler.stats.get_value
        return {
            "pages": self.spider.coverage.pages,
            "requests": stat("coincrawl/requests", 0),
            "credits": stat("coincrawl/credits", 0),
            "retries": stat("retry/count", 0),
            "throttled": stat("throttled/count", 0),
        }

    async def _attempt(self, function: Callable[[], None], failure: str) -> bool:
        """Call a function that uses the database. If it fails, end the run. Returns whether it succeeded."""
        try:
            await self.database.call(function)
        except Exception as error:
            self.stop.end(*outcome.verdict_after(error, failure, "; only what the run has counted is stored"))
            return False
        return True

    async def _store_pace(self) -> None:
        await self._attempt(self._write_pace, "the pace could not be stored")

    def _write_pace(self) -> None:
        SourcePace.objects.keep(self.spider.url, self.spider.credential, extension(self.crawler, Pace).wait)

    async def _send_heartbeats(self, run: CrawlRun) -> None:
        """Send heartbeats until the run is over, or one fails. End the run if a stop is requested."""
        every = self.crawler.settings.getfloat("HEARTBEAT_SECONDS")
        send, failure = partial(self._send_heartbeat, run), "the heartbeat could not be stored"
        while not await wait_for_event(self._closing, every) and await self._attempt(send, failure):
            if self._is_to_stop:
                self.stop.end(Verdict.INTERRUPTED, "stopped on request")

    def _send_heartbeat(self, run: CrawlRun) -> None:
        tail = self._log.tail()
        recording.heartbeat(run, **self.progress(), **({} if tail == self._stored_tail else {"log_tail": tail}))
        self._stored_tail, self._is_to_stop = tail, recording.is_to_stop(run)

    # The end ---------------------------------------------------------------------------------------

    async def closed(self, spider: Source, reason: str) -> None:
        self._unwritten = await unwritten(self.crawler)  # may take long, so heartbeats go on meanwhile
        self._closing.set()
        try:
            if self._heartbeats:
                await self._heartbeats
            if self.run and self.verdict == Verdict.RUNNING:
                await self._finish(self.run, spider, reason)
            await self.database.close()
        finally:
            logging.getLogger().removeHandler(self._log)
            self.stop.finish()

    def _decide(self, run: CrawlRun, spider: Source, reason: str) -> tuple[Verdict, Sequence[str]]:
        if ending := self.stop.ending:
            return ending.verdict, [ending.reason]
        if self.stop.by_signal:
            return Verdict.INTERRUPTED, ["stopped by a signal"]
        if reason != "finished":
            return (Verdict.PARTIAL if spider.coverage.pages else Verdict.FAILED), [f"closed early: {reason}"]
        return outcome.verdict_of(
            run, spider, self._shape, self.before, errors=self._log.errors, unwritten=self._unwritten
        )

    async def _finish(self, run: CrawlRun, spider: Source, reason: str) -> None:
        coverage = spider.coverage
        try:
            self.verdict, reasons = self._decide(run, spider, reason)
            self.reason = printable(without_secrets("; ".join(reasons)), 2_000)
            notes = outcome.notes(run, spider, self._shape, self.verdict, self.memory)
            pace = extension(self.crawler, Pace)
            finish = partial(
                recording.finish,
                run,
                self.verdict,
                self.reason,
                answered=coverage.present,
                messages="\n".join(printable(without_secrets(note), 500) for note in notes),
                leave_alone=pace.resting,
                not_kept=self.memory.not_kept,
                has_answered=has_answered(self.crawler),
                filled=self._shape.filled,
                listed=coverage.listed,
                # After a stale answer, the next run asks for the same changes again.
                newest_change=self.before.newest_change if run.stale else spider.newest_change,
                log_tail=self._log.tail(),
                **self.progress(),
            )
            if self.verdict not in (Verdict.FAILED, Verdict.LOST):  # these claim nothing
                stored = () if self._has_given_up else self.memory.coins
                await self._read_back(partial(check_stored, run, stored))
            await self.database.call(finish)
            if pace.release_turns():
                await self.database.call(self._write_pace)
            await self._read_back(partial(recording.check_over, run))
            if run.verdict != self.verdict:
                self.verdict, self.reason = Verdict(run.verdict), run.reason
        except Exception as error:
            failure, then = "the run could not be finished", ", so the run will be shown as lost"
            self.verdict, self.reason = outcome.verdict_after(error, failure, then)
            with suppress(AnyDatabaseError, recording.RunLost, recording.NotStored):
                if isinstance(error, recording.NotStored):
                    await self.database.call(partial(recording.take_back, run, self.reason), patience=0)
                elif not isinstance(error, AnyDatabaseError | recording.RunLost):
                    await self.database.call(partial(recording.finish, run, self.verdict, self.reason))

    async def _read_back(self, check: Callable[[], None]) -> None:
        """Check the database on a new connection: the old one may still use a file that was deleted or replaced."""
        await self.database.call(partial(check_place, self._place))
        await self.database.renew()
        await self.database.call(check)
