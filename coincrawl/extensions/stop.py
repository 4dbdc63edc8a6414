"""When a run ends, and why."""

import asyncio
import signal
from dataclasses import dataclass

from scrapy import signals
from scrapy.crawler import Crawler
from twisted.internet.defer import Deferred

from coincrawl.components import Component
from coincrawl.waiting import CHECK_SECONDS
from webapp.crawls.verdict import Verdict

SAME_STOP_SECONDS = 1.0  # two signals within this time are one stop


@dataclass(frozen=True)
class Ending:
    verdict: Verdict
    reason: str


class Stop(Component):
    """Ends the run early. `begun` is set by `end`, and by SIGTERM and SIGINT.

    Scrapy waits for all requests under way. So everything that may take long (a turn, a rest, a missing answer, a
    database that is away) must also wait for `begun`, and give up then. `ending` says why the run ends. It is None if a
    signal ended the run.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.begun = asyncio.Event()
        self.over: Deferred[None] = Deferred()
        self.ending: Ending | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closing: asyncio.Future[None] | None = None  # a reference, so that it is not garbage collected
        crawler.signals.connect(self.opened, signals.spider_opened)

    def end(self, verdict: Verdict, reason: str) -> None:
        """End the run early. The first reason counts."""
        if self.ending is None:
            self.ending = Ending(verdict, reason)
            self.begun.set()
            self._closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason=verdict.value))

    def give_up(self, reason: str) -> None:
        """End the run early: as partial if a page was answered, else as failed."""
        self.end(Verdict.PARTIAL if self.spider.coverage.pages else Verdict.FAILED, reason)

    @property
    def by_signal(self) -> bool:
        return not self.crawler.crawling

    def opened(self) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 - Scrapy installs it late

        self._watching = asyncio.create_task(self._watch())
        # Without this, a signal would stop the reactor while the spider is still being opened or closed.
        reactor.addSystemEventTrigger("before", "shutdown", lambda: self.over)  # type: ignore[arg-type]

    def finish(self) -> None:
        """The run's verdict is stored, so the process may end."""
        if self._watching:
            self._watching.cancel()
        if not self.over.called:
            self.over.callback(None)

    async def _watch(self) -> None:
        # Scrapy sends no event for a signal until all requests under way are done.
        while not self.by_signal:  # noqa: ASYNC110
            await asyncio.sleep(CHECK_SECONDS)
        self.begun.set()
        await asyncio.sleep(SAME_STOP_SECONDS)
        if self._is_forced():  # two signals at once, from a terminal and from a supervisor, are one stop
            return
        while not self._is_forced():  # noqa: ASYNC110
            await asyncio.sleep(CHECK_SECONDS)
        self.finish()

    @staticmethod
    def _is_forced() -> bool:
        """Whether a second signal has come. Scrapy ignores all signals after it."""
        return signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
