"""Checks a spider's declarations before its first request."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from django.conf import settings

from coincrawl.pagination import NextLink, PageNumber
from coincrawl.records import DateFormat
from coincrawl.secret import Secret
from coincrawl.spiders.base import PaginatedSpider
from webapp.coins.models import FullCoin
from webapp.crawls.addresses import source_fault

FIELDS = {field.name for field in FullCoin.api_fields()} | {*FullCoin.BOOKKEEPING}
# What a spider may declare. A name that is similar to one of these is probably misspelt.
ATTRIBUTES = (
    *("name", "url", "pagination", "secret", "accept", "names", "fields", "dates", "numbers_as_text"),
    *("remedies", "fatal_codes", "calls_per_minute", "monthly_credits", "reports_missing"),
)


def fault_in(spider: type[PaginatedSpider]) -> str:
    """The first fault, with the spider's name; empty if there is none."""
    return next((f"{spider.name}: {fault}" for fault in _faults(spider)), "")


def _faults(spider: type[PaginatedSpider]) -> Iterator[str]:
    if not issubclass(spider, PaginatedSpider):
        yield "scrapy crawl runs a PaginatedSpider (coincrawl.spiders.base), and scrapy runspider any other"
        return
    yield from _faults_in_attributes(spider)
    yield from _faults_in_source(spider)
    yield from _faults_in_records(spider)


def _faults_in_attributes(spider: type[PaginatedSpider]) -> Iterator[str]:
    for name in vars(spider):
        if not name.startswith("_") and not hasattr(PaginatedSpider, name) and name not in ATTRIBUTES:
            for meant in get_close_matches(name, ATTRIBUTES, 1, 0.85):
                yield f"a spider has no {name} (did you mean {meant}?)"


def _faults_in_source(spider: type[PaginatedSpider]) -> Iterator[str]:
    if not isinstance(spider.url, property) and (fault := source_fault(spider.url, settings.PLAIN_HTTP_HOSTS)):
        yield f"url is {fault}"
    if spider.__init__ is PaginatedSpider.__init__:  # others make their pagination from their arguments
        pagination = getattr(spider, "pagination", None)
        if not isinstance(pagination, PageNumber | NextLink):
            yield f"pagination is {pagination!r} and must be a PageNumber, an Offset, a OnePage or a NextLink"
    if not (spider.secret is None or isinstance(spider.secret, Secret)):
        yield f"secret is {spider.secret!r} and must be a Secret"
    if not isinstance(spider.accept, str):
        yield f"accept is {spider.accept!r} and must be a media type"
    calls: Any = spider.calls_per_minute
    is_number = isinstance(calls, int | float) and not isinstance(calls, bool)
    if not (isinstance(calls, property) or (is_number and calls >= 0)):
        yield f"calls_per_minute is {calls!r} and must be a number from 0 up"


def _faults_in_records(spider: type[PaginatedSpider]) -> Iterator[str]:
    if spider.dates not in get_args(DateFormat):
        yield f"dates is {spider.dates!r} and must be one of {', '.join(get_args(DateFormat))}"
    if not isinstance(spider.names, Mapping) or not all(map(_is_place, spider.names.values())):
        yield "names must have, by field, a key of the record, or several of them"
    elif unknown := sorted({*spider.names} - FIELDS):
        yield f"names has {unknown[0]!r}, and FullCoin has no such field"
    if isinstance(spider.fields, str) or not (spider.fields is None or all(name in FIELDS for name in spider.fields)):
        yield f"fields is {spider.fields!r} and must be names of FullCoin's fields"


def _is_place(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Sequence) and bool(value) and all(isinstance(path, str) for path in value)
    )
