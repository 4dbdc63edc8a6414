"""The schedule's ticker: every second, in each scrapyd, schedules that are due become jobs."""

from collections.abc import Generator, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from scrapyd.config import Config
from twisted.application.internet import TimerService
from twisted.internet.defer import Deferred, inlineCallbacks

from coincrawl.scrapyd import database
from coincrawl.scrapyd.job import forget_old_logs
from coincrawl.scrapyd.log import Log, RepeatedErrors
from webapp.coins.prices import rollup
from webapp.crawls import past_runs, ticker
from webapp.crawls.models import Node, RejectedRecord

log = Log()

TICK_EVERY = 1.0  # s
HEARTBEAT_EVERY = 15.0  # s
CLEAN_UP_EVERY = 3600.0  # s
ROLL_UP_EVERY = 300.0  # s
ROLL_UP_SECONDS = 0.3  # in a tick: what is left is done in the next ticks, so that slots are not late


class Ticker(TimerService):
    """Ticks as long as scrapyd runs: what fails is tried again at the next tick."""

    def __init__(self, config: Config, capacity: int) -> None:
        super().__init__(TICK_EVERY, self.tick)
        self._node, self._capacity = config.get("node_name"), capacity
        self._logs, self._logs_kept = Path(config.get("logs_dir")), config.getint("jobs_to_keep")
        self._heartbeat_at = self._cleaned_up_at = self._rolled_up_at = -CLEAN_UP_EVERY
        self._roll_up: Iterator[None] | None = None  # under way
        self._errors = RepeatedErrors(log, "The schedule cannot tick", "The schedule ticks again")

    @inlineCallbacks
    def tick(self) -> Generator["Deferred[Any]", Any, None]:
        with self._errors:
            yield database.later(self._tick)

    def _tick(self) -> None:
        """In the database's thread."""
        ticker.tick()
        if monotonic() > self._heartbeat_at + HEARTBEAT_EVERY:
            Node.objects.heartbeat(self._node, capacity=self._capacity)
            self._heartbeat_at = monotonic()
        if monotonic() > self._cleaned_up_at + CLEAN_UP_EVERY:
            forget_old_logs(self._logs, self._logs_kept)
            past_runs.forget_old()
            RejectedRecord.objects.forget_old()
            Node.objects.forget_old()
            self._cleaned_up_at = monotonic()
        if self._roll_up is None and monotonic() > self._rolled_up_at + ROLL_UP_EVERY:
            self._rolled_up_at = monotonic()
            self._roll_up = rollup.transactions()
        until = monotonic() + ROLL_UP_SECONDS
        for _ in self._roll_up or ():
            if monotonic() > until:
                break
        else:
            self._roll_up = None
