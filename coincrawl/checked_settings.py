"""Checks Scrapy's settings before a run begins. Each function raises UsageError with a sentence."""

from math import inf, isfinite
from typing import Any, cast

from django.conf import settings as django_settings
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings, default_settings

from coincrawl import crawl_settings
from coincrawl.spiders.base import PaginatedSpider
from webapp.crawls.catalog import PLANS

FORBIDDEN = {  # Scrapy's settings
    "HTTPCACHE_ENABLED": "it writes answers to disk, with a key that they repeat, and a cached answer proves nothing",
    "JOBDIR": "what a run has proven cannot be kept there, so no other run can continue it",
    "TELNETCONSOLE_ENABLED": "other processes could control the crawl",
}
OFF = (None, "", "0", "False", "false", False)
SWITCHES = ("0", "1", "False", "True", "false", "true")  # what Scrapy takes for a setting that is on or off
COMPONENTS = ("DOWNLOADER_MIDDLEWARES", "DOWNLOAD_HANDLERS", "EXTENSIONS", "ITEM_PIPELINES")
EVENT_LOOP = ("TWISTED_REACTOR", "TWISTED_REACTOR_ENABLED", "ASYNCIO_EVENT_LOOP")

# Negative values mean nothing in these, and 0 only where it says that something is off, or that nothing is waited for.
LEAST = {
    "AUTOTHROTTLE_MAX_DELAY": 0,
    "AUTOTHROTTLE_START_DELAY": 0,
    "AUTOTHROTTLE_TARGET_CONCURRENCY": 0.01,
    "BATCH_SIZE": 1,
    "COINGECKO_CALLS_PER_MINUTE": 0,
    "COINGECKO_MONTHLY_CREDITS": 0,
    "CONCURRENT_ITEMS": 1,
    "CONCURRENT_REQUESTS": 1,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
    "DATABASE_PATIENCE": 0,
    "DOWNLOAD_DELAY": 0,
    "DOWNLOAD_MAXSIZE": 1,
    "DOWNLOAD_TIMEOUT": 0.01,
    "FEED_PATIENCE": 0,
    "HEARTBEAT_SECONDS": 0.01,
    "LOGSTATS_INTERVAL": 0,
    "MIRROR_CALLS_PER_MINUTE": 0,
    "RETRY_BACKOFF_BASE": 0,
    "RETRY_TIMES": 0,
    "SCRAPER_SLOT_MAX_ACTIVE_SIZE": 0,
}
MOST = {
    "AUTOTHROTTLE_MAX_DELAY": 5,  # while Scrapy waits for such a delay, nothing stops it
    "AUTOTHROTTLE_START_DELAY": 5,
    "DOWNLOAD_DELAY": 5,
    "HEARTBEAT_SECONDS": 60,  # a third of the time after which a run without a heartbeat is lost
}
# Numbers that may have a fraction, although their default has none. Others are whole if their default is.
FRACTIONS = {
    "COINGECKO_CALLS_PER_MINUTE",
    "DNS_TIMEOUT",
    "DOWNLOAD_DELAY",
    "DOWNLOAD_TIMEOUT",
    "MIRROR_CALLS_PER_MINUTE",
    "RETRY_BACKOFF_BASE",
}
DEFAULTS = {name: value for name, value in (vars(default_settings) | vars(crawl_settings)).items() if name.isupper()}


def check_event_loop(settings: BaseSettings) -> None:
    """No setting may name another event loop. Call it before Scrapy starts one."""
    for name in EVENT_LOOP:
        if str(settings[name]) != str(getattr(default_settings, name)):
            raise UsageError(f"{name} must stay as it is: crawls run on asyncio's loop.", print_help=False)


def check(settings: BaseSettings) -> None:
    """A run must be able to prove its verdict, values must be possible, and the site must have the same."""
    for name, reason in FORBIDDEN.items():
        if settings[name] not in OFF:
            raise UsageError(f"{name} cannot be used: {reason}.", print_help=False)
    for name in COMPONENTS:
        given = settings.getdict(name)
        for part, where in getattr(crawl_settings, name).items():
            if where is not None and given.get(part) is None:
                raise UsageError(f"{name} must keep {part}: without it a run proves nothing.", print_help=False)
    numbers = {name for name, default in DEFAULTS.items() if type(default) in (int, float)}
    for name in sorted(numbers.union(LEAST).difference(FORBIDDEN)):
        _check_number(name, settings[name])
    for name, default in DEFAULTS.items():
        if isinstance(default, bool) and str(settings[name]) not in SWITCHES:
            raise UsageError(f"{name} is {settings[name]!r} and must be True or False.", print_help=False)
    if (plan := settings["COINGECKO_PLAN"]) not in PLANS:
        raise UsageError(f"COINGECKO_PLAN is {plan!r} and must be one of {', '.join(PLANS)}.", print_help=False)
    if settings["VS_CURRENCY"] != django_settings.VS_CURRENCY:
        raise UsageError("VS_CURRENCY is set in the environment or in .env: the site needs the same.", print_help=False)


def _check_number(name: str, given: Any) -> None:
    is_whole = type(DEFAULTS.get(name, 0)) is int and name not in FRACTIONS
    least, most = LEAST.get(name, -inf), MOST.get(name, inf)
    try:
        number = int(given) if is_whole else float(given)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not (isfinite(number) and least <= number <= most):
        limits = "" if least == -inf else f" from {least:g} {'up' if most == inf else f'to {most:g}'}"
        kind = "a whole number" if is_whole else "a number"
        raise UsageError(f"{name} is {given!r} and must be {kind}{limits}.", print_help=False)


def check_feeds(crawler: Crawler) -> None:
    """No feed may have a format that the spider's items cannot be written in."""
    able = cast("type[PaginatedSpider]", crawler.spidercls).feed_formats
    for place, options in crawler.settings.getdict("FEEDS").items():
        if able and options.get("format") not in able:
            raise UsageError(
                f"{place}: {crawler.spidercls.name} can only be written as {', '.join(able)}.", print_help=False
            )
