"""Decides when a request may leave: evenly spaced, not during a rest, and not while the database is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from time import monotonic

from scrapy.core.downloader import Slot
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Request

from coincrawl.components import Component, NotNeeded, extension
from coincrawl.extensions.stop import Stop
from coincrawl.waiting import CHECK_SECONDS, wait_for_event
from webapp.crawls.models.pace import Wait

logger = logging.getLogger(__name__)

MAX_REST = 600.0  # seconds; if the API asks for more, the run ends, and later runs are skipped
MAX_RESTS_IN_A_ROW = 20  # without a page in between
MAX_TOTAL_REST = 7_200.0  # seconds in a run
MAX_DOUBLINGS = 6  # of a rest whose length the API does not say: up to about two minutes

TURNS_AHEAD = 5.0  # seconds; turns are stored in advance, to write rarely; a killed run loses that time
TOLERANCE = 0.05  # seconds; a request that is late by so much does not delay those after it

ENDING = "the run is ending"


async def store_nothing() -> None:
    """The `keep` of a pace before its run begins."""


class OutOfPatience(Exception):
    """The API asks for more rest than a run allows."""


class Pace(Component):
    """Gives each request its turn: the source's calls a minute, spread evenly, and none during a rest.

    The download handler acquires the turn, so nothing can delay the request after it. Turns and rests are stored before
    they are used, so that later runs keep the pace even if this run is killed.
    """

    # Intervals are 2 % longer than the limit allows. That is 1.2 s in a window of a minute, for the requests that leave
    # late (TOLERANCE), and for those that travel longer than others: a first one sets up its connection.
    MARGIN = 1.02

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        per_minute = self.spider.calls_per_minute
        self.interval = self.MARGIN * 60 / per_minute if per_minute else 0.0  # seconds
        self.backoff = crawler.settings.getfloat("RETRY_BACKOFF_BASE")
        self.next_turn = self.rest_until = monotonic()
        self.taken_until = 0.0  # turns before that time are stored as this run's
        self.keep: Callable[[], Awaitable[None]] = store_nothing
        self.rests_in_a_row = 0
        self.total_rest = 0.0  # seconds
        self.is_paused = False
        self.one_at_a_time = asyncio.Lock()

    def begin(self, wait: Wait, keep: Callable[[], Awaitable[None]]) -> None:
        """Continue at the pace of earlier runs. `keep` stores this run's `wait` for later ones."""
        # No run takes turns further ahead than this. If one is, the clock has been set back since.
        turn = min(wait.turn, 2 * self.interval + TURNS_AHEAD) if self.interval else 0.0
        self.next_turn, self.rest_until, self.keep = monotonic() + turn, monotonic() + wait.rest, keep
        if (seconds := max(turn, wait.rest)) >= 1:
            why = "the API asked an earlier run to slow down" if wait.rest >= turn else "an earlier run has just asked"
            logger.info("The first request leaves in %.0f s: %s", seconds, why)

    async def acquire(self, request: Request) -> None:
        """Wait until the request may leave.

        Raises IgnoreRequest if the run ends first, and NotNeeded if the request is of no use any more by then.
        """
        stop = extension(self.crawler, Stop)
        async with self.one_at_a_time:
            turn = 0.0
            while not stop.begun.is_set():
                if not self.spider.coverage.is_needed(request):
                    raise NotNeeded
                await self._take_turns()
                turn = max(self.next_turn, self.rest_until)
                if turn <= monotonic() and not self.is_paused:
                    break
                await wait_for_event(stop.begun, CHECK_SECONDS if self.is_paused else turn - monotonic())
            if stop.begun.is_set():
                self.drop_throttle()
                raise IgnoreRequest(ENDING)
            interval = max(self.interval, self.throttle)
            # A little lateness is made up for. So any number of intervals may be shorter than they should, but only by
            # that much in all.
            self.next_turn = max(turn, monotonic() - min(TOLERANCE, interval / 2)) + interval

    async def _take_turns(self) -> None:
        due = max(self.next_turn, self.rest_until, monotonic())
        if self.interval and due + self.interval > self.taken_until:
            self.taken_until = due + self.interval + TURNS_AHEAD
            await self.keep()

    def release_turns(self) -> bool:
        """Give up the turns that are left, because no request will use them. Returns whether there are any."""
        left, self.taken_until = self.taken_until > self.next_turn, self.next_turn
        return left

    @property
    def wait(self) -> Wait:
        """How long a run that begins now has to wait."""
        return Wait(max(0.0, self.taken_until - monotonic()), self.resting)

    def pause(self) -> None:
        """Let no request leave until `resume`: its answer could not be stored."""
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    async def rest(self, seconds: float | None) -> float:
        """Let no request leave for so many seconds; None if the API has not said how many.

        Returns the seconds until the rest is over. Raises OutOfPatience if this rest, or all rests, are too long.
        """
        now = monotonic()
        if now >= self.rest_until:  # else the request was in flight when the rest began
            self.rests_in_a_row += 1
        if seconds is None:
            seconds = self.backoff * 2 ** min(self.rests_in_a_row - 1, MAX_DOUBLINGS)
        before, self.rest_until = max(self.rest_until, now), max(self.rest_until, now + seconds)
        self.total_rest += self.rest_until - before
        if self.rest_until > before:
            await self.keep()
        if seconds > MAX_REST:
            raise OutOfPatience(f"the API asked for no requests for {seconds / 60:,.0f} minutes")
        if self.rests_in_a_row > MAX_RESTS_IN_A_ROW:
            raise OutOfPatience(f"the API asked to slow down {self.rests_in_a_row} times in a row")
        if self.total_rest > MAX_TOTAL_REST:
            raise OutOfPatience(f"the API asked to slow down for {self.total_rest / 60:,.0f} minutes in all")
        return self.resting

    @property
    def resting(self) -> float:
        """The seconds until the rest is over."""
        return max(0.0, self.rest_until - monotonic())

    def reset_rests(self) -> None:
        """A page has been answered."""
        self.rests_in_a_row = 0

    @property
    def throttle(self) -> float:
        """AutoThrottle's delay in seconds. There is at most one slot, because all requests go to one host."""
        return max((slot.delay for slot in self._slots()), default=0.0)

    def drop_throttle(self) -> None:
        """The run is ending: AutoThrottle must not delay the end of the requests that it has queued."""
        self._set_throttle(lambda delay: 0.0)

    def restore_throttle(self, throttle: float) -> None:
        """Undo that a quick answer has shortened AutoThrottle's delay."""
        self._set_throttle(lambda delay: max(delay, throttle))

    def _set_throttle(self, change: Callable[[float], float]) -> None:
        for slot in self._slots():
            slot.delay = change(slot.delay)

    def _slots(self) -> Collection[Slot]:
        return self.crawler.engine.downloader.slots.values()
