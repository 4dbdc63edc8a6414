"""CoinItem, whose fields are FullCoin's, and CoinPage, which has the coins of a page."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

from pydispatch.dispatcher import getAllReceivers, liveReceivers  # type: ignore[import-untyped]
from scrapy import Field, signals
from scrapy.crawler import Crawler
from scrapy.extensions.corestats import CoreStats
from scrapy_djangoitem import DjangoItem

from coincrawl import crawl_settings
from coincrawl.records import Record
from webapp.coins.cleaning import Rejection
from webapp.coins.models import FullCoin

scraper_log = logging.getLogger("scrapy.core.scraper")  # at DEBUG, it has each item

ITEM_SIGNALS = (signals.item_scraped, signals.item_dropped, signals.item_error)
NULLABLE = [column.name for column in FullCoin.api_fields() if column.null]


class CoinItem(DjangoItem):
    """A record on its way to the database. CleanPipeline fills the model's fields from it.

    Only the fields of DjangoItem are used. Its `save` and its validation make a query for each coin, and block.
    """

    django_model = FullCoin

    record = Field()  # as the API sent it
    translated = Field()  # the same under the model's names; once it is cleaned, only in a rejected one
    page = Field()  # the page that has it
    rejection = Field()  # a webapp.coins.cleaning.Rejection, if it cannot be stored


@dataclass(repr=False)
class CoinPage:
    """The records of a page, as one item. Nothing else needs them: no feed, no pipeline of others.

    What Scrapy does for an item takes longer than all the rest.
    """

    records: list[Record]
    label: str
    cleaned: list[dict[str, Any] | Rejection] = field(default_factory=list)  # of each record, by CleanPipeline

    def __repr__(self) -> str:
        return f"<CoinPage {self.label}: {len(self.records)} records>"

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        return [record.values for record in self.records if isinstance(record.values, dict)]

    @cached_property
    def nulls(self) -> dict[str, Any]:
        """The fields that some record has. One that no record has stays absent, so its stored values are kept."""
        present = set[str]().union(*self.objects)
        return dict.fromkeys(name for name in NULLABLE if name in present)

    def values_of(self, record: Record) -> Any:
        """The record's values. A field that only others of the page have is null."""
        return self.nulls | record.values if isinstance(record.values, dict) else record.values

    def items(self) -> Iterator[CoinItem]:
        for record in self.records:
            yield CoinItem(record=record.raw, translated=self.values_of(record), page=self.label)


def are_items_needed(crawler: Crawler) -> bool:
    """Whether anything but coincrawl's own pipelines takes items: a feed, an extension, another pipeline ..."""
    settings = crawler.settings
    if not settings.getbool("RECORD_RUNS") or scraper_log.isEnabledFor(logging.DEBUG):
        return True
    pipelines, middlewares = (settings.getdict(name) for name in ("ITEM_PIPELINES", "SPIDER_MIDDLEWARES"))
    others = {part: order for part, order in pipelines.items() if part not in crawl_settings.ITEM_PIPELINES}
    if any(order is not None for order in (others | middlewares).values()):
        return True
    listening = (getAllReceivers(crawler.signals.sender, signal) for signal in ITEM_SIGNALS)
    receivers = liveReceivers(chain.from_iterable(listening))
    return not all(isinstance(getattr(receiver, "__self__", None), CoreStats) for receiver in receivers)
