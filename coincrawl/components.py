"""What middlewares, pipelines and extensions have in common."""

from typing import Self, TypeVar, cast

from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, NotConfigured

from coincrawl.source import Source

T = TypeVar("T")


class WasRefused(IgnoreRequest):
    """The source refuses this request, and the run goes on without it; the text has the source's words."""


class NotNeeded(IgnoreRequest):
    """This request was of no use any more when its turn came. It has not left."""


class Component:
    """A Scrapy component that knows its crawler, and the spider once there is one."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawls_a_source(crawler):
            raise NotConfigured(f"{cls.__name__} is for spiders that are a PaginatedSpider")
        return cls(crawler)

    @property
    def spider(self) -> Source:
        return cast(Source, self.crawler.spider)


def crawls_a_source(crawler: Crawler) -> bool:
    """Whether the crawler's spider has what the components need."""
    return issubclass(crawler.spidercls, Source)


def has_answered(crawler: Crawler) -> bool:
    """Whether the source has answered at least once, even incompletely."""
    stat = crawler.stats.get_value
    return bool(stat("downloader/response_count") or stat("coincrawl/credits"))


def enabled(component: T | None) -> T:
    """A component from one of Scrapy's getters. Raises NotConfigured if it is None."""
    if component is None:
        raise NotConfigured(
            "coincrawl's components need each other: enable them together, as coincrawl/crawl_settings.py does"
        )
    return component


def extension(crawler: Crawler, kind: type[T]) -> T:
    """The crawler's extension of this kind. Raises NotConfigured if there is none (yet)."""
    return enabled(crawler.get_extension(kind))
