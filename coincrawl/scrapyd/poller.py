"""scrapyd's poller: brings jobs to the launcher as long as it has room, and outlives whatever goes wrong on the way."""

from collections.abc import Generator
from typing import Any

from scrapyd.poller import QueuePoller
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from coincrawl.database import one_line

log = Logger()


class Poller(QueuePoller):
    """scrapyd's own with two differences: no error ends its timer, and a job is taken only where there is room."""

    @inlineCallbacks
    def poll(self) -> Generator["Deferred[Any]", Any, None]:
        for project, queue in self.queues.items():
            try:
                while self.dq.waiting and (message := (yield queue.pop())):
                    spider = message.pop("name")
                    self.dq.put({"_project": project, "_spider": spider, **message})
            except Exception as error:
                # The database may be away; the next poll is in a second.
                log.warn("The queue cannot be read: {error}", error=one_line(error))
