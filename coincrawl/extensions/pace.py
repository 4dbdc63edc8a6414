"""When a request may leave: evenly spaced, after any rest, and not while its answer could not be stored."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from time import monotonic

from scrapy.core.downloader import Slot
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest

from coincrawl.components import Component, extension
from coincrawl.extensions.stop import Stop
from coincrawl.waiting import CHECK_SECONDS, wait_for_event
from webapp.crawls.models.pace import Wait

logger = logging.getLogger(__name__)

MAX_REST = 600.0  # seconds; an API that asks for more is left alone, and a run that begins in more is skipped
MAX_RESTS_IN_A_ROW = 20  # without a page in between
MAX_TOTAL_REST = 7_200.0  # seconds in a run
DOUBLINGS = 6  # of a rest of our own choice: to about two minutes, the longest that CoinGecko has asked for

AHEAD = 5.0  # seconds for which turns are taken in advance, so that few calls ask the database; a killed run loses them

LITTLE = 0.03  # seconds

ENDING = "the run is ending"


async def store_nothing() -> None:
    """What a pace has that no run has begun with."""


class OutOfPatience(Exception):
    """The API asks for more rest than a run may take."""


class Pace(Component):
    """Gives each request its turn: the source's calls per minute, spread evenly, and none during a rest.

    The download handler asks for the turn, so nothing can come between the turn and the wire. No turn is used, and no
    rest taken, before it is kept where later runs find it: they go on at this pace, even if this one is killed.
    """

    MARGIN = 1.04  # exact pacing arrives a little fast, and a busy machine makes waves

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        per_minute = self.spider.calls_per_minute
        self.interval = self.MARGIN * 60 / per_minute if per_minute else 0.0  # seconds
        self.backoff = crawler.settings.getfloat("RETRY_BACKOFF_BASE")
        self.next_turn = self.rest_until = 0.0
        self.taken_until = 0.0  # turns before that are kept as this run's
        self.keep: Callable[[], Awaitable[None]] = store_nothing
        self.rests_in_a_row = 0
        self.rested = 0.0  # seconds in all
        self.is_paused = False
        self.one_at_a_time = asyncio.Lock()

    def begin(self, wait: Wait, keep: Callable[[], Awaitable[None]]) -> None:
        """Continue at the pace of earlier runs, and have `keep` store `wait` for later ones."""
        # A turn further ahead than a run takes turns was written by a clock that has been put back since.
        turn = min(wait.turn, 2 * self.interval + AHEAD) if self.interval else 0.0
        self.next_turn, self.rest_until, self.keep = monotonic() + turn, monotonic() + wait.rest, keep
        if (seconds := max(turn, wait.rest)) >= 1:
            why = "the API asked an earlier run to slow down" if wait.rest >= turn else "an earlier run has just asked"
            logger.info("The first request leaves in %.0f s: %s", seconds, why)

    async def acquire(self) -> None:
        """Wait until the next request may leave. Raises IgnoreRequest if the run ends first."""
        stop = extension(self.crawler, Stop)
        async with self.one_at_a_time:
            turn = monotonic()
            while not stop.begun.is_set():
                await self._take_turns()
                due = max(self.next_turn, self.rest_until)
                if due <= monotonic() and not self.is_paused:
                    break
                turn = due
                await wait_for_event(stop.begun, CHECK_SECONDS if self.is_paused else due - monotonic())
            if stop.begun.is_set():
                self.let_go()
                raise IgnoreRequest(ENDING)
            interval = max(self.interval, self.throttle)
            # Who is a little late for its turn does not make the next one late: MARGIN has room for that.
            is_late = monotonic() - turn > min(LITTLE, interval / 2)
            self.next_turn = (monotonic() if is_late else turn) + interval

    async def _take_turns(self) -> None:
        due = max(self.next_turn, self.rest_until, monotonic())
        if self.interval and due + self.interval > self.taken_until:
            self.taken_until = due + self.interval + AHEAD
            await self.keep()

    def give_back(self) -> bool:
        """No turn is used any more: those that are left are free again. Whether there were any."""
        left, self.taken_until = self.taken_until > self.next_turn, self.next_turn
        return left

    @property
    def wait(self) -> Wait:
        """How long a run that began now would have to wait."""
        return Wait(max(0.0, self.taken_until - monotonic()), self.resting)

    def pause(self) -> None:
        """No request leaves until `resume`: what it would bring could not be stored."""
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    async def rest(self, seconds: float | None) -> float:
        """Let no request leave for so many seconds; None: the API has not said how many.

        Returns for how many. Raises OutOfPatience if that, or all rests together, are too much for a run.
        """
        now = monotonic()
        if now >= self.rest_until:  # answers to what was in flight when a rest began are part of it
            self.rests_in_a_row += 1
        if seconds is None:
            seconds = self.backoff * 2 ** min(self.rests_in_a_row - 1, DOUBLINGS)
        before, self.rest_until = max(self.rest_until, now), max(self.rest_until, now + seconds)
        self.rested += self.rest_until - before
        if self.rest_until > before:
            await self.keep()
        if seconds > MAX_REST:
            raise OutOfPatience(f"the API asked for no requests for {seconds / 60:,.0f} minutes")
        if self.rests_in_a_row > MAX_RESTS_IN_A_ROW:
            raise OutOfPatience(f"the API asked to slow down {self.rests_in_a_row} times in a row")
        if self.rested > MAX_TOTAL_REST:
            raise OutOfPatience(f"the API asked to slow down for {self.rested / 60:,.0f} minutes in all")
        return self.resting

    @property
    def resting(self) -> float:
        """For how many seconds no request may leave."""
        return max(0.0, self.rest_until - monotonic())

    def rested_enough(self) -> None:
        """A page has been answered."""
        self.rests_in_a_row = 0

    @property
    def throttle(self) -> float:
        """AutoThrottle's delay in seconds. All requests go to one host, so there is one slot at most."""
        return max((slot.delay for slot in self._slots()), default=0.0)

    def let_go(self) -> None:
        """The run is ending: requests that AutoThrottle has queued are to end at once, and not one by one."""
        self._set_throttle(lambda delay: 0.0)

    def not_faster_than(self, throttle: float) -> None:
        """Take back what a quick answer has done to AutoThrottle's delay."""
        self._set_throttle(lambda delay: max(delay, throttle))

    def _set_throttle(self, change: Callable[[float], float]) -> None:
        for slot in self._slots():
            slot.delay = change(slot.delay)

    def _slots(self) -> Collection[Slot]:
        return self.crawler.engine.downloader.slots.values()
