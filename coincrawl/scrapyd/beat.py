"""The schedule's beat: every second, in each scrapyd, what is due becomes a job."""

from collections.abc import Generator
from pathlib import Path
from time import monotonic
from typing import Any

from scrapyd.config import Config
from twisted.application.internet import TimerService
from twisted.internet.defer import Deferred, inlineCallbacks

from coincrawl.scrapyd import database
from coincrawl.scrapyd.faults import Fault
from coincrawl.scrapyd.log import Log
from coincrawl.scrapyd.logs import forget_old_logs
from coincrawl.scrapyd.process import node_name
from webapp.crawls import history, ticker
from webapp.crawls.models import Node

log = Log()

BEAT_EVERY = 1.0  # s
SHOW_LIFE_EVERY = 15.0  # s
CLEAN_UP_EVERY = 3600.0  # s


class Beat(TimerService):
    """Beats as long as scrapyd runs: what fails is tried again a second later."""

    def __init__(self, config: Config, capacity: int) -> None:
        super().__init__(BEAT_EVERY, self.tick)
        self._node, self._capacity = node_name(config), capacity
        self._logs, self._logs_kept = Path(config.get("logs_dir")), config.getint("jobs_to_keep")
        self._life_shown = self._cleaned_up = -CLEAN_UP_EVERY
        self._fault = Fault(log, "The schedule cannot beat", "The schedule beats again")

    @inlineCallbacks
    def tick(self) -> Generator["Deferred[Any]", Any, None]:
        try:
            yield database.later(self._beat)
        except Exception as error:
            self._fault.tell(error)
        else:
            self._fault.is_over()

    def _beat(self) -> None:
        """In the database's thread."""
        ticker.tick()
        if monotonic() > self._life_shown + SHOW_LIFE_EVERY:
            Node.objects.heartbeat(self._node, capacity=self._capacity)
            self._life_shown = monotonic()
        if monotonic() > self._cleaned_up + CLEAN_UP_EVERY:
            forget_old_logs(self._logs, self._logs_kept)
            history.forget_old()
            Node.objects.forget_old()
            self._cleaned_up = monotonic()
