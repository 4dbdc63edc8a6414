"""Scrapy's settings for crawls of a PaginatedSpider. The settings for all commands are in settings.py.

Settings of the project and of the command line override them. Other spiders, and Scrapy's tools (shell, fetch, parse
...), run as in any project.
"""

import sys

from scrapy.settings import default_settings

from coincrawl.body import MAX_BODY
from webapp.coins.models import FullCoin
from webapp.crawls.catalog import MAX_PAGE_SIZE

# Pace: the plan's limit, spread evenly; AutoThrottle may make it slower, but nothing makes it faster ---
CONCURRENT_REQUESTS = 40  # includes requests that wait for another try, so that they do not block others
CONCURRENT_REQUESTS_PER_DOMAIN = 20  # in flight, or waiting for their turn: 500 calls a minute of 2 s each are 17
CONCURRENT_ITEMS = 8  # more is of no use, because items rarely wait, and Scrapy starts as many tasks for each page
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 0.0  # s; Scrapy's 5 would take longer than a short crawl
AUTOTHROTTLE_TARGET_CONCURRENCY = 20.0  # as many as may be in flight: it waits only if answers get slow
AUTOTHROTTLE_MAX_DELAY = 1.0  # s; coincrawl/extensions/pace.py keeps the pace
DOWNLOAD_DELAY_JITTER = 0.0
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"  # pages in their order; Scrapy's default is the last first

# Retries -------------------------------------------------------------------------------------------
RETRY_ENABLED = False  # Scrapy's middleware has no back-off and ignores Retry-After; BackOffMiddleware replaces it
RETRY_TIMES = 5
DOWNLOAD_TIMEOUT = 60  # s; a page takes one or two
ATTENDED = sys.stderr.isatty()  # at a terminal, a missing network is an error at once; jobs of cron or scrapyd wait

# Safety: requests go only to the API -----------------------------------------------------------------
REDIRECT_ENABLED = False  # would send the key to another host
METAREFRESH_ENABLED = False
COOKIES_ENABLED = False
ROBOTSTXT_OBEY = False  # an API has its own rules
REFERER_ENABLED = False
URLLENGTH_LIMIT = 0  # would silently drop a long link; NextLink reports it
WARN_ON_GENERATOR_RETURN_VALUE = False  # reads the spider's source code again for each page; the linter checks this
DOWNLOAD_HANDLERS = {
    "http": "coincrawl.downloadhandlers.PacedDownloadHandler",
    "https": "coincrawl.downloadhandlers.PacedDownloadHandler",
    **dict.fromkeys(("data", "file", "ftp", "s3")),
}
DOWNLOAD_MAXSIZE = MAX_BODY  # packed; coincrawl/body.py checks the unpacked size
DOWNLOAD_WARNSIZE = 0
COMPRESSION_ENABLED = False  # would accept a damaged body; coincrawl/body.py unpacks strictly
HTTPERROR_ALLOW_ALL = True  # JudgeMiddleware judges every answer before a spider sees it
DEFAULT_REQUEST_HEADERS = {"Accept-Encoding": "gzip"}  # and the spider's `accept`

# Components ------------------------------------------------------------------------------------------
DOWNLOADER_MIDDLEWARES = {
    "coincrawl.middlewares.BackOffMiddleware": 560,
    "coincrawl.middlewares.RestMiddleware": 570,
    "coincrawl.middlewares.JudgeMiddleware": 580,  # judges before the other two act: answers pass in reverse order
    "coincrawl.middlewares.OriginMiddleware": 950,  # the last one
    "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,  # checks only hosts, and not those of retries
}
ITEM_PIPELINES = {
    "coincrawl.pipelines.CleanPipeline": 300,
    "coincrawl.pipelines.UpsertPipeline": 800,
    "coincrawl.pipelines.ChartPipeline": 800,
    "coincrawl.pipelines.DayPipeline": 800,
}
EXTENSIONS = {
    "scrapy.extensions.feedexport.FeedExporter": None,  # only logs that a feed could not be written
    "coincrawl.extensions.feeds.Feeds": 0,
    "coincrawl.extensions.stop.Stop": 50,
    "coincrawl.extensions.pace.Pace": 60,
    "coincrawl.extensions.outage.Outage": 70,
    "coincrawl.extensions.credits.Credits": 80,
    "coincrawl.extensions.run.RunRecord": 100,
    "coincrawl.extensions.progress.Progress": 200,
    "scrapy.extensions.logstats.LogStats": None,  # Progress reports coins, pages and the time left
}
# What is off already. Scrapy imports all that its *_BASE settings name, also what is None above: these would bring
# aiohttp, requests and twisted.conch.
_never_used = {
    "scrapy.downloadermiddlewares.cookies.CookiesMiddleware",
    "scrapy.extensions.remote_control.RemoteControl",
    "scrapy.extensions.telnet.TelnetConsole",
}
EXTENSIONS_BASE = {name: place for name, place in default_settings.EXTENSIONS_BASE.items() if name not in _never_used}
DOWNLOADER_MIDDLEWARES_BASE = {
    name: place for name, place in default_settings.DOWNLOADER_MIDDLEWARES_BASE.items() if name not in _never_used
}
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 100_000  # bytes, packed: two pages are read at once; others wait in JudgeMiddleware
JOB_CLAIM = ""  # scrapyd's launcher passes it: only the process with the right claim may begin the job's run
HEARTBEAT_SECONDS = 15.0  # a run without a heartbeat for twelve times as long is lost (webapp/crawls/models/run.py)
DATABASE_PATIENCE = 60.0  # s for which the database may be away before the run gives up; no request leaves meanwhile
BATCH_SIZE = MAX_PAGE_SIZE  # coins in one statement: a page, so that it is stored soon

# Output ------------------------------------------------------------------------------------------------
LOGSTATS_INTERVAL = 30.0  # s between two lines of progress, if no terminal shows a bar
STATS_DUMP = False  # the summary and CrawlRun have them; commands/crawl.py dumps them into a LOG_FILE
FEED_PATIENCE = 120.0  # s that storing the feeds may take at the end
FEED_EXPORT_ENCODING = "utf-8"
FEED_EXPORT_FIELDS = [field.name for field in FullCoin.api_fields()]  # without the record that an item is made from
FEED_EXPORTERS = {
    "json": "coincrawl.exporters.ExactJsonItemExporter",
    **dict.fromkeys(("jsonlines", "jsonl", "jl"), "coincrawl.exporters.ExactJsonLinesItemExporter"),
    "csv": "coincrawl.exporters.ExactCsvItemExporter",
    "xml": "coincrawl.exporters.ExactXmlItemExporter",
    "marshal": "coincrawl.exporters.ExactMarshalItemExporter",  # pickle is exact as it is
}

# Instead of all these: the settings for Scrapy's tools ---------------------------------------------------
IN_A_TOOL = {
    "DOWNLOADER_MIDDLEWARES": {"coincrawl.middlewares.OriginMiddleware": 950},
    "ITEM_PIPELINES": {"coincrawl.pipelines.CleanPipeline": 300, "coincrawl.pipelines.ShowPipeline": 800},
    "HTTPERROR_ALLOW_ALL": True,
    "FEED_EXPORT_FIELDS": FEED_EXPORT_FIELDS,
    "FEED_EXPORTERS": FEED_EXPORTERS,
}
