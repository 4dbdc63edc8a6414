"""Cleans records on the event loop, and stores them in batches in the database's thread."""

from functools import cached_property
from typing import Any, Self, cast

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem, NotConfigured

from coincrawl.components import Component, extension
from coincrawl.extensions.run import RunRecord
from coincrawl.items import CoinItem
from coincrawl.source import Source
from webapp.coins.cleaning import Cleaner, Rejection
from webapp.coins.prices.points import Chart
from webapp.coins.texts import Repeating
from webapp.crawls.batch import Batch
from webapp.crawls.copying import Copied, DayBatch, DayOfPrices
from webapp.crawls.past import ChartBatch
from webapp.crawls.storing import cleaner


class Pipeline(Component):
    """Is enabled only for spiders that yield its kind of item. Other items pass."""

    item: type = CoinItem

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        made = super().from_crawler(crawler)
        if cls.item not in cast("type[Source]", crawler.spidercls).yields:
            raise NotConfigured
        return made


class CleanPipeline(Pipeline):
    """Turns an item's record into the values of the model's fields, or into a rejection."""

    @cached_property
    def cleaner(self) -> Cleaner:
        return cleaner(reports_missing=self.spider.reports_missing)

    def process_item(self, item: Any) -> Any:
        if not isinstance(item, CoinItem):
            return item
        record, translated = item["record"], item.pop("translated")
        repeated = record.repeated if isinstance(record, Repeating) else ()
        cleaned = self.cleaner.clean(translated, repeated)
        if isinstance(cleaned, Rejection):
            item["rejection"] = cleaned
            if isinstance(translated, dict) and not repeated:  # of a repeated key, it is unknown which value is right
                item["translated"] = {name: translated[name] for name in translated if name in self.cleaner.names}
        else:
            item.update(cleaned)
        return item


class ShowPipeline(Pipeline):
    """Replaces UpsertPipeline in Scrapy's tools: shows an item's values without the record they were made from.

    A rejected record is shown with the reasons.
    """

    def process_item(self, item: CoinItem) -> CoinItem:
        item.pop("translated", None)
        for name in ("record", "page"):
            if "rejection" not in item:
                item.pop(name, None)
        return item


class UpsertPipeline(Pipeline):
    """Stores items in batches. Each record is counted once: as created, updated, unchanged, rejected ...

    Items go on to the feeds. Duplicates and rejected records are dropped.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.size = crawler.settings.getint("BATCH_SIZE")
        self.batch = Batch(extension(crawler, RunRecord).memory)

    async def process_item(self, item: Any) -> Any:
        if not isinstance(item, CoinItem):
            return item
        record, page = item.pop("record"), item.pop("page")
        dropped = ""
        if rejection := item.pop("rejection", None):
            # If the source reports missing coins, an invalid record may be of one: it is no proof of the coin.
            is_sighting = not self.spider.reports_missing
            self.batch.reject(
                rejection,
                record,
                page,
                values=item.pop("translated", None),
                round_number=self.spider.round,
                is_sighting=is_sighting,
            )
            dropped = "; ".join(rejection.reasons)
        else:
            values = dict(item)
            extension(self.crawler, RunRecord).add_values(values)
            if not self.batch.add(values, record, page):
                dropped = "a duplicate: this run already has the coin"
        if len(self.batch) >= self.size:
            await self.flush()
        if dropped:
            raise DropItem(dropped, log_level="DEBUG")
        return item

    async def flush(self) -> None:
        # The batch is replaced before the first await: later items belong to the next one.
        batch, self.batch = self.batch, Batch(self.batch.memory)
        if batch:
            await extension(self.crawler, RunRecord).store(batch)

    async def close_spider(self) -> None:
        await self.flush()


class ChartPipeline(Pipeline):
    """Stores past prices, and the points that are rejected: each coin by itself."""

    item = Chart

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.record = extension(crawler, RunRecord)

    async def process_item(self, item: Chart) -> Chart:
        await self.record.store(ChartBatch(item, self.record.memory))
        return item


class DayPipeline(Pipeline):
    """Stores the prices of days, and the bars that are rejected: each day in parts, one after the other.

    The feeds have coins alone, so these items end here.
    """

    item = DayOfPrices

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.record = extension(crawler, RunRecord)
        self.copied = Copied()

    async def process_item(self, item: Any) -> Any:
        if not isinstance(item, DayOfPrices):
            return item
        for part in DayBatch.parts(item, self.record.memory, self.copied, self.spider.round):
            await self.record.store(part)
        raise DropItem("prices of a day are not in the feeds", log_level="DEBUG")

    def close_spider(self) -> None:
        if self.copied != Copied():
            self.spider.coverage.add_note(str(self.copied))
