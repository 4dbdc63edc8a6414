"""When a source has stopped answering, or asks for a rest: then one request at a time finds out whether it is back."""

from time import monotonic

from scrapy.crawler import Crawler

from coincrawl.components import Component

MAX_BROKEN = 5  # requests that were answered by nothing useful, without another that was
MAX_USELESS = 35  # answers in a row, of any kind: broken, or asking for a rest


class Outage(Component):
    """Holds back all requests but one while the source is down, and says when it is to be left alone.

    Down is a source that has broken `MAX_BROKEN` different requests in a row, whatever they were for. From then on one
    request asks as often, and with such waits, as a broken page is tried again. It is one that was broken before, while
    there is any: a source that breaks each request once is not down. A source that asks for a rest is asked by one
    request alone afterwards. Where both take turns, `MAX_USELESS` answers are the end.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.base = crawler.settings.getfloat("RETRY_BACKOFF_BASE")
        self.tries = crawler.settings.getint("RETRY_TIMES")
        self._broken: set[str] = set()  # addresses, since the last good answer or rest
        self._waiting: set[str] = set()  # of these, the ones that will be asked for again
        self._useless = 0  # answers, since the last good one
        self._is_resting = False
        self._probe = ""  # the address of the one request that may ask
        self._probes = 0  # that were broken
        self._next_probe = 0.0

    def holds(self, url: str) -> bool:
        """Whether the request for this address has to wait for the answer to another."""
        if not (self._is_resting or self._is_down):
            return False
        if not self._probe and (url in self._waiting or not self._waiting):
            self._probe = url
        return self._probe != url

    @property
    def wait(self) -> float:
        """In how many seconds the request that is not held may ask."""
        return self._next_probe - monotonic()

    def pass_over(self, url: str) -> None:
        """This request is over, and its answer, if any, has no records: that is no sign that the source is back."""
        self._waiting.discard(url)
        if url == self._probe:
            self._probe = ""

    def end(self) -> None:
        """The source has answered as it should."""
        self._useless = 0
        self._come_back()

    def _come_back(self) -> None:
        self._broken.clear()
        self._waiting.clear()
        self._is_resting, self._probe, self._probes, self._next_probe = False, "", 0, 0.0

    def rest(self) -> bool:
        """The source has asked for a rest, so it is there; whether it is to be left alone all the same."""
        self._useless += 1
        self._come_back()
        self._is_resting = True
        return self._useless >= MAX_USELESS

    def add(self, url: str) -> bool:
        """Take note of a broken answer to the request for this address; whether the source is to be left alone."""
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
