"""From records to rows: cleaned on the event loop, stored in batches by the database's thread."""

import asyncio

from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from webapp.coins.cleaning import Cleaner, Rejection
from webapp.coins.models import FullCoin
from webapp.coins.models.batch import Batch

from .components import Component, extension
from .extensions import RunRecord
from .items import CoinItem


class CleanPipeline(Component):
    """Turns an item's record into the values of the model's fields, or into its rejection; watches the fields.

    Leaves three stats: `coincrawl/filled`, the fields that had a value; `coincrawl/unknown`, names that the model has
    no field for; `coincrawl/dropped`, names that the API used to send and that no record had.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.fields = {field.name for field in FullCoin.api_fields()}
        missing_since = [FullCoin._meta.get_field("missing_since")] if self.spider.tells_missing else []
        self.cleaner = Cleaner([*FullCoin.api_fields(), *missing_since])
        self.present: set[str] = set()  # names that some record had
        self.empty = set(self.fields)  # those without a value so far

    def process_item(self, item: CoinItem) -> CoinItem:
        record = self.spider.translate(item["record"])
        if isinstance(record, dict):
            self.present.update(record)
        cleaned = self.cleaner.clean(record)
        if isinstance(cleaned, Rejection):
            item["rejection"] = cleaned
        else:
            item.update(cleaned)
            self.empty.difference_update([name for name in self.empty if cleaned[name] is not None])
        return item

    def close_spider(self) -> None:
        names, sent = self.spider.names, self.spider.fields
        stats = {
            "filled": self.fields - self.empty,
            "unknown": self.present - self.cleaner.names,
            # By the API's name: three of our fields are one of its.
            "dropped": {
                names.get(name, name).partition(".")[0]
                for name in (self.fields if sent is None else {*sent}) - self.present
            },
        }
        for name, fields in stats.items():
            self.crawler.stats.set_value(f"coincrawl/{name}", sorted(fields))


class UpsertPipeline(Component):
    """Buffers items and stores them in batches; each record is counted once, as what became of it.

    Stored items go on to the feeds; duplicates and rejected records are dropped from them.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self.size = crawler.settings.getint("BATCH_SIZE")
        self.batch = Batch()
        self.stored: set[str] = set()  # ids this run has put into a batch
        self.one_at_a_time = asyncio.Lock()

    async def process_item(self, item: CoinItem) -> CoinItem:
        record, page = item.pop("record"), item.pop("page")
        dropped = ""
        if rejection := item.pop("rejection", None):
            # Of a source that tells which coins are missing, what cannot be read does not tell the contrary.
            self.batch.refuse(rejection, record, page, is_sighting=not self.spider.tells_missing)
            dropped = "; ".join(rejection.reasons)
        elif not self.batch.add(dict(item), record, page, self.stored):
            dropped = "a coin that this run has had before"
        if len(self.batch) >= self.size:
            await self.flush()
        if dropped:
            raise DropItem(dropped, log_level="DEBUG")
        return item

    async def flush(self) -> None:
        # Swapped before anything is awaited: items that come meanwhile belong to the next batch.
        batch, self.batch = self.batch, Batch()
        if batch:
            async with self.one_at_a_time:
                await extension(self.crawler, RunRecord).store(batch)

    async def close_spider(self) -> None:
        await self.flush()
