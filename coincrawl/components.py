"""What our middlewares, pipelines and extensions have in common."""

from typing import TYPE_CHECKING, Self, TypeVar, cast

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

if TYPE_CHECKING:
    from coincrawl.spiders.base import PaginatedSpider

T = TypeVar("T")


class Component:
    """A Scrapy component that knows its crawler, and the spider once there is one."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        if not crawls_pages(crawler):
            raise NotConfigured(f"{cls.__name__} is for spiders that are a PaginatedSpider")
        return cls(crawler)

    @property
    def spider(self) -> "PaginatedSpider":
        return cast("PaginatedSpider", self.crawler.spider)


def crawls_pages(crawler: Crawler) -> bool:
    """Whether its spider is one of ours, which know what our components ask them."""
    from coincrawl.spiders.base import PaginatedSpider  # noqa: PLC0415 - it imports the components

    return issubclass(crawler.spidercls, PaginatedSpider)


def enabled(component: T | None) -> T:
    """A component that cannot be done without, as Scrapy's getters return it."""
    if component is None:
        raise NotConfigured(
            "coincrawl's components need each other: enable them together, as coincrawl/crawl_settings.py does"
        )
    return component


def extension(crawler: Crawler, kind: type[T]) -> T:
    """The crawler's extension of this kind; to be asked for once the extensions have been made."""
    return enabled(crawler.get_extension(kind))
