"""Cleans records on the event loop, and stores them in batches in the database's thread."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self, cast

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem, NotConfigured

from coincrawl.components import Component, extension
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Stop
from coincrawl.items import Coin, CoinItem, CoinPage
from coincrawl.source import Source
from webapp.coins.cleaning import Cleaner, Rejection
from webapp.coins.prices.points import Chart
from webapp.coins.texts import fault_in
from webapp.crawls.batch import Batch
from webapp.crawls.copying import Copied, DayBatch, DayOfPrices
from webapp.crawls.past import ChartBatch
from webapp.crawls.storing import cleaner

MAX_BATCH = 1_000  # coins of one page in a batch: a source may send all its records as one page


class Pipeline(Component):
    """Is enabled only for spiders that yield its kind of item. Other items pass."""

    item: type = CoinItem

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        made = super().from_crawler(crawler)
        if cls.item not in cast("type[Source]", crawler.spidercls).yields:
            raise NotConfigured
        return made


class CoinPipeline(Pipeline):
    """Takes coins: the items of one each, and pages of them."""

    @cached_property
    def cleaner(self) -> Cleaner:
        return cleaner(reports_missing=self.spider.reports_missing)


class CleanPipeline(CoinPipeline):
    """Turns records into the values of the model's fields, or into rejections."""

    def process_item(self, item: Any) -> Any:
        if isinstance(item, CoinPage):
            item.clean(self.cleaner)
        elif isinstance(item, CoinItem):
            translated = item.pop("translated")
            cleaned = self.cleaner.clean(translated, fault_in(item["record"]))
            if isinstance(cleaned, Rejection):
                item["rejection"], item["translated"] = cleaned, translated
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


class UpsertPipeline(CoinPipeline):
    """Stores coins in batches. Each record is counted once: as created, updated, unchanged, rejected ...

    Items go on to the feeds. Duplicates and rejected records are dropped.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.record = extension(crawler, RunRecord)
        self.batch_size = crawler.settings.getint("BATCH_SIZE")
        self.batch = Batch(self.record.memory)
        self.one_at_a_time = asyncio.Lock()

    async def process_item(self, item: Any) -> Any:
        if isinstance(item, CoinPage):
            await self._take_page(item)
            return item
        dropped = ""
        if isinstance(item, CoinItem):
            record, page = item.pop("record"), item.pop("page")
            if rejection := item.pop("rejection", None):
                dropped = self._reject(rejection, record, page, item.pop("translated"))
            else:
                values = dict(item)
                self.record.add_values([values])
                dropped = self._add(values, record, page)
        if len(self.batch) >= self.batch_size:
            await self.flush()
        if dropped:
            raise DropItem(dropped, log_level="DEBUG")
        return item

    async def _take_page(self, page: CoinPage) -> None:
        coins, page.coins = page.coins, []  # the batches have them now
        taken = dropped = 0
        for start in range(0, len(coins), MAX_BATCH):
            if start and extension(self.crawler, Stop).begun.is_set():
                break  # the rest of a very long page is dropped
            part = coins[start : start + MAX_BATCH]
            new = self._add_coins(part, page.label)
            taken, dropped = taken + new, dropped + len(part) - new
            if len(self.batch) >= self.batch_size:
                await self.flush()
        stats = self.crawler.stats
        stats.inc_value("item_scraped_count", taken - 1)  # Scrapy counts the page as one item
        if dropped:
            for name in ("item_dropped_count", "item_dropped_reasons_count/DropItem"):
                stats.inc_value(name, dropped)

    def _add_coins(self, coins: Sequence[Coin], page: str) -> int:
        """Add coins of a page to the batch. Returns how many were neither rejected nor duplicates."""
        valid = [coin.cleaned for coin in coins if not isinstance(coin.cleaned, Rejection)]
        self.record.add_values(valid)
        taken = 0
        for record, cleaned, translated in coins:
            if isinstance(cleaned, Rejection):
                dropped = self._reject(cleaned, record, page, translated)
            else:
                dropped = self._add(cleaned, record, page)
            taken += not dropped
        return taken

    def _add(self, values: Mapping[str, Any], record: object, page: str) -> str:
        """Returns why the item ends here; empty if it does not."""
        return "" if self.batch.add(values, record, page) else "a duplicate: this run already has the coin"

    def _reject(self, rejection: Rejection, record: object, page: str, translated: Any) -> str:
        """Returns why the item ends here."""
        values = None
        if isinstance(translated, Mapping) and not fault_in(record):
            values = {name: value for name, value in translated.items() if name in self.cleaner.names}
        self.batch.reject(
            rejection,
            record,
            page,
            values=values,
            round_number=self.spider.round,
            # If the source reports missing coins, an invalid record may be of one: it is no proof of the coin.
            is_sighting=not self.spider.reports_missing,
        )
        return "; ".join(rejection.reasons)

    async def flush(self) -> None:
        """Store what has come. While a batch is being stored, the next one grows: few large batches cost less."""
        async with self.one_at_a_time:
            batch, self.batch = self.batch, Batch(self.batch.memory)
            if batch:
                await self.record.store(batch)

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
