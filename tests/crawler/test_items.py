"""A page is one item, unless something needs an item for each coin."""

import asyncio
import json
import re
from functools import partial
from typing import Any, Self

import pytest
from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.extensions.corestats import CoreStats
from scrapy.http import Response

from coincrawl.components import extension
from coincrawl.crawl_settings import EXTENSIONS, ITEM_PIPELINES
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Stop
from coincrawl.items import CoinItem, CoinPage, are_items_needed
from coincrawl.pipelines import UpsertPipeline
from coincrawl.responses import Rows
from coincrawl.spiders.base import PaginatedSpider
from coincrawl.spiders.markets import MarketsSpider
from coincrawl.spiders.mirror import MirrorSpider
from fake_api import FakeAPI, Market
from tests.conftest import Crawl
from tests.support.calls import calls_of
from tests.support.crawls import last_run
from tests.support.spiders import make_spider, page
from webapp.coins.models import FullCoin
from webapp.crawls.batch import Batch
from webapp.crawls.models import RejectedRecord
from webapp.crawls.models.run import RECORDS
from webapp.crawls.storing import cleaner

THEIRS, LOOKING = (f"tests.crawler.test_items.{name}" for name in ("Negating", "Looking"))
CALLS_A_COIN = 80  # 73 on Python 3.11
ODD = [  # values of fields, as JSON
    ("roi", '{"times": 1.5}'),
    ("roi", "null"),
    ("roi", "5"),
    ("roi", '{"times": "x", "currency": 5}'),
    ("current_price", "NaN"),
    ("current_price", "1e999999999999999999999"),
    ("current_price", "1e-40"),
    ("market_cap", "9" * 61),
    ("market_cap", '"5"'),
    ("market_cap", "true"),
    ("market_cap_rank", "1e400"),
    ("market_cap_rank", "1.5"),
    ("market_cap_rank", "7.0"),
    ("name", '"\\u0000"'),
    ("name", '"\\ud800"'),
    ("name", f'"{"x" * 300}"'),
    ("symbol", '""'),
    ("last_updated", '"2026-13-01T00:00:00Z"'),
    ("last_updated", '"2026-01-01"'),
    ("ath_date", "5"),
    ("image", '"missing_large.png"'),
]


class Negating:
    """Somebody's pipeline, which changes prices."""

    def process_item(self, item: Any) -> Any:
        assert isinstance(item, CoinItem)
        if price := item.get("current_price"):
            item["current_price"] = -price
        return item


class Looking:
    """Somebody's extension. It puts into the stats whether items are made, and takes none."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        crawler.signals.connect(self.closed, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def closed(self) -> None:
        self.crawler.stats.set_value("are_items_needed", are_items_needed(self.crawler))


class Counting(CoreStats):
    """Somebody's own counts of items."""


def take(item: Any) -> None:
    """Somebody's extension."""


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, False),
        ({"ITEM_PIPELINES": {THEIRS: 500}}, True),
        ({"ITEM_PIPELINES": {THEIRS: None}}, False),
        ({"SPIDER_MIDDLEWARES": {"theirs.Middleware": 500}}, True),
        ({"FEEDS": {"file:///dev/null": {"format": "jsonl"}}}, True),
        ({"CLOSESPIDER_ITEMCOUNT": 10}, True),
        ({"ITEM_PROCESSOR": "tests.crawler.test_items.Negating"}, True),
        ({"LOG_FORMATTER": "tests.crawler.test_items.Negating"}, True),
        ({"RECORD_RUNS": False}, True),
    ],
    ids=[
        "nothing",
        "a pipeline",
        "no pipeline",
        "a middleware",
        "a feed",
        "a limit of items",
        "a processor",
        "a formatter",
        "a tool",
    ],
)
def test_items_are_made_where_something_needs_them(settings: dict[str, Any], needed: bool) -> None:
    spider = make_spider(MarketsSpider, settings)

    (item,) = spider.items(spider.read([{"id": "a"}]), "1")

    assert are_items_needed(spider.crawler) is needed
    assert type(item) is (CoinItem if needed else CoinPage)


@pytest.mark.parametrize("name", ["item_scraped", "item_dropped", "item_error"])
def test_items_are_made_for_whoever_listens_to_their_signals(name: str) -> None:
    spider = make_spider(MarketsSpider)
    spider.crawler.signals.connect(take, getattr(signals, name))

    assert are_items_needed(spider.crawler)


@pytest.mark.parametrize(("counts", "needed"), [(CoreStats, False), (Counting, True)])
def test_items_are_made_for_other_counts_than_scrapys_own(counts: type[CoreStats], needed: bool) -> None:
    spider = make_spider(MarketsSpider)
    listening = counts.from_crawler(spider.crawler)  # signals do not keep it

    assert (are_items_needed(spider.crawler), type(listening)) == (needed, counts)


def test_a_page_names_itself_in_a_log_in_a_few_words() -> None:
    spider = make_spider(MarketsSpider)

    (page,) = spider.items(spider.read([{"id": "a"}, {"id": "b"}]), "page 7")

    assert repr(page) == "<CoinPage page 7: 2 records>"


@pytest.mark.parametrize(("ends", "stored"), [("", [2, 2, 1]), ("meanwhile", [2]), ("before", [2])])
def test_a_very_long_page_is_stored_in_parts(ends: str, stored: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    spider, sizes = make_spider(MarketsSpider, {"BATCH_SIZE": 1}), []
    run, stop = extension(spider.crawler, RunRecord), extension(spider.crawler, Stop)

    async def store(batch: Batch) -> None:
        sizes.append(len(batch))
        if ends == "meanwhile":
            stop.begun.set()

    monkeypatch.setattr(run, "store", store)
    monkeypatch.setattr("coincrawl.pipelines.MAX_BATCH", 2)
    (page,) = spider.items(spider.read([{"id": str(number)} for number in range(5)]), "1")
    assert isinstance(page, CoinPage)
    page.clean(cleaner(reports_missing=False))
    if ends == "before":
        stop.begun.set()

    asyncio.run(UpsertPipeline(spider.crawler).process_item(page))

    assert sizes == stored
    assert spider.crawler.stats.get_value("item_scraped_count") == sum(stored) - 1  # Scrapy adds the page


@pytest.mark.parametrize(("spider_class", "seen"), [(MarketsSpider, {"a"}), (MirrorSpider, set())])
def test_an_invalid_record_is_of_a_coin_that_is_there_unless_the_source_also_sends_missing_ones(
    spider_class: type[PaginatedSpider], seen: set[str]
) -> None:
    spider = make_spider(spider_class)
    pipeline = UpsertPipeline(spider.crawler)
    (page,) = spider.items(spider.read([{"id": "a", "coin_id": "a", "name": 7}]), "1")
    assert isinstance(page, CoinPage)
    page.clean(pipeline.cleaner)

    asyncio.run(pipeline.process_item(page))

    assert (pipeline.batch.seen, len(pipeline.batch.rejected)) == (seen, 1)


def test_reading_a_coin_takes_few_calls() -> None:
    spider = make_spider(MarketsSpider)
    texts = [*Market(coins=500).texts().values()]
    bodies = {number: f"[{','.join(texts[:number])}]".encode() for number in (1, 250, 500)}

    def read(number: int) -> None:
        judgement = spider.judge(page(1), Response("https://api.example", body=bodies[number]))
        assert isinstance(judgement, Rows)
        (item,) = spider.items(spider.read(judgement.rows), "1")
        assert isinstance(item, CoinPage)
        item.clean(cleaner(reports_missing=False))
        assert len(item.coins) == number

    read(1)
    few, many = (calls_of(partial(read, number)) for number in (250, 500))

    assert (many - few) / 250 < CALLS_A_COIN


def test_pages_that_come_while_a_batch_is_stored_are_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    spider, sizes = make_spider(MarketsSpider, {"BATCH_SIZE": 2}), []

    async def crawl() -> None:
        pipeline, is_stored = UpsertPipeline(spider.crawler), asyncio.Event()

        async def store(batch: Batch) -> None:
            sizes.append(len(batch))
            await is_stored.wait()

        monkeypatch.setattr(extension(spider.crawler, RunRecord), "store", store)
        async with asyncio.TaskGroup() as pages:
            for letter in "abc":
                (page,) = spider.items(spider.read([{"id": f"{letter}1"}, {"id": f"{letter}2"}]), letter)
                assert isinstance(page, CoinPage)
                page.clean(cleaner(reports_missing=False))
                pages.create_task(pipeline.process_item(page))
            await asyncio.sleep(0)  # each goes as far as it can
            is_stored.set()

    asyncio.run(crawl())

    assert sizes == [2, 4]


@pytest.mark.every_database
@pytest.mark.django_db
def test_pages_and_items_are_stored_and_counted_alike(api: FakeAPI, crawl: Crawl, tmp_path: Any) -> None:
    ids = api.market.ids
    api.market.replace(ids[3], {"id": ids[3], "name": 7})
    api.market.replace(ids[4], f'{{"id": "{ids[4]}", "name": "a", "name": "b"}}')
    api.market.replace(ids[5], "[]")
    api.market.replace(ids[6], {"id": ids[0], "name": "again"})
    api.market.replace(ids[7], {"id": None, "name": "nobody"})
    for coin_id, (name, value) in zip(ids[8:], ODD, strict=False):
        api.market.replace(coin_id, f'{{"id": "{coin_id}", "{name}": {value}}}')
    stats, extensions = [], json.dumps(EXTENSIONS | {LOOKING: 0})

    def crawl_with(name: str, *options: str) -> int:
        log = tmp_path / f"{name}.log"
        done = crawl(api, "-s", f"LOG_FILE={log}", "-s", f"EXTENSIONS={extensions}", *options)
        stats.append(re.findall(r"'(item_\w+|are_items_needed)(?:/DropItem)?': (\w+)", log.read_text()))
        return done.returncode

    first = crawl_with("pages")
    counted, rejected, stored, filled = counts(), records(), coins(), last_run().filled
    RejectedRecord.objects.all().delete()
    FullCoin.objects.all().delete()
    again = crawl_with("items", "-O", f"{tmp_path}/coins.jsonl")

    assert first == again == 3
    assert (counts(), records(), coins(), last_run().filled) == (counted, rejected, stored, filled)
    assert counted["rejected"] == len(rejected) == 19
    (pages, *of_pages), (items, *of_items) = stats
    assert (pages, items) == (("are_items_needed", "False"), ("are_items_needed", "True"))
    assert of_pages == of_items
    in_feed = len((tmp_path / "coins.jsonl").read_text().splitlines())
    assert ("item_scraped_count", str(in_feed)) in of_pages


@pytest.mark.django_db
def test_a_pipeline_of_others_gets_each_coin_and_may_change_it(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    prices = dict(FullCoin.objects.values_list("pk", "current_price"))

    crawl(api, "-s", f"ITEM_PIPELINES={json.dumps(ITEM_PIPELINES | {THEIRS: 500})}")

    negated = dict(FullCoin.objects.values_list("pk", "current_price"))
    assert negated == {pk: price and -price for pk, price in prices.items()}


def counts() -> dict[str, int]:
    return {name: getattr(last_run(), name) for name in RECORDS}


def coins() -> list[tuple[Any, ...]]:
    return [*FullCoin.objects.order_by("pk").values_list(*(field.name for field in FullCoin.api_fields()))]


def records() -> list[tuple[Any, ...]]:
    return [*RejectedRecord.objects.order_by("fingerprint").values_list("coin_id", "page", "raw", "reasons", "values")]
