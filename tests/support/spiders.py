"""Spiders with a real crawler that has not been started."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast
from unittest.mock import Mock

from scrapy.core.downloader import Downloader, Slot
from scrapy.core.scraper import Scraper
from scrapy.core.scraper import Slot as ScraperSlot
from scrapy.crawler import Crawler
from scrapy.http import Request, Response
from scrapy.settings import Settings
from scrapy.utils.reactor import is_reactor_installed

from coincrawl.components import extension
from coincrawl.extensions.run import RunRecord
from coincrawl.meta import Meta
from coincrawl.responses import Rows
from coincrawl.spiders.base import PaginatedSpider
from coincrawl.start import Before

Spider = TypeVar("Spider", bound=PaginatedSpider)

SETTINGS = {
    "BASE_API_URL": "https://api.example",
    "VS_CURRENCY": "usd",
    "COINGECKO_PLAN": "keyless",
    "COINGECKO_API_KEY": "",
    "API_TOKEN": "",
    "MIRROR_URL": "",
    "RECORD_RUNS": True,
}


def make_spider(cls: type[Spider], settings: Mapping[str, Any] | None = None, **arguments: str) -> Spider:
    """A spider as `scrapy crawl` makes it, with its middlewares' extensions, before its run begins."""
    reactor = {"TWISTED_REACTOR_ENABLED": is_reactor_installed(), "TWISTED_REACTOR": None}  # whichever there is
    all_settings = Settings()
    all_settings.setmodule("coincrawl.settings")
    for more in (SETTINGS, reactor, settings or {}):
        all_settings.setdict(more)
    crawler = Crawler(cls, all_settings)
    spider = crawler.spider = crawler._create_spider(**arguments)
    crawler._apply_settings()
    return cast(Spider, spider)


class Engine:
    """What our components ask of an engine: AutoThrottle's delay in seconds, and what is being downloaded and scraped.

    It notes what it is to fetch.
    """

    def __init__(self, throttle: float) -> None:
        self.downloader = Mock(spec=Downloader, slots={"api": Slot(concurrency=8, delay=throttle)}, active=set())
        self.scraper = Mock(spec=Scraper, slot=ScraperSlot(max_active_size=100_000))
        self.asked: list[Request] = []

    def crawl(self, request: Request) -> None:
        self.asked.append(request)

    async def close_spider_async(self, *, reason: str) -> None:
        """As if the run had ended."""


def page(number: int, **meta: Any) -> Request:
    """The request for a page."""
    return Request("https://api.example/coins", meta={"page": number} | meta)


def answered(request: Request, *rows: Any, headers: dict[str, str] | None = None, **envelope: Any) -> Response:
    """The answer with these records to a request, as a spider gets it."""
    meta = Meta(judgement=Rows([*rows], envelope))
    return Response(request.url, headers=headers, request=request.replace(meta=request.meta | meta))


def with_a_run_before(spider: Spider, **facts: Any) -> Spider:
    """The spider, as if an earlier run had had these."""
    extension(spider.crawler, RunRecord).before = Before(**facts)
    return spider


def ids_in(spider: PaginatedSpider, rows: list[Any]) -> list[str]:
    """The ids of these records, as far as they can be one."""
    return [record.coin_id for record in spider.read(rows) if record.coin_id is not None]
