"""scrapyd's poller: brings jobs to the launcher as long as it has room, and outlives whatever goes wrong on the way."""

from collections.abc import Generator
from typing import Any

from scrapyd.config import Config
from scrapyd.poller import QueuePoller
from twisted.internet.defer import Deferred, inlineCallbacks

from coincrawl.scrapyd.faults import Fault
from coincrawl.scrapyd.log import Log

log = Log()


class Poller(QueuePoller):
    """scrapyd's own with two differences: no error ends its timer, and a job is taken only where there is room."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._fault = Fault(log, "The queue cannot be read", "The queue can be read again")

    @inlineCallbacks
    def poll(self) -> Generator["Deferred[Any]", Any, None]:
        for project, queue in self.queues.items():
            try:
                while self.dq.waiting and (message := (yield queue.pop())):
                    spider = message.pop("name")
                    self.dq.put({"_project": project, "_spider": spider, **message})
            except Exception as error:  # the next poll is in a second
                self._fault.tell(error)
            else:
                self._fault.is_over()
