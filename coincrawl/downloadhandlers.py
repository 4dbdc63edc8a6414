"""The last step before the network: a request waits for a credit and its turn, and is cut off when the run ends."""

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

GRACE = 3.0  # seconds: when the run is ending, answers under way may take so long, because they cost credits


class PacedDownloadHandler(HTTP11DownloadHandler):
    """Scrapy's handler, but a request leaves only when credits and pace allow it, and is cut off when the run ends.

    The stat `coincrawl/requests` counts the requests that have left. `request.meta["throttle"]` is AutoThrottle's delay
    at that time.
    """

    lazy = True  # only for the scheme of the source: each reads the certificates of all authorities

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> HTTP11DownloadHandler:  # type: ignore[override]  # sometimes its base
        """Scrapy's own handler for a spider that is not a PaginatedSpider."""
        return cls(crawler) if crawls_a_source(crawler) else HTTP11DownloadHandler(crawler)

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        # If a kept connection is dead, Twisted would send a GET again: without a turn, and uncounted.
        self._pool.retryAutomatically = False
        self.stop, self.pace = extension(crawler, Stop), extension(crawler, Pace)
        self.credits = extension(crawler, Credits)
        self.stats = crawler.stats

    async def download_request(self, request: Request) -> Response:
        await self.credits.take()
        meta_of(request).pop("download_latency", None)  # of an earlier try; Scrapy sets it when a status comes
        is_spent = False
        try:
            response = await self._download(request)
            is_spent = response.status == 200
        except Exception:
            is_spent = "download_latency" in meta_of(request)  # a status has come, most likely 200
            raise
        finally:
            self.credits.settle(is_spent)
        return response

    async def _download(self, request: Request) -> Response:
        await self.pace.acquire(request)
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
