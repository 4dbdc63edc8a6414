"""Detects that a source has stopped answering. Then one request at a time checks whether it is back."""

from time import monotonic

from scrapy.crawler import Crawler

from coincrawl.components import Component

MAX_BROKEN = 5  # broken requests in a row; with so many the source is down
MAX_USELESS = 35  # useless answers in a row: broken ones, and those that ask for a rest


class Outage(Component):
    """Holds back all requests but one, the probe, while the source is down, and says when to give up.

    A source is down if `MAX_BROKEN` different requests in a row were broken. Then the probe is tried as often as any
    broken request, and with the same waits. It is a request that was broken before, if there is one: a source that
    breaks each request only once is not down. After a rest, too, only the probe is sent first. `MAX_USELESS` ends a run
    whose source alternates between broken answers and rests.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.base = crawler.settings.getfloat("RETRY_BACKOFF_BASE")
        self.tries = crawler.settings.getint("RETRY_TIMES")
        self._broken: set[str] = set()  # addresses of broken requests since the last good answer or rest
        self._waiting: set[str] = set()  # those of them that will be requested again
        self._useless = 0  # answers since the last good one
        self._is_resting = False
        self._probe = ""  # the address of the probe
        self._probes = 0  # broken answers to probes
        self._next_probe = 0.0  # seconds of the monotonic clock

    def holds(self, url: str) -> bool:
        """Whether the request for this address must wait for the probe. Without a probe, it may become the probe."""
        if not (self._is_resting or self._is_down):
            return False
        if not self._probe and (url in self._waiting or not self._waiting):
            self._probe = url
        return self._probe != url

    @property
    def wait(self) -> float:
        """In how many seconds the probe may leave."""
        return self._next_probe - monotonic()

    def forget(self, url: str) -> None:
        """A request is over, but does not show that the source is back: it has no answer, or one without records."""
        self._waiting.discard(url)
        if url == self._probe:
            self._probe = ""

    def end(self) -> None:
        """The source has sent a good answer."""
        self._useless = 0
        self._come_back()

    def _come_back(self) -> None:
        self._broken.clear()
        self._waiting.clear()
        self._is_resting, self._probe, self._probes, self._next_probe = False, "", 0, 0.0

    def rest(self) -> bool:
        """The source has asked for a rest, so it is not down. Returns whether the run must give up nevertheless."""
        self._useless += 1
        self._come_back()
        self._is_resting = True
        return self._useless >= MAX_USELESS

    def add(self, url: str) -> bool:
        """The request for this address was broken. Returns whether the run must give up."""
        self._useless += 1
        if url == self._probe:
            self._probe = ""
            self._probes += self._is_down
        self._broken.add(url)
        self._waiting.add(url)
        if self._is_down:
            self._next_probe = monotonic() + self.base * 2**self._probes
        return self._probes >= self.tries or self._useless >= MAX_USELESS

    @property
    def _is_down(self) -> bool:
        return len(self._broken) >= MAX_BROKEN
