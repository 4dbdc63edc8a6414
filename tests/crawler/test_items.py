"""A page is one item, unless something needs an item for each coin."""

import json
from typing import Any

import pytest
from scrapy import signals

from coincrawl.crawl_settings import ITEM_PIPELINES
from coincrawl.items import CoinItem, CoinPage, are_items_needed
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI
from tests.conftest import Crawl
from tests.support.crawls import last_run
from tests.support.spiders import make_spider
from webapp.coins.models import FullCoin
from webapp.crawls.models import RejectedRecord
from webapp.crawls.models.run import RECORDS

THEIRS = "tests.crawler.test_items.Negating"


class Negating:
    """Somebody's pipeline, which changes prices."""

    def process_item(self, item: Any) -> Any:
        assert isinstance(item, CoinItem)
        if price := item.get("current_price"):
            item["current_price"] = -price
        return item


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
        ({"RECORD_RUNS": False}, True),
    ],
    ids=["nothing", "a pipeline", "no pipeline", "a middleware", "a feed", "a limit of items", "a tool"],
)
def test_items_are_made_where_something_needs_them(settings: dict[str, Any], needed: bool) -> None:
    spider = make_spider(MarketsSpider, settings)

    (item,) = spider.items(spider.read([{"id": "a"}]), "1")

    assert are_items_needed(spider.crawler) is needed
    assert type(item) is (CoinItem if needed else CoinPage)


def test_items_are_made_for_whoever_listens_to_their_signals() -> None:
    spider = make_spider(MarketsSpider)
    spider.crawler.signals.connect(take, signals.item_dropped)

    assert are_items_needed(spider.crawler)


def test_a_page_names_itself_in_a_log_in_a_few_words() -> None:
    spider = make_spider(MarketsSpider)

    (page,) = spider.items(spider.read([{"id": "a"}, {"id": "b"}]), "page 7")

    assert repr(page) == "<CoinPage page 7: 2 records>"


@pytest.mark.django_db
def test_pages_and_items_are_stored_and_counted_alike(api: FakeAPI, crawl: Crawl, tmp_path: Any) -> None:
    ids = api.market.ids
    api.market.replace(ids[3], {"id": ids[3], "name": 7})
    api.market.replace(ids[4], f'{{"id": "{ids[4]}", "name": "a", "name": "b"}}')
    api.market.replace(ids[5], "[]")
    api.market.replace(ids[6], {"id": ids[0], "name": "again"})
    api.market.replace(ids[7], {"id": None, "name": "nobody"})
    log = tmp_path / "log"

    done = crawl(api, "-s", f"LOG_FILE={log}")

    counted, rejected = counts(), records()
    RejectedRecord.objects.all().delete()
    stored = [*FullCoin.objects.order_by("pk").values_list("pk", "name", "current_price")]
    FullCoin.objects.all().delete()
    again = crawl(api, "-O", f"{tmp_path}/coins.jsonl")
    assert done.returncode == again.returncode == 3
    assert (counts(), records()) == (counted, rejected)
    assert stored == [*FullCoin.objects.order_by("pk").values_list("pk", "name", "current_price")]
    assert counted["rejected"] == len(rejected) == 4
    in_feed = len((tmp_path / "coins.jsonl").read_text().splitlines())
    assert f"'item_scraped_count': {in_feed}," in log.read_text()


@pytest.mark.django_db
def test_a_pipeline_of_others_gets_each_coin_and_may_change_it(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    prices = dict(FullCoin.objects.values_list("pk", "current_price"))

    crawl(api, "-s", f"ITEM_PIPELINES={json.dumps(ITEM_PIPELINES | {THEIRS: 500})}")

    negated = dict(FullCoin.objects.values_list("pk", "current_price"))
    assert negated == {pk: price and -price for pk, price in prices.items()}


def counts() -> dict[str, int]:
    return {name: getattr(last_run(), name) for name in RECORDS}


def records() -> list[tuple[Any, ...]]:
    return [*RejectedRecord.objects.order_by("fingerprint").values_list("coin_id", "page", "raw", "reasons", "values")]
