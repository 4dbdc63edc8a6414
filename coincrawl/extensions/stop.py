"""The moment from which a run is ending, and how to wait without being late for it."""

import asyncio
import signal
from contextlib import suppress

from scrapy import signals
from scrapy.crawler import Crawler
from twisted.internet.defer import Deferred

from coincrawl.components import Component

LOOK_EVERY = 0.1  # seconds
ONE_GESTURE = 1.0  # seconds within which two signals are one


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set within so many seconds; returns as soon as it is."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


class Stop(Component):
    """Knows when the run begins to end: `begun` is set by the spider's own decision, or by SIGTERM or SIGINT.

    Scrapy itself waits for all that is under way. Whatever may take long (a turn, a rest, an answer that does not come,
    a database that is away) waits for this as well, and gives up then.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.begun = asyncio.Event()
        self.over: Deferred[None] = Deferred()
        self.watching: asyncio.Task[None] | None = None
        crawler.signals.connect(self.opened, signals.spider_opened)

    @property
    def by_signal(self) -> bool:
        return not self.crawler.crawling

    def opened(self) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 - there is none before

        self.watching = asyncio.create_task(self._watch())
        # A signal that comes while the spider is being opened or closed would stop the reactor under it.
        reactor.addSystemEventTrigger("before", "shutdown", lambda: self.over)  # type: ignore[arg-type]

    def finish(self) -> None:
        """The run's last word has been written: the process may end."""
        if self.watching:
            self.watching.cancel()
        if not self.over.called:
            self.over.callback(None)

    async def _watch(self) -> None:
        # Scrapy tells nobody that it has been signalled until all that was under way is done.
        while not self.by_signal:  # noqa: ASYNC110 - nor does it set an event
            await asyncio.sleep(LOOK_EVERY)
        self.begun.set()
        await asyncio.sleep(ONE_GESTURE)
        if self._is_forced():  # by two signals that came as one, from a terminal and from a supervisor
            return
        while not self._is_forced():  # noqa: ASYNC110 - again there is nothing to wait for
            await asyncio.sleep(LOOK_EVERY)
        self.finish()

    @staticmethod
    def _is_forced() -> bool:
        """Scrapy ignores all signals after the second."""
        return signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
