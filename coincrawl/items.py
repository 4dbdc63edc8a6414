"""CoinItem, whose fields are FullCoin's, and CoinPage, which has the coins of a page."""

import logging
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

from pydispatch.dispatcher import getAllReceivers, liveReceivers  # type: ignore[import-untyped]
from scrapy import Field, signals
from scrapy.crawler import Crawler
from scrapy.extensions.corestats import CoreStats
from scrapy.settings import default_settings
from scrapy_djangoitem import DjangoItem

from coincrawl import crawl_settings
from coincrawl.records import Record, Translation
from webapp.coins.cleaning import Cleaner, Rejection
from webapp.coins.models import FullCoin
from webapp.coins.texts import fault_in

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


class Coin(NamedTuple):
    """A cleaned record."""

    record: Any  # as the API sent it
    cleaned: dict[str, Any] | Rejection  # the values of the model's fields
    translated: Any  # the record under the model's names, if it is rejected


class CoinPage:
    """The records of a page, as one item, if nothing else needs an item for each coin.

    What Scrapy does for an item takes longer than all the rest.
    """

    def __init__(self, records: list[Record], translation: Translation, label: str) -> None:
        self.records, self.translation, self.label, self.size = records, translation, label, len(records)
        self.coins: list[Coin] = []  # filled by `clean`

    def __repr__(self) -> str:
        return f"<CoinPage {self.label}: {self.size} records>"

    @cached_property
    def names(self) -> Collection[str]:
        """Of the values that some record has, translated."""
        return self.translation.names_in(record.raw for record in self.records)

    def clean(self, cleaner: Cleaner) -> None:
        """Turn the records into `coins`."""
        columns = self.translation.columns([record.raw for record in self.records], cleaner.names)
        rows = cleaner.clean_columns(columns, self.size)
        self.coins = [
            self._rejected(record, cleaner)
            if values is None or fault_in(record.raw)
            else Coin(record.raw, values, None)
            for record, values in zip(self.records, rows, strict=True)
        ]
        self.records = []

    def _rejected(self, record: Record, cleaner: Cleaner) -> Coin:
        translated = self._without_gaps(record)
        return Coin(record.raw, cleaner.clean(translated, fault_in(record.raw)), translated)

    def items(self) -> Iterator[CoinItem]:
        for record in self.records:
            yield CoinItem(record=record.raw, translated=self._without_gaps(record), page=self.label)

    def _without_gaps(self, record: Record) -> Any:
        """The record's values for FullCoin, with nulls in the fields that only others of the page have.

        A field that no record has stays absent, so its stored values are kept.
        """
        values = record.values
        return self._nulls | values if isinstance(values, dict) else values

    @cached_property
    def _nulls(self) -> dict[str, Any]:
        return dict.fromkeys(name for name in NULLABLE if name in self.names)


def are_items_needed(crawler: Crawler) -> bool:
    """Whether anything but coincrawl's own pipelines takes items: a feed, an extension, another pipeline ..."""
    settings = crawler.settings
    if not settings.getbool("RECORD_RUNS") or scraper_log.isEnabledFor(logging.DEBUG):
        return True
    if any(settings[name] != getattr(default_settings, name) for name in ("ITEM_PROCESSOR", "LOG_FORMATTER")):
        return True
    pipelines, middlewares = (settings.getdict(name) for name in ("ITEM_PIPELINES", "SPIDER_MIDDLEWARES"))
    others = {part: order for part, order in pipelines.items() if part not in crawl_settings.ITEM_PIPELINES}
    if any(order is not None for order in (others | middlewares).values()):
        return True
    listening = (getAllReceivers(crawler.signals.sender, signal) for signal in ITEM_SIGNALS)
    receivers = liveReceivers(chain.from_iterable(listening))
    return not all(type(getattr(receiver, "__self__", None)) is CoreStats for receiver in receivers)
