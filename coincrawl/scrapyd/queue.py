"""scrapyd's queue: the runs that have not begun. https://scrapyd.readthedocs.io/en/latest/config.html#spiderqueue"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from scrapyd.config import Config
from scrapyd.interfaces import ISpiderQueue
from twisted.internet.defer import Deferred
from zope.interface import implementer

from coincrawl.scrapyd import database
from coincrawl.scrapyd.process import node_name
from coincrawl.secret import missing_secret
from webapp.crawls import queue, ticker
from webapp.crawls.catalog import SPIDERS, as_texts
from webapp.crawls.models import CrawlRun
from webapp.crawls.queue import Death, JobError

Message = dict[str, Any]  # the spider's `name`, the `_job`, Scrapy's `settings`, and the spider's arguments as texts


@implementer(ISpiderQueue)
class RunQueue:
    """Shared by all nodes on this database; `pop` claims the job for this one."""

    def __init__(self, config: Config, project: str) -> None:
        self._node = node_name(config)

    def add(self, name: str, priority: float = 0.0, **values: Any) -> None:
        """Queue a job. Raises ArgumentError or JobError if it is invalid."""
        key, settings = values.pop("_job", None), values.pop("settings", None)
        if not values.get("_version"):  # scrapyd passes on an empty one
            values.pop("_version", None)
        if name in SPIDERS and (missing := missing_secret(name)):
            raise JobError(missing)
        database.now(lambda: queue.enqueue(name, values, key, settings=settings, priority=priority))

    def pop(self) -> "Deferred[Message | None]":
        """The next job whose spider is free."""
        return database.later(self._pop)

    def _pop(self) -> Message | None:
        run = self._claim()
        if run is None:
            return None
        try:
            message = _message(run)
        except (AttributeError, TypeError) as error:  # no queue of ours has written it
            queue.settle(run.claim, Death(f"its arguments or settings cannot be read ({error})"))
            return self._pop()
        message["settings"]["JOB_CLAIM"] = run.claim
        return message

    def _claim(self) -> CrawlRun | None:
        """The next job, or the slot that has waited for the end of the run before it.

        A spider that becomes free during the beat has to wait for the next one: its slot would be late for this claim.
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
        """Cancel the jobs for which `func` is true; how many they were."""
        keys = [message["_job"] for message in self.list() if func(message)]
        return database.now(lambda: sum(queue.stop(key) == "pending" for key in keys))

    def clear(self) -> None:
        self.remove(lambda message: True)


def _message(run: CrawlRun) -> Message:
    return {**as_texts(run.arguments), "name": run.spider, "_job": run.pk, "settings": as_texts(run.settings)}


def _messages(runs: Iterable[CrawlRun]) -> Iterator[Message]:
    """Of those that have one: the others fail once it is their turn."""
    for run in runs:
        with suppress(AttributeError, TypeError):
            yield _message(run)
