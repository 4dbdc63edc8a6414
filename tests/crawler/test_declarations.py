"""What is wrong with a spider as it is written is said before anything is asked."""

from typing import Any

import pytest
from scrapy import Spider

from coincrawl.declarations import fault_in
from coincrawl.pagination import NextLink, Offset
from coincrawl.secret import Secret
from coincrawl.spiders.base import PaginatedSpider
from coincrawl.spiders.markets import MarketsSpider
from coincrawl.spiders.mirror import MirrorSpider

RIGHT: dict[str, Any] = {
    "name": "listings",
    "url": "https://listings.example/v1/coins/?vs=usd",
    "pagination": NextLink(),
    "names": {"coin_id": ("coin_id", "id"), "name": "attributes.name"},
    "fields": ("coin_id", "name"),
    "secret": Secret("LISTINGS_API_KEY"),
    "calls_per_minute": 60,
    "page_of_docs": "https://listings.example/docs",
}


def spider(**attributes: Any) -> Any:
    declared = {name: value for name, value in (RIGHT | attributes).items() if value is not ...}
    return type("ListingsSpider", (PaginatedSpider,), declared)


@pytest.mark.parametrize(
    "right",
    [
        MarketsSpider,
        MirrorSpider,
        spider(),
        spider(pagination=Offset(size=5), fields=None, secret=None, calls_per_minute=0.5),
        spider(url=property(lambda self: "https://listings.example/"), calls_per_minute=property(lambda self: 5.0)),
        spider(url="http://web:8000/coins"),
    ],
    ids=["markets", "mirror", "all", "few", "properties", "a container next door"],
)
def test_a_right_spider_has_no_fault(right: Any, settings: Any) -> None:
    settings.PLAIN_HTTP_HOSTS = ["web"]

    assert fault_in(right) == ""


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"url": "http://listings.example/"}, "url is http://listings.example/ and must be https://host/path"),
        ({"url": "https://user:hidden@listings.example/"}, "url is https://***@listings.example/ and must be"),
        ({"url": "https://listings.example/?api_key=hidden"}, "url is https://listings.example/?api_key=*** and must"),
        ({"url": "listings.example"}, "url is listings.example and must be"),
        ({"url": 5}, "url is 5 and must be"),
        ({"pagination": ...}, "pagination is None and must be a PageNumber, an Offset, a OnePage or a NextLink"),
        ({"pagination": "pages"}, "pagination is 'pages' and must be"),
        ({"secret": "LISTINGS_API_KEY"}, "secret is 'LISTINGS_API_KEY' and must be a Secret"),
        ({"dates": "epoch"}, "dates is 'epoch' and must be one of iso, epoch_s, epoch_ms"),
        ({"accept": None}, "accept is None and must be a media type"),
        ({"calls_per_minute": "60"}, "calls_per_minute is '60' and must be a number from 0 up"),
        ({"calls_per_minute": -1}, "calls_per_minute is -1 and must be"),
        ({"calls_per_minute": True}, "calls_per_minute is True and must be"),
        ({"names": {"curent_price": "price"}}, "names has 'curent_price', and FullCoin has no such field"),
        ({"names": {"name": 5}}, "names must have, by field, a key of the record, or several of them"),
        ({"names": {"name": ()}}, "names must have"),
        ({"names": ["name"]}, "names must have"),
        ({"fields": ("current_prise",)}, "fields is ('current_prise',) and must be names of FullCoin's fields"),
        ({"fields": "name"}, "fields is 'name' and must be"),
        ({"secrets": Secret("X")}, "a spider has no secrets (did you mean secret?)"),
        ({"number_as_text": True}, "a spider has no number_as_text (did you mean numbers_as_text?)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_fault_is_named_with_what_would_be_right(attributes: dict[str, Any], fault: str) -> None:
    assert fault_in(spider(**attributes)).startswith(f"listings: {fault}")


def test_a_foreign_spider_is_sent_where_it_can_run() -> None:
    foreign: Any = type("ForeignSpider", (Spider,), {"name": "foreign"})

    assert fault_in(foreign).startswith("foreign: scrapy crawl runs a PaginatedSpider")
