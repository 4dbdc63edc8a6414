"""scrapyd's queue, which is the table of runs, and the poller that reads it.

https://scrapyd.readthedocs.io/en/latest/config.html#spiderqueue
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any

from scrapyd.config import Config
from scrapyd.interfaces import ISpiderQueue
from scrapyd.poller import QueuePoller
from twisted.internet.defer import Deferred, inlineCallbacks
from zope.interface import implementer

from coincrawl.scrapyd import database
from coincrawl.scrapyd.log import Log, RepeatedErrors
from coincrawl.secret import missing_secret
from webapp.crawls import queue, ticker
from webapp.crawls.catalog import SPIDERS, as_texts
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import Death, JobError

log = Log()

Message = dict[str, Any]  # the spider's `name`, the `_job`, Scrapy's `settings`, and the spider's arguments as texts


@implementer(ISpiderQueue)
class RunQueue:
    """All nodes on this database share it."""

    def __init__(self, config: Config, project: str) -> None:
        self._node = config.get("node_name")

    def add(self, name: str, priority: float = 0.0, **values: Any) -> None:
        """Queue a job. Values become texts. Raises ArgumentError or JobError if it is invalid."""
        key, settings = values.pop("_job", None), as_texts(values.pop("settings", None) or {})
        if not values.get("_version"):  # scrapyd passes on an empty one
            values.pop("_version", None)
        given = as_texts(values)
        if name in SPIDERS and (missing := missing_secret(name)):
            raise JobError(missing)
        database.now(lambda: queue.enqueue(name, given, key, settings=settings, priority=priority))

    def pop(self) -> "Deferred[Message | None]":
        """The next job whose spider is free, claimed for this node."""
        return database.later(self._pop)

    def _pop(self) -> Message | None:
        run = self._claim()
        if run is None:
            return None
        try:
            message = _message(run)
        except (AttributeError, TypeError) as error:  # written by another program
            queue.settle(run.claim, Death(f"its arguments or settings cannot be read ({error})"))
            return self._pop()
        message["settings"]["JOB_CLAIM"] = run.claim
        return message

    def _claim(self) -> CrawlRun | None:
        """Claim the next job, after slots that are due have become jobs.

        Only spiders that were free before are considered: the slot of another one has not become a job yet.
        """
        free = set(queue.ready().order_by().values_list("spider", flat=True))
        if free:
            ticker.tick()
        return queue.claim(self._node, free)

    def list(self) -> list[Message]:
        return database.now(lambda: list(_messages(queue.waiting())))

    def count(self) -> int:
        return database.now(lambda: queue.waiting().count())

    def remove(self, func: Callable[[Message], bool]) -> int:
        """Cancel the jobs for which `func` is true, and return their number."""
        keys = [message["_job"] for message in self.list() if func(message)]
        return database.now(lambda: sum(queue.stop(key) == "pending" for key in keys))

    def clear(self) -> None:
        self.remove(lambda message: True)


def _message(run: CrawlRun) -> Message:
    return {**as_texts(run.arguments), "name": run.spider, "_job": run.pk, "settings": as_texts(run.settings)}


def _messages(runs: Iterable[CrawlRun]) -> Iterator[Message]:
    """Runs that have no message are left out: they fail when they are popped."""
    for run in runs:
        with suppress(AttributeError, TypeError):
            yield _message(run)


class Poller(QueuePoller):
    """scrapyd's own, but no error ends its timer, and a job is claimed only if there is a free slot."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._errors = RepeatedErrors(log, "The queue cannot be read", "The queue can be read again")

    @inlineCallbacks
    def poll(self) -> Generator["Deferred[Any]", Any, None]:
        for project, jobs in self.queues.items():
            with self._errors:
                while self.dq.waiting and (message := (yield jobs.pop())):
                    spider = message.pop("name")
                    self.dq.put({"_project": project, "_spider": spider, **message})
