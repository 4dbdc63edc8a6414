"""Between the spider and the network: judges answers, rests, retries, and guards where requests go."""

import asyncio
import logging
import random
import sys
from time import monotonic
from typing import cast
from urllib.parse import urlsplit

from scrapy import exceptions
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.http import Request, Response
from scrapy.utils.misc import load_object

from coincrawl.components import Component, WasRefused, extension, has_answered
from coincrawl.extensions.outage import Outage
from coincrawl.extensions.pace import OutOfPatience, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.meta import meta_of
from coincrawl.responses import Broken, Refused, Rows, Throttled
from coincrawl.waiting import CHECK_SECONDS, wait_for_event
from webapp.crawls.addresses import origin
from webapp.crawls.verdict import Verdict

logger = logging.getLogger(__name__)

ROOM_CHECK_SECONDS = 0.01  # between two looks whether an answer may be read
MAX_SMALL = 4_000  # bytes of an answer that is read at once, as refusals are: it may ask to slow down
MAX_BACKOFF = 600.0  # seconds
TRIES_WITHOUT_NETWORK = 1  # at a terminal, if the source has never answered: the user sees the error at once
ABSENT = (exceptions.CannotResolveHostError, exceptions.DownloadConnectionRefusedError)

FAULTS = {
    exceptions.CannotResolveHostError: "cannot be found: is there a network?",
    exceptions.DownloadCancelledError: "sent an answer that is too long",
    exceptions.DownloadConnectionRefusedError: "refuses connections: is it up?",
    exceptions.DownloadFailedError: "broke the connection off: is it up?",
    exceptions.DownloadTimeoutError: "did not answer in time",
    exceptions.ResponseDataLossError: "broke off in the middle of an answer",
}


class JudgeMiddleware(Component):
    """Judges an answer, and stores the `judgement` in the request's meta.

    A refusal ends the run, unless the run can do without the request. While enough pages are being stored, further ones
    wait here: before it is read, a page takes a thirtieth of the memory.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.pace, self.outage = extension(crawler, Pace), extension(crawler, Outage)
        self.stop = extension(crawler, Stop)
        self._at_once = crawler.settings.getint("SCRAPER_SLOT_MAX_ACTIVE_SIZE")
        self._one_at_a_time = asyncio.Lock()
        self._sizes: dict[Request, int] = {}  # in bytes, of the answers that may be judged and are not scraped yet

    async def process_response(self, request: Request, response: Response) -> Response:
        if response.status == 200 and len(response.body) > MAX_SMALL:
            await self._wait_for_room(request, len(response.body))
        meta, judgement = meta_of(request), self.spider.judge(request, response)
        match judgement:
            case Rows(rows):
                self.pace.reset_rests()
                if rows:
                    self.outage.end()
                else:
                    self.outage.forget(request.url)
            case Refused(words, remedy, status):
                self.outage.end()
                if self.spider.survives(request, status):
                    raise WasRefused(words)
                # After an answered page, the reason names the request: only this one may be refused.
                whose = f"{self.spider.label(request)}: " if self.spider.coverage.pages else ""
                self.stop.end(Verdict.FAILED, f"{whose}{words}: {remedy}")
                raise exceptions.IgnoreRequest(words)
            case _:
                # An error comes quickly. With status 200, AutoThrottle takes it for a fast page.
                self.pace.restore_throttle(meta["throttle"])
        meta["judgement"] = judgement
        return response

    async def _wait_for_room(self, request: Request, size: int) -> None:
        async with self._one_at_a_time:
            while not (self._has_room(size) or self.stop.begun.is_set()):
                await wait_for_event(self.stop.begun, ROOM_CHECK_SECONDS)
            self._sizes[request] = size

    def _has_room(self, size: int) -> bool:
        """Whether Scrapy may scrape an answer of this size beside those that it scrapes, or that are on their way."""
        engine = self.crawler.engine
        self._sizes = {request: size for request, size in self._sizes.items() if request in engine.downloader.active}
        slot, others = engine.scraper.slot, sum(self._sizes.values())
        others += slot.active_size if slot else 0
        return not others or others + size <= self._at_once


class RestMiddleware(Component):
    """Rests if an answer asks for it, then makes the request again. That does not count as one of its tries."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.pace, self.outage = extension(crawler, Pace), extension(crawler, Outage)
        self.stop = extension(crawler, Stop)

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        judgement = meta_of(request)["judgement"]
        if not isinstance(judgement, Throttled):
            return response
        tries = meta_of(request).get("retry_times", 0)
        again = cast(
            Request,  # not None, because there is no limit
            get_retry_request(
                request, spider=self.spider, reason="asked", max_retry_times=sys.maxsize, stats_base_key="throttled"
            ),
        )
        meta_of(again)["retry_times"] = tries
        is_down = self.outage.rest()
        try:
            seconds = await self.pace.rest(judgement.seconds)
        except OutOfPatience as out:
            self.stop.end(Verdict.PARTIAL, str(out))
            raise exceptions.IgnoreRequest(str(out)) from None
        if is_down:
            self.stop.give_up(f"the source stopped answering ({judgement.reason})")
            raise exceptions.IgnoreRequest(judgement.reason)
        logger.warning("The API asks to slow down (%s): no request is sent for %.1f s", judgement.reason, seconds)
        return again


class BackOffMiddleware(Component):
    """Retries a broken request, with a longer wait each time. Other requests go on meanwhile.

    A request that stays broken reaches its errback as an IgnoreRequest. The run ends if the source stops answering.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.base = crawler.settings.getfloat("RETRY_BACKOFF_BASE")
        self.tries = crawler.settings.getint("RETRY_TIMES")
        self.worth_another_try = (
            exceptions.DownloadCancelledError,  # the answer is too long
            *map(load_object, crawler.settings.getlist("RETRY_EXCEPTIONS")),
        )
        self.stop, self.outage = extension(crawler, Stop), extension(crawler, Outage)

    async def process_request(self, request: Request) -> None:
        await wait_for_event(self.stop.begun, meta_of(request).get("not_before", 0.0) - monotonic())
        while self.outage.holds(request.url) and not await wait_for_event(self.stop.begun, CHECK_SECONDS):
            pass
        await wait_for_event(self.stop.begun, self.outage.wait)

    def process_response(self, request: Request, response: Response) -> Request | Response:
        match meta_of(request)["judgement"]:
            case Broken(reason, remedy, tries):
                if not remedy or self.spider.coverage.pages:
                    return self._again(request, reason)
                return self._again(request, reason, tries, remedy)
        return response

    def process_exception(self, request: Request, exception: Exception) -> Request | None:
        if not isinstance(exception, self.worth_another_try):
            self.outage.forget(request.url)  # other requests may wait for this one
            return None
        is_absent = not has_answered(self.crawler) and (isinstance(exception, ABSENT) or is_untrusted(exception))
        tries = TRIES_WITHOUT_NETWORK if is_absent and self.spider.is_attended else self.tries
        return self._again(request, describe(exception, request), tries)

    def _again(self, request: Request, reason: str, tries: int | None = None, remedy: str = "") -> Request:
        """The request for the next try. Raises IgnoreRequest after the last; with a `remedy`, the run ends then."""
        if self.outage.add(request.url):
            self.stop.give_up(f"the source stopped answering ({self.spider.label(request)}: {reason})")
            raise exceptions.IgnoreRequest(reason)
        tries = self.tries if tries is None else tries
        again = get_retry_request(
            request, spider=self.spider, reason=reason, max_retry_times=tries, give_up_log_level=logging.DEBUG
        )
        if again is None:
            self.outage.forget(request.url)
            if remedy:
                self.stop.end(Verdict.FAILED, f"{reason}: {remedy}")
            raise exceptions.IgnoreRequest(reason)
        done = meta_of(again)["retry_times"]
        seconds = min(self.base * 2 ** (done - 1) * random.uniform(0.75, 1.25), MAX_BACKOFF)  # noqa: S311 - no secret
        meta_of(again)["not_before"] = monotonic() + seconds
        page = self.spider.label(request)
        logger.warning("%s: %s; trying again in %.1f s (%d of %d)", page, reason, seconds, done, tries)
        for successor in self.spider.following(again):
            self.crawler.engine.crawl(successor)
        return again


class OriginMiddleware(Component):
    """The last middleware before the network: requests go only to the spider's source, and so does the key.

    The key is removed when the request returns, because requests may be logged or stored. Scrapy's tools may make
    requests to other addresses, without the key.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.is_strict = crawler.settings.getbool("RECORD_RUNS")

    def process_request(self, request: Request) -> None:
        spider = self.spider
        if origin(request.url) != origin(spider.url):
            if not self.is_strict:
                return
            raise exceptions.IgnoreRequest(f"{spider.label(request)} is not at {spider.url}, so it is not requested")
        if urlsplit(request.url).scheme == "http":
            meta_of(request).pop("proxy", None)  # a proxy could read plain HTTP; the host is this machine or near it
        request.headers.update(spider.secret_headers())

    def process_response(self, request: Request, response: Response) -> Response:
        self._without_key(request)
        return response

    def process_exception(self, request: Request, exception: Exception) -> None:
        self._without_key(request)

    def _without_key(self, request: Request) -> None:
        for name in self.spider.secret_headers():
            request.headers.pop(name, None)


def describe(exception: Exception, request: Request) -> str:
    """A failed download in words."""
    words = FAULTS.get(type(exception), f"broke off ({type(exception).__name__})")
    if is_untrusted(exception):
        words = "shows a certificate that cannot be trusted: is it really the API?"
    return f"{urlsplit(request.url).netloc} {words}"


def is_untrusted(exception: Exception) -> bool:
    """Whether OpenSSL has rejected the certificate, or service_identity the host name in it."""
    return any(words in str(exception) for words in ("certificate verify failed", "VerificationError"))
