"""Between the spider and the wire: what an answer leads to, when a request may leave, and where it may go."""

import asyncio
import logging
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Request, Response
from scrapy.utils.misc import load_object

from webapp.coins.models import Verdict
from webapp.coins.texts import printable

from .components import Component, enabled
from .responses import Broken, Refused, Rows, Throttled, judge

logger = logging.getLogger(__name__)

LONGEST_BACKOFF = 600.0  # seconds
LONGEST_REST = 600.0  # seconds; an API that asks for more is left alone, and later runs until then are skipped
TRIES_WITHOUT_NETWORK = 1  # before anything has ever answered: who has no network should hear so soon
LONGEST_ABSENCE = timedelta(days=1)  # a date beyond is not believed: it would end the copy
MOST_RESTS_IN_A_ROW = 20  # without a page in between

FAULTS = {
    CannotResolveHostError: "cannot be found: is there a network?",
    DownloadConnectionRefusedError: "refuses connections: is it up?",
    DownloadFailedError: "broke the connection off: is it up?",
    DownloadTimeoutError: "did not answer in time",
    ResponseDataLossError: "broke off in the middle of an answer",
}


class StayedBroken(IgnoreRequest):
    """A page was asked for as often as is sensible; the text says what came."""


class BackOffMiddleware(Component):
    """Judges every answer: passes rows on, rests where the API asks for it, tries broken pages again, or ends the run.

    The rows of an answer are in `response.meta["rows"]`; a page that stays broken reaches the errback as StayedBroken.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.base = crawler.settings.getfloat("RETRY_BACKOFF_BASE")
        self.worth_another_try = tuple(map(load_object, crawler.settings.getlist("RETRY_EXCEPTIONS")))
        self.tries = crawler.settings.getint("RETRY_TIMES")
        self.rests = 0  # in a row

    def process_response(self, request: Request, response: Response) -> Request | Response:
        if response.status == 200:
            self.crawler.stats.inc_value("coincrawl/credits")
        match judge(response, request.meta.get("json_hook")):
            case Rows(rows):
                self.rests = 0
                request.meta["rows"] = rows
                return response
            case Throttled(reason, seconds):
                return self._rest(request, reason, seconds)
            case Broken(reason):
                return self._again(request, reason, self.tries)
            case Refused(reason):
                self.spider.end(Verdict.FAILED, reason)
                raise IgnoreRequest(reason)

    def process_exception(self, request: Request, exception: Exception) -> Request | None:
        if not isinstance(exception, self.worth_another_try):
            return None
        answered = self.crawler.stats.get_value("downloader/response_count")
        is_absent = isinstance(exception, (CannotResolveHostError, DownloadConnectionRefusedError)) and not answered
        return self._again(
            request, describe(exception, request), tries=TRIES_WITHOUT_NETWORK if is_absent else self.tries
        )

    def _rest(self, request: Request, reason: str, seconds: float | None) -> Request:
        pace = enabled(self.crawler.get_downloader_middleware(PaceMiddleware))
        if not pace.is_resting:  # answers to what was in flight when a rest began are part of it
            self.rests += 1
        if seconds is None:
            seconds = min(self.base * 2 ** (self.rests - 1), LONGEST_BACKOFF)
        if seconds > LONGEST_REST:
            until = datetime.now(UTC) + min(timedelta(seconds=seconds), LONGEST_ABSENCE)
            reason = f"the API asked for no requests before {until:%F %T} UTC"
            self.spider.end(Verdict.PARTIAL, reason, not_before=until)
            raise IgnoreRequest(reason)
        if self.rests > MOST_RESTS_IN_A_ROW:
            reason = f"the API asked to slow down {self.rests} times in a row"
            self.spider.end(Verdict.PARTIAL, reason)
            raise IgnoreRequest(reason)
        logger.warning("The API asks to slow down (%s); resting for %.1f s", printable(reason, 100), seconds)
        pace.rest(seconds)
        # Being throttled is not the page's fault: it uses up none of its tries.
        tries = request.meta.get("retry_times", 0)
        again = cast(
            Request,  # never None with so many tries
            get_retry_request(
                request,
                spider=self.spider,
                reason="asked",
                max_retry_times=sys.maxsize,
                stats_base_key="throttled",
            ),
        )
        again.meta["retry_times"] = tries
        return again

    def _again(self, request: Request, reason: str, tries: int) -> Request:
        again = get_retry_request(
            request, spider=self.spider, reason=reason, max_retry_times=tries, give_up_log_level=logging.DEBUG
        )
        if again is None:
            raise StayedBroken(reason)
        done = again.meta["retry_times"]
        seconds = min(self.base * 2 ** (done - 1) * random.uniform(0.75, 1.25), LONGEST_BACKOFF)  # noqa: S311 - no secret
        again.meta["not_before"] = monotonic() + seconds
        page = self.spider.label(request)
        logger.warning("%s: %s; trying again in %.1f s (%d of %d)", page, reason, seconds, done, tries)
        return again


class PaceMiddleware(Component):
    """Holds each request until its turn: evenly spaced, after any rest, and after its own back-off.

    It waits here and not in the downloader's slot, so that a run that ends can let go of who waits.
    """

    MARGIN = 1.03  # exact pacing arrives a little fast

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        per_minute = crawler.settings.getfloat("CALLS_PER_MINUTE")
        self.interval = self.MARGIN * 60 / per_minute if per_minute else 0.0  # seconds
        self.next_turn = self.rest_until = 0.0
        self.turn = asyncio.Lock()

    @property
    def is_resting(self) -> bool:
        return monotonic() < self.rest_until

    def rest(self, seconds: float) -> None:
        """No request leaves for so long, whoever has its turn."""
        self.rest_until = max(self.rest_until, monotonic() + seconds)

    async def process_request(self, request: Request) -> None:
        await self._wait(lambda: request.meta.get("not_before", 0.0))
        async with self.turn:
            await self._wait(lambda: max(self.next_turn, self.rest_until))
            self.next_turn = monotonic() + self.interval

    async def _wait(self, until: Callable[[], float]) -> None:
        """Until the moment that `until` names, also when it moves; IgnoreRequest when the run ends."""
        while True:
            if self.spider.ending or not self.crawler.crawling:
                raise IgnoreRequest("the run is ending")
            seconds = until() - monotonic()
            if seconds <= 0:
                return
            await asyncio.sleep(min(seconds, 0.25))


class OriginMiddleware(Component):
    """The last before the wire: nothing leaves but to the spider's source, and only there goes the key."""

    def process_request(self, request: Request) -> None:
        spider = self.spider
        if origin(request.url) != origin(spider.url):
            raise IgnoreRequest(f"{spider.label(request)} is not at {spider.url}, so it is not asked for")
        request.headers.update(spider.secret_headers())
        self.crawler.stats.inc_value("coincrawl/requests")


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, which are what a key may be trusted to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def describe(exception: Exception, request: Request) -> str:
    """A failed download in words."""
    words = FAULTS.get(type(exception), f"broke off ({type(exception).__name__})")
    return f"{urlsplit(request.url).netloc} {words}"
