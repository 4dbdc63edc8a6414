"""The run's record: its beginning, its heartbeat, what it stores and its verdict."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.db import Error as AnyDatabaseError
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from coincrawl import outcome
from coincrawl.components import Component, extension
from coincrawl.database import Database, fault
from coincrawl.extensions.credits import Credits
from coincrawl.extensions.feeds import unwritten
from coincrawl.extensions.pace import LONGEST_REST, Pace
from coincrawl.extensions.stop import Stop, within
from coincrawl.log import Tail, log_fault, without_secrets
from coincrawl.shape import Shape
from coincrawl.stored import Place, check_place, check_stored, place
from coincrawl.verdict import Evidence, decide
from webapp.coins.models import FullCoin
from webapp.coins.texts import one_line, printable
from webapp.crawls import costs, history, recording
from webapp.crawls.addresses import source_fault
from webapp.crawls.batch import Batch
from webapp.crawls.migrated import NotMigrated, check_migrated
from webapp.crawls.models import CrawlRun, SourcePace, Verdict
from webapp.crawls.models.pace import Wait
from webapp.crawls.models.run import new_key
from webapp.crawls.recording import NotStored, RunLost

if TYPE_CHECKING:
    from coincrawl.spiders.base import PaginatedSpider

logger = logging.getLogger(__name__)

PATIENCE_AT_FIRST = 10.0  # seconds; who has mistyped DATABASE_URL sees the warnings meanwhile

LOST = "its row says that it is over: it showed no life for too long and another run took over, or somebody ended it"

ENOUGH_CHANGES = 250  # records; fewer of those that have changed may be unlike all the others

NAMES = [field.name for field in FullCoin.api_fields()]
KNOWN = {*NAMES, *FullCoin.BOOKKEEPING}


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
        self.usual: dict[str, float] = {}  # by field: the share of records with a value, in complete runs
        self.shape = Shape(NAMES, ())
        self.not_kept = 0  # rejected records that were only counted
        self.place: Place = None  # of the file that is written
        self.coins: set[str] = set()  # that this run has stored
        self.verdict = Verdict.FAILED
        self.reason = "the crawl did not start"
        self.errors = Errors()
        self.unwritten: list[str] = []  # why feeds could not be written
        self.tail = Tail(crawler.settings["LOG_FORMAT"], crawler.settings["LOG_DATEFORMAT"])
        self.told = ""  # what the row has of the tail
        self.is_to_stop = False
        self.given_up = False  # a batch could not be stored, and the next would not fare better
        self.heart: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    async def opened(self, spider: "PaginatedSpider") -> None:
        for handler in (self.errors, self.tail):
            logging.getLogger().addHandler(handler)
        self.tail.setLevel(self.crawler.settings["LOG_LEVEL"])
        self.stop, pace = extension(self.crawler, Stop), extension(self.crawler, Pace)
        patience = self.crawler.settings.getfloat("DATABASE_PATIENCE")
        self.database = Database(patience, self.stop.begun, away=pace.hold, back=pace.release)
        if wrong := source_fault(spider.url, django_settings.PLAIN_HTTP_HOSTS):
            self.reason = f"the source's address is {wrong}"
            raise CloseSpider(self.verdict.value)
        key, was_free = spider.key or new_key(), False
        claim, log_file = self.crawler.settings["JOB_CLAIM"], self.crawler.settings["LOG_FILE"]
        optional = self.crawler.settings.getlist("OPTIONAL_FIELDS")

        def take_up() -> tuple[CrawlRun | None, CrawlRun, Wait, int]:
            nonlocal was_free
            check_migrated()
            self.place = place()
            previous = history.last_complete(spider.name, spider.arguments)
            usual = history.usual_shares(spider.name, spider.whole_arguments)
            self.usual = {name: share for name, share in usual.items() if name not in optional}
            if url := spider.arguments.get("url"):
                self.newest_change = history.newest_change(spider.name, url)
            wait = SourcePace.objects.wait(spider.url, spider.credential)
            spent = costs.credits_spent(spider.name) if spider.monthly_credits else 0
            known = CrawlRun.objects.filter(pk=key).first()
            if known and known.verdict != Verdict.PENDING and was_free:
                return previous, known, wait, spent  # an earlier attempt has succeeded, and we did not hear of it
            was_free = known is None or (known.verdict == Verdict.PENDING and known.claim == claim)
            run = recording.begin(
                spider.name,
                spider.arguments,
                key,
                claim=claim,
                log_file=os.path.abspath(log_file) if log_file else "",
                leave_alone=wait.rest if wait.rest > LONGEST_REST else 0.0,
                monthly_credits=spider.monthly_credits,
                expected_credits=previous.credits if previous else spider.pages_in_all(None) or 1,
            )
            return previous, run, wait, spent

        try:
            self.previous, run, wait, spent = await self.database.call(take_up, PATIENCE_AT_FIRST)
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
        pace.begin(wait, self._keep_pace)
        extension(self.crawler, Credits).begin(spider.monthly_credits, spent)
        self.shape = Shape(NAMES, {*spider.expected_fields(self.usual)}.difference(optional))
        self.heart = asyncio.create_task(self._beat(self.run))

    def look_at(self, records: Sequence[Mapping[str, Any]], page: str) -> None:
        """Take note of which fields the records of a page have; a warning where one has been missed."""
        if missed := self.shape.add_page(records):
            logger.warning("Page %s: no record has %s, so the stored values are kept", page, ", ".join(missed))

    async def store(self, batch: Batch) -> None:
        """Write a batch; where that fails for good, the run ends, and says what was not stored."""
        run, progress = self.run, self.progress()
        if run is None or self.given_up:
            return

        def store() -> None:
            self.coins |= recording.store(run, batch, progress)
            self.not_kept = batch.memory.not_kept

        self.given_up = not await self._attempt(store, "a batch could not be stored")

    async def _attempt(self, function: Callable[[], None], failure: str) -> bool:
        """Whether the database has done it; where not, the run ends, and says why."""
        try:
            await self.database.call(function)
        except RunLost:
            self.spider.end(Verdict.LOST, LOST)
        except NotStored as error:
            self.spider.end(Verdict.FAILED, str(error))
        except AnyDatabaseError as error:
            self.spider.end(Verdict.FAILED, fault(error, "; only what the run has counted is stored"))
        except Exception as error:
            # Whatever it is, the run must not end as if nothing had been.
            logger.exception("%s", failure)
            self.spider.end(Verdict.FAILED, f"{failure} ({type(error).__name__}: {one_line(error)})")
        else:
            return True
        return False

    async def _keep_pace(self) -> None:
        await self._attempt(self._write_pace, "the pace could not be stored")

    def _write_pace(self) -> None:
        SourcePace.objects.keep(self.spider.url, self.spider.credential, extension(self.crawler, Pace).wait)

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
        self.unwritten = await unwritten(self.crawler)  # which may take long: the run shows life meanwhile
        self.closing.set()
        try:
            if self.heart:
                await self.heart
            if self.run and self.verdict == Verdict.RUNNING:
                await self._finish(self.run, spider, reason)
            await self.database.close()
        finally:
            for handler in (self.errors, self.tail):
                logging.getLogger().removeHandler(handler)
            self.stop.finish()

    def _decide(self, run: CrawlRun, spider: "PaginatedSpider", reason: str) -> tuple[Verdict, list[str]]:
        if spider.ending:
            return spider.ending.verdict, [spider.ending.reason]
        if self.stop.by_signal:
            return Verdict.INTERRUPTED, ["stopped by a signal"]
        if reason != "finished":
            return (Verdict.PARTIAL if spider.pages else Verdict.FAILED), [f"closed early: {reason}"]
        comparable = None if spider.counts_vary else self.previous
        return decide(
            Evidence(
                pages=spider.pages,
                records=spider.records,
                seen=run.seen,
                coins=run.coins,
                rejected=run.rejected,
                errors=self.errors.count,
                unwritten=self.unwritten,
                doubts=spider.doubts(),
                dropped=spider.called(self.shape.dropped) if run.seen else (),
                absent=self.shape.absent,
                filled=self.shape.filled,
                usual={} if spider.counts_vary and run.seen < ENOUGH_CHANGES else self.usual,
                coins_before=comparable.coins if comparable else None,
                may_be_empty=spider.counts_vary,
            )
        )

    async def _finish(self, run: CrawlRun, spider: "PaginatedSpider", reason: str) -> None:
        try:
            self.verdict, reasons = self._decide(run, spider, reason)
            self.reason = printable(without_secrets("; ".join(reasons)), 2_000)
            proof = [f"proof: {spider.proof()}"] if self.verdict == Verdict.COMPLETE else []
            notes = [*proof, *spider.notes(), *self._notes(run, spider)]
            pace = extension(self.crawler, Pace)
            finish = partial(
                recording.finish,
                run,
                self.verdict,
                self.reason,
                answered=spider.present,
                messages="\n".join(printable(without_secrets(note), 500) for note in notes),
                leave_alone=pace.resting,
                not_kept=self.not_kept,
                heard=spider.has_heard,
                filled=self.shape.filled,
                listed=spider.listed,
                # What was stale is asked for again.
                newest_change=self.newest_change if run.stale else spider.newest_change,
                log_tail=self.tail.text(),
                **self.progress(),
            )
            if self.verdict not in (Verdict.FAILED, Verdict.LOST):  # which claim nothing
                await self._read_back(partial(check_stored, run, self.coins))
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
        await self.database.call(partial(check_place, self.place))
        await self.database.renew()
        await self.database.call(check)

    def _notes(self, run: CrawlRun, spider: "PaginatedSpider") -> Iterator[str]:
        if spider.fields is None and self.shape.filled and (unsent := self.shape.unsent()):
            yield f"fields that the source does not send, and has not sent before: {', '.join(unsent)}"
        if unknown := self.shape.unknown(KNOWN):
            yield f"fields that the API sends and FullCoin does not have: {', '.join(unknown)}"
        if absent := self.shape.absent:
            missed = ", ".join(f"{name} ({count:,} records)" for name, count in sorted(absent.items()))
            yield f"missing from whole pages, so the stored values were kept: {missed}"
        yield from outcome.notes(run, self.not_kept)
        if words := log_fault():
            yield f"not all of the log could be written ({words})"

    async def _beat(self, run: CrawlRun) -> None:
        """Show life until the run is over, or has lost its lock or its database; hear of it where it is to stop."""
        every = self.crawler.settings.getfloat("HEARTBEAT_SECONDS")
        show_life = partial(self._show_life, run)
        while not await within(self.closing, every) and await self._attempt(show_life, "the run could not show life"):
            if self.is_to_stop:
                self.spider.end(Verdict.INTERRUPTED, "stopped on request")

    def _show_life(self, run: CrawlRun) -> None:
        tail = self.tail.text()
        recording.heartbeat(run, **self.progress(), **({} if tail == self.told else {"log_tail": tail}))
        self.told, self.is_to_stop = tail, recording.is_to_stop(run)
