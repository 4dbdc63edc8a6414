"""What our middlewares, pipelines and extensions have in common."""

from typing import TYPE_CHECKING, Self, TypeVar, cast

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

if TYPE_CHECKING:
    from .spiders.base import PaginatedSpider

T = TypeVar("T")


class Component:
    """A Scrapy component that knows its crawler, and the spider once there is one."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    @property
    def spider(self) -> "PaginatedSpider":
        return cast("PaginatedSpider", self.crawler.spider)


def enabled(component: T | None) -> T:
    """A component that cannot be done without, as Scrapy's getters return it."""
    if component is None:
        raise NotConfigured(
            "coincrawl's components need each other: enable them together, as coincrawl/settings.py does"
        )
    return component


def extension(crawler: Crawler, kind: type[T]) -> T:
    """The crawler's extension of this kind; to be asked for once the extensions have been made."""
    return enabled(crawler.get_extension(kind))
