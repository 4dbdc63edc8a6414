"""The run's record: its beginning, its heartbeat, what it stores, and its verdict."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.db import Error as AnyDatabaseError
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from coincrawl import outcome
from coincrawl.components import Component, extension, has_answered
from coincrawl.database import Database, fault
from coincrawl.extensions.credits import Credits
from coincrawl.extensions.feeds import unwritten
from coincrawl.extensions.pace import MAX_REST, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.log import Tail, without_secrets
from coincrawl.shape import Shape
from coincrawl.source import Source
from coincrawl.start import Before, Start, beginning
from coincrawl.stored import Place, check_place, check_stored
from coincrawl.verdict import Evidence, decide
from coincrawl.waiting import wait_for_event
from webapp.coins.models import FullCoin
from webapp.coins.texts import one_line, printable
from webapp.crawls import recording
from webapp.crawls.addresses import source_fault
from webapp.crawls.batch import Batch
from webapp.crawls.migrated import NotMigrated
from webapp.crawls.models import CrawlRun, SourcePace
from webapp.crawls.models.run import new_key
from webapp.crawls.recording import NotStored, RunLost
from webapp.crawls.verdict import Verdict

logger = logging.getLogger(__name__)

FIRST_PATIENCE = 10.0  # seconds; who has mistyped DATABASE_URL sees the warnings meanwhile

LOST = "its row says that it is over: it showed no life for too long and another run took over, or somebody ended it"

ENOUGH_CHANGES = 250  # records; fewer of those that have changed may be unlike all the others

NAMES = [field.name for field in FullCoin.api_fields()]


class Errors(logging.Handler):
    """Counts what is logged as an error, whatever the log shows: nobody expected it, so it spoils the run."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class RunRecord(Component):
    """The crawl's CrawlRun: takes the spider's lock, shows life, stores batches, and sets the verdict at the end.

    `run` is the row (None where the database could not even be asked), `verdict` and `reason` say how it ended.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.database: Database
        self.run: CrawlRun | None = None
        self.before = Before()
        self.verdict = Verdict.FAILED
        self.reason = "the crawl did not start"
        self._shape = Shape(NAMES, ())
        self._place: Place = None  # of the file that is written
        self._coins: set[str] = set()  # that this run has stored
        self._not_kept = 0  # rejected records that were only counted
        self._errors = Errors()
        self._unwritten: list[str] = []  # why feeds could not be written
        self._tail = Tail(crawler.settings["LOG_FORMAT"], crawler.settings["LOG_DATEFORMAT"])
        self._stored_tail = ""  # what the row has of the tail
        self._is_to_stop = False
        self._has_given_up = False  # a batch could not be stored, and the next would not fare better
        self._heartbeat: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    # The beginning ---------------------------------------------------------------------------------

    async def opened(self, spider: Source) -> None:
        for handler in (self._errors, self._tail):
            logging.getLogger().addHandler(handler)
        self._tail.setLevel(self.crawler.settings["LOG_LEVEL"])
        self.stop, pace = extension(self.crawler, Stop), extension(self.crawler, Pace)
        patience = self.crawler.settings.getfloat("DATABASE_PATIENCE")
        self.database = Database(patience, self.stop.begun, away=pace.pause, back=pace.resume)
        if wrong := source_fault(spider.url, django_settings.PLAIN_HTTP_HOSTS):
            self.reason = f"the source's address is {wrong}"
        else:
            await self._begin(spider)
        if self.run is None or self.verdict != Verdict.RUNNING:
            raise CloseSpider(self.verdict.value)

    async def _begin(self, spider: Source) -> None:
        key, settings = spider.key or new_key(), self.crawler.settings
        try:
            start = await self.database.call(beginning(spider, settings, key, MAX_REST), FIRST_PATIENCE)
        except (NotMigrated, ValueError) as error:
            self.reason = str(error)
        except AnyDatabaseError as error:
            self.reason = f"the database cannot be used ({one_line(error)}): check DATABASE_URL"
        except Exception as error:
            # Scrapy would log it, and crawl on without a run.
            logger.exception("The run could not begin")
            self.reason = f"the run could not begin ({type(error).__name__}: {one_line(error)})"
        else:
            self.run, self.before, self._place = start.run, start.before, start.place
            self.verdict, self.reason = Verdict(start.run.verdict), start.run.reason
            if self.verdict == Verdict.RUNNING:
                self._go_on(start, spider)

    def _go_on(self, start: Start, spider: Source) -> None:
        """The run has its lock."""
        extension(self.crawler, Pace).begin(start.wait, self._keep_pace)
        extension(self.crawler, Credits).begin(spider.monthly_credits, start.credits_spent)
        optional = self.crawler.settings.getlist("OPTIONAL_FIELDS")
        self._shape = Shape(NAMES, {*spider.expected_fields(start.before.usual)}.difference(optional))
        self._heartbeat = asyncio.create_task(self._show_life_until_closed(start.run))

    # While it goes on ------------------------------------------------------------------------------

    def add_page(self, records: Sequence[Mapping[str, Any]], page: str) -> None:
        """Take note of which fields the records of a page have; a warning where one has been missed."""
        if missed := self._shape.add_page(records):
            logger.warning("Page %s: no record has %s, so the stored values are kept", page, ", ".join(missed))

    def add_values(self, values: Mapping[str, Any]) -> None:
        """Take note of the values of a record that can be stored."""
        self._shape.add(values)

    async def store(self, batch: Batch) -> None:
        """Write a batch; where that fails for good, the run ends, and says what was not stored."""
        run, progress = self.run, self.progress()
        if run is None or self._has_given_up:
            return

        def store() -> None:
            self._coins |= recording.store(run, batch, progress)
            self._not_kept = batch.memory.not_kept

        self._has_given_up = not await self._attempt(store, "a batch could not be stored")

    def progress(self) -> dict[str, int]:
        """The run's counters of what it has asked for."""
        stat = self.crawler.stats.get_value
        return {
            "pages": self.spider.coverage.pages,
            "requests": stat("coincrawl/requests", 0),
            "credits": stat("coincrawl/credits", 0),
            "retries": stat("retry/count", 0),
            "throttled": stat("throttled/count", 0),
        }

    async def _attempt(self, function: Callable[[], None], failure: str) -> bool:
        """Whether the database has done it; where not, the run ends, and says why."""
        try:
            await self.database.call(function)
        except RunLost:
            self.stop.end(Verdict.LOST, LOST)
        except NotStored as error:
            self.stop.end(Verdict.FAILED, str(error))
        except AnyDatabaseError as error:
            self.stop.end(Verdict.FAILED, fault(error, "; only what the run has counted is stored"))
        except Exception as error:
            # Whatever it is, the run must not end as if nothing had been.
            logger.exception("%s", failure)
            self.stop.end(Verdict.FAILED, f"{failure} ({type(error).__name__}: {one_line(error)})")
        else:
            return True
        return False

    async def _keep_pace(self) -> None:
        await self._attempt(self._write_pace, "the pace could not be stored")

    def _write_pace(self) -> None:
        SourcePace.objects.keep(self.spider.url, self.spider.credential, extension(self.crawler, Pace).wait)

    async def _show_life_until_closed(self, run: CrawlRun) -> None:
        """Show life until the run is over, or has lost its lock or its database; end it where a stop is requested."""
        every = self.crawler.settings.getfloat("HEARTBEAT_SECONDS")
        show_life = partial(self._show_life, run)
        failure = "the run could not show life"
        while not await wait_for_event(self._closing, every) and await self._attempt(show_life, failure):
            if self._is_to_stop:
                self.stop.end(Verdict.INTERRUPTED, "stopped on request")

    def _show_life(self, run: CrawlRun) -> None:
        tail = self._tail.text()
        recording.heartbeat(run, **self.progress(), **({} if tail == self._stored_tail else {"log_tail": tail}))
        self._stored_tail, self._is_to_stop = tail, recording.is_to_stop(run)

    # The end ---------------------------------------------------------------------------------------

    async def closed(self, spider: Source, reason: str) -> None:
        self._unwritten = await unwritten(self.crawler)  # which may take long: the run shows life meanwhile
        self._closing.set()
        try:
            if self._heartbeat:
                await self._heartbeat
            if self.run and self.verdict == Verdict.RUNNING:
                await self._finish(self.run, spider, reason)
            await self.database.close()
        finally:
            for handler in (self._errors, self._tail):
                logging.getLogger().removeHandler(handler)
            self.stop.finish()

    def _decide(self, run: CrawlRun, spider: Source, reason: str) -> tuple[Verdict, Sequence[str]]:
        if ending := self.stop.ending:
            return ending.verdict, [ending.reason]
        if self.stop.by_signal:
            return Verdict.INTERRUPTED, ["stopped by a signal"]
        coverage = spider.coverage
        if reason != "finished":
            return (Verdict.PARTIAL if coverage.pages else Verdict.FAILED), [f"closed early: {reason}"]
        is_like_before = not spider.is_incremental
        return decide(
            Evidence(
                pages=coverage.pages,
                records=coverage.records,
                seen=run.seen,
                coins=run.coins,
                rejected=run.rejected,
                errors=self._errors.count,
                unwritten=self._unwritten,
                doubts=coverage.doubts(),
                dropped=spider.translation.names_of(self._shape.dropped, NAMES) if run.seen else (),
                absent=self._shape.absent,
                filled=self._shape.filled,
                usual=self.before.usual if is_like_before or run.seen >= ENOUGH_CHANGES else {},
                coins_before=self.before.coins if is_like_before else 0,
                may_be_empty=spider.is_incremental,
            )
        )

    async def _finish(self, run: CrawlRun, spider: Source, reason: str) -> None:
        coverage = spider.coverage
        try:
            self.verdict, reasons = self._decide(run, spider, reason)
            self.reason = printable(without_secrets("; ".join(reasons)), 2_000)
            pace = extension(self.crawler, Pace)
            finish = partial(
                recording.finish,
                run,
                self.verdict,
                self.reason,
                answered=coverage.present,
                messages="\n".join(printable(without_secrets(note), 500) for note in self._notes(run, spider)),
                leave_alone=pace.resting,
                not_kept=self._not_kept,
                heard=has_answered(self.crawler),
                filled=self._shape.filled,
                listed=coverage.listed,
                # What was stale is asked for again.
                newest_change=self.before.newest_change if run.stale else spider.newest_change,
                log_tail=self._tail.text(),
                **self.progress(),
            )
            if self.verdict not in (Verdict.FAILED, Verdict.LOST):  # which claim nothing
                await self._read_back(partial(check_stored, run, self._coins))
            await self.database.call(finish)
            if pace.give_back():
                await self.database.call(self._write_pace)
            await self._read_back(partial(recording.check_over, run))
            if run.verdict != self.verdict:
                self.verdict, self.reason = Verdict(run.verdict), run.reason
        except RunLost:
            self.verdict, self.reason = Verdict.LOST, LOST
        except NotStored as error:
            self.verdict, self.reason = Verdict.FAILED, str(error)
            with suppress(AnyDatabaseError):
                await self.database.call(partial(recording.take_back, run, self.reason), patience=0)
        except AnyDatabaseError as error:
            self.verdict = Verdict.FAILED
            self.reason = fault(error, ", so the run will be shown as lost")
        except Exception as error:
            logger.exception("The run could not be ended as it should")
            self.verdict = Verdict.FAILED
            self.reason = f"the run could not be ended as it should ({type(error).__name__}: {one_line(error)})"
            with suppress(AnyDatabaseError, RunLost, NotStored):
                await self.database.call(partial(recording.finish, run, self.verdict, self.reason))

    async def _read_back(self, check: Callable[[], None]) -> None:
        """Have the check see the database that is at its place now, and not what the old connection still sees."""
        await self.database.call(partial(check_place, self._place))
        await self.database.renew()
        await self.database.call(check)

    def _notes(self, run: CrawlRun, spider: Source) -> Iterable[str]:
        if self.verdict == Verdict.COMPLETE:
            yield f"proof: {spider.coverage.proof()}"
        yield from spider.coverage.notes()
        yield from outcome.notes_on_fields(self._shape, learns_fields=spider.fields is None)
        yield from outcome.notes_on_batches(run, self._not_kept)
        yield from outcome.notes_on_log()
