"""The last thing before the wire: a request waits for a credit and its turn here, and does not outlive its run."""

import asyncio

from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Request, Response

from coincrawl.components import crawls_a_source, extension
from coincrawl.extensions.credits import Credits
from coincrawl.extensions.pace import ENDING, Pace
from coincrawl.extensions.stop import Stop
from coincrawl.meta import meta_of

GRACE = 3.0  # seconds that answers under way are given when a run ends: they have been paid for


class PacedDownloadHandler(HTTP11DownloadHandler):
    """Scrapy's handler, but a request leaves when credits and pace allow it, once, and is cut off when the run ends.

    Counts the requests that left in the stat `coincrawl/requests`, and leaves AutoThrottle's delay as it was then in
    `request.meta["throttle"]`.
    """

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> HTTP11DownloadHandler:  # type: ignore[override]  # or the one that it builds on
        """Scrapy's own where the spider is none of ours."""
        return cls(crawler) if crawls_a_source(crawler) else HTTP11DownloadHandler(crawler)

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        # Twisted sends a GET again when a kept connection turns out to be dead: out of turn, and uncounted.
        self._pool.retryAutomatically = False
        self.stop, self.pace = extension(crawler, Stop), extension(crawler, Pace)
        self.credits = extension(crawler, Credits)
        self.stats = crawler.stats

    async def download_request(self, request: Request) -> Response:
        await self.credits.take()
        meta_of(request).pop("download_latency", None)  # an earlier try's; there will be one when a status has come
        is_spent = False
        try:
            response = await self._download(request)
            is_spent = response.status == 200
        except Exception:
            is_spent = "download_latency" in meta_of(request)  # the status has come, and it was most likely 200
            raise
        finally:
            self.credits.settle(is_spent)
        return response

    async def _download(self, request: Request) -> Response:
        await self.pace.acquire()
        meta_of(request)["throttle"] = self.pace.throttle
        self.stats.inc_value("coincrawl/requests")
        download = asyncio.ensure_future(super().download_request(request))
        end = asyncio.ensure_future(self.stop.begun.wait())
        await asyncio.wait({download, end}, return_when=asyncio.FIRST_COMPLETED)
        if not end.cancel():
            await asyncio.wait({download}, timeout=GRACE)
        if download.cancel():
            raise IgnoreRequest(ENDING)
        return download.result()
