"""Checks Scrapy's settings before a run begins. Each function raises UsageError with a sentence."""

from math import inf, isfinite
from typing import Any, cast

from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings, default_settings

from coincrawl import crawl_settings
from coincrawl.spiders.base import PaginatedSpider
from webapp.crawls.catalog import PLANS

FORBIDDEN = {  # Scrapy's settings
    "HTTPCACHE_ENABLED": "it writes answers to disk, with a key that they repeat, and a cached answer proves nothing",
    "JOBDIR": "what a run has proven cannot be kept there, so no other run can continue it",
}
OFF = (None, "", "0", "False", "false", False)
COMPONENTS = ("DOWNLOADER_MIDDLEWARES", "DOWNLOAD_HANDLERS", "EXTENSIONS", "ITEM_PIPELINES")
EVENT_LOOP = ("TWISTED_REACTOR", "TWISTED_REACTOR_ENABLED", "ASYNCIO_EVENT_LOOP")

# The least and the most that a setting may be. With less, a run would hang or end at once.
WHOLE: dict[str, tuple[float, float]] = {
    "BATCH_SIZE": (1, inf),
    "COINGECKO_MONTHLY_CREDITS": (0, inf),
    "CONCURRENT_ITEMS": (1, inf),
    "CONCURRENT_REQUESTS": (1, inf),
    "CONCURRENT_REQUESTS_PER_DOMAIN": (1, inf),
    "DOWNLOAD_MAXSIZE": (1, inf),
    "RETRY_TIMES": (0, inf),
    "SCRAPER_SLOT_MAX_ACTIVE_SIZE": (1, inf),
}
FRACTIONS: dict[str, tuple[float, float]] = {
    "AUTOTHROTTLE_MAX_DELAY": (0, inf),
    "AUTOTHROTTLE_START_DELAY": (0, inf),
    "AUTOTHROTTLE_TARGET_CONCURRENCY": (0.01, inf),
    "COINGECKO_CALLS_PER_MINUTE": (0, inf),
    "DATABASE_PATIENCE": (0, inf),
    "DOWNLOAD_DELAY": (0, inf),
    "DOWNLOAD_TIMEOUT": (0.01, inf),
    "FEED_PATIENCE": (0, inf),
    "HEARTBEAT_SECONDS": (0.01, 60),  # a third of the time after which a run without a heartbeat is lost
    "LOGSTATS_INTERVAL": (0, inf),
    "MIRROR_CALLS_PER_MINUTE": (0, inf),
    "RETRY_BACKOFF_BASE": (0, inf),
}


def check_event_loop(settings: BaseSettings) -> None:
    """No setting may name another event loop. Call it before Scrapy starts one."""
    for name in EVENT_LOOP:
        if str(settings[name]) != str(getattr(default_settings, name)):
            raise UsageError(f"{name} must stay as it is: crawls run on asyncio's loop.", print_help=False)


def check(settings: BaseSettings) -> None:
    """Numbers and the plan must be possible ones, and a run must be able to prove its verdict."""
    for name, limits in WHOLE.items():
        _check_number(name, settings[name], int, limits)
    for name, limits in FRACTIONS.items():
        _check_number(name, settings[name], float, limits)
    if (plan := settings["COINGECKO_PLAN"]) not in PLANS:
        raise UsageError(f"COINGECKO_PLAN is {plan} and must be one of {', '.join(PLANS)}.", print_help=False)
    for name, reason in FORBIDDEN.items():
        if settings[name] not in OFF:
            raise UsageError(f"{name} cannot be used: {reason}.", print_help=False)
    for name in COMPONENTS:
        given = settings.getdict(name)
        for part, where in getattr(crawl_settings, name).items():
            if where is not None and given.get(part) is None:
                raise UsageError(f"{name} must keep {part}: without it a run proves nothing.", print_help=False)


def _check_number(name: str, given: Any, kind: type[int] | type[float], limits: tuple[float, float]) -> None:
    least, most = limits
    try:
        number = kind(given)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not (isfinite(number) and least <= number <= most):
        words = "a whole number" if kind is int else "a number"
        to = "up" if most == inf else f"to {most:g}"
        raise UsageError(f"{name} is {given} and must be {words} from {least:g} {to}.", print_help=False)


def check_feeds(crawler: Crawler) -> None:
    """No feed may have a format that the spider's items cannot be written in."""
    able = cast("type[PaginatedSpider]", crawler.spidercls).feed_formats
    for place, options in crawler.settings.getdict("FEEDS").items():
        if able and options.get("format") not in able:
            raise UsageError(
                f"{place}: {crawler.spidercls.name} can only be written as {', '.join(able)}.", print_help=False
            )
