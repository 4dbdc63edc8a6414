"""The moment from which a run is ending, and how to wait without being late for it."""

import asyncio
import signal
from contextlib import suppress

from scrapy import signals
from scrapy.crawler import Crawler

from .components import Component

LOOK_EVERY = 0.1  # seconds
SIGNALS = {signal.SIGTERM, signal.SIGINT}


def keep_signals() -> None:
    """From now on a signal waits until the spider is open: before, Scrapy would drop everything where it stands."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set within so many seconds; returns as soon as it is."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


class Stop(Component):
    """Knows when the run begins to end: by the spider's own decision, or by SIGTERM or SIGINT.

    Scrapy itself waits for all that is under way. Whatever may take long (a turn, a rest, an answer that does not come,
    a database that is away) waits here instead, and gives up when the end begins.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.begun = asyncio.Event()
        self.by_signal = False
        self.watching: asyncio.Task[None] | None = None
        crawler.signals.connect(self.opened, signals.spider_opened)
        crawler.signals.connect(self.closed, signals.spider_closed)

    def opened(self) -> None:
        self.watching = asyncio.create_task(self._watch())

    def closed(self) -> None:
        self._look()
        if self.watching:
            self.watching.cancel()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    async def within(self, seconds: float) -> bool:
        """Whether the end begins within so many seconds."""
        return await within(self.begun, seconds)

    async def _watch(self) -> None:
        # Scrapy tells nobody that it has been signalled until all that was under way is done.
        while True:
            self._look()
            if self.crawler.engine and self.crawler.engine.running:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            await asyncio.sleep(LOOK_EVERY)

    def _look(self) -> None:
        if not self.crawler.crawling or SIGNALS & signal.sigpending():
            self.by_signal = True
        if self.by_signal or self.spider.ending:
            self.begun.set()
