"""Shows a crawl's progress: a bar, or lines in the log."""

import asyncio
import logging
import sys
from time import monotonic
from typing import TYPE_CHECKING

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.utils.log import get_scrapy_root_handler

from coincrawl.components import Component, extension
from coincrawl.extensions.pace import Pace
from coincrawl.extensions.run import RunRecord
from webapp.coins.texts import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

logger = logging.getLogger(__name__)

BAR_EVERY = 0.1  # seconds


class Progress(Component):
    """Shows how far the crawl is: a bar on a terminal, else a line from time to time."""

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
        way = ""
        if pages := self._pages_in_all():
            time = f"; at this pace that takes about {_duration(pages * self.interval)}" if self.interval else ""
            way = f": about {counted(pages, 'page')}{time}"
        logger.info("Crawling %s from %s%s", spider.name, spider.url, way)
        if sys.stderr.isatty() and not self.crawler.settings["LOG_FILE"]:
            self._start_bar()
        every = BAR_EVERY if self.bar else self.crawler.settings.getfloat("LOGSTATS_INTERVAL")
        if every:
            self.task = asyncio.create_task(self._report(every))

    def closed(self) -> None:
        if self.task:
            self.task.cancel()
        if self.bar:
            self.bar.stop()
            self._send_log_to(sys.stderr)

    async def _report(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            done, in_all = self.spider.coverage.pages, self._pages_in_all()
            if self.bar:
                self.bar.update(self.bar.task_ids[0], completed=done, total=in_all, words=self._words(done, in_all))
            else:
                logger.info("%s", self._words(done, in_all))

    def _words(self, done: int, in_all: int | None) -> str:
        elapsed = monotonic() - self.started
        coins = len(self.spider.coverage.answered)
        rate = f"{coins / elapsed:,.0f} coins/s" if coins > elapsed else f"{60 * coins / elapsed:,.0f} coins/min"
        if in_all is None:
            return f"{counted(done, 'page')}, {coins:,} coins, {rate}"
        if not done:
            return f"0 of {counted(in_all, 'page')}"
        left = (in_all - done) * max(self.interval, elapsed / done)
        return f"{done:,} of {counted(in_all, 'page')}, {coins:,} coins, {rate}, about {_duration(left)} left"

    def _pages_in_all(self) -> int | None:
        """How many pages the run will request; None if unknown.

        By the API's count, or else as in the last complete run, or else as usual.
        """
        coverage = self.spider.coverage
        in_all = coverage.expected or self.record.before.pages or self.spider.expected_calls
        return in_all and max(in_all, coverage.pages)

    def _start_bar(self) -> None:
        from coincrawl.terminal import start_bar  # noqa: PLC0415 - it imports rich

        self.bar = start_bar(self.spider.name)
        self._send_log_to(sys.stderr)  # this is rich's now, which writes log lines above the bar

    @staticmethod
    def _send_log_to(stream: object) -> None:
        handler = get_scrapy_root_handler()
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 90 else f"{seconds:,.0f} s"
