"""Scrapy's settings for the crawls of our own spiders. What every command of this project goes by is in settings.py.

PaginatedSpider applies them, below a project's and a command line's. Other spiders, and Scrapy's tools (shell, fetch,
parse ...), run as Scrapy's documentation says.
"""

import sys

from coincrawl.body import MAX_BODY
from webapp.coins.models import FullCoin
from webapp.crawls.catalog import MAX_PAGE_SIZE

# Pace: the plan's limit, spread evenly; AutoThrottle may slow it down, nothing may speed it up --------
CONCURRENT_REQUESTS = 16  # those that wait to be tried again among them: they hold up no other
CONCURRENT_REQUESTS_PER_DOMAIN = 8  # in flight, or waiting for their turn
CONCURRENT_ITEMS = 8  # of a page at a time; nothing in them waits, and Scrapy starts as many tasks for every page
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 0.0  # s; Scrapy's 5 would cost a short crawl more than the crawl
AUTOTHROTTLE_TARGET_CONCURRENCY = 8.0  # as many as may be in flight: it waits only where answers get slow
AUTOTHROTTLE_MAX_DELAY = 1.0  # s; the pace is kept elsewhere
DOWNLOAD_DELAY_JITTER = 0.0
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"  # pages in their order; Scrapy's takes the last first

# Trying again --------------------------------------------------------------------------------------
RETRY_ENABLED = False  # Scrapy's own has no back-off and hears no Retry-After; ours do
RETRY_TIMES = 5
DOWNLOAD_TIMEOUT = 60  # s; a page takes one or two
ATTENDED = sys.stderr.isatty()  # a person hears at once that there is no network; a job of cron or scrapyd waits for it

# Safety: nothing but the API is asked ----------------------------------------------------------------
REDIRECT_ENABLED = False  # would carry the key to wherever it leads
METAREFRESH_ENABLED = False
COOKIES_ENABLED = False
ROBOTSTXT_OBEY = False  # an API, asked by its own rules
REFERER_ENABLED = False
URLLENGTH_LIMIT = 0  # would leave a long link out in silence; NextLink says so
WARN_ON_GENERATOR_RETURN_VALUE = False  # reads our own source again for every page; the linter looks for that
DOWNLOAD_HANDLERS = {
    "http": "coincrawl.downloadhandlers.PacedDownloadHandler",
    "https": "coincrawl.downloadhandlers.PacedDownloadHandler",
    **dict.fromkeys(("data", "file", "ftp", "s3")),
}
DOWNLOAD_MAXSIZE = MAX_BODY  # packed; the judge minds that it is no more when unpacked
DOWNLOAD_WARNSIZE = 0
COMPRESSION_ENABLED = False  # would make the best of a damaged body; the judge unpacks strictly
HTTPERROR_ALLOW_ALL = True  # every answer has been judged before a spider sees it
DEFAULT_REQUEST_HEADERS = {"Accept-Encoding": "gzip"}  # and the spider's `accept`

# Components ------------------------------------------------------------------------------------------
DOWNLOADER_MIDDLEWARES = {
    "coincrawl.middlewares.BackOffMiddleware": 560,
    "coincrawl.middlewares.RestMiddleware": 570,
    "coincrawl.middlewares.JudgeMiddleware": 580,  # answers come from below: the judge has them first
    "coincrawl.middlewares.OriginMiddleware": 950,  # the last of them
    "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,  # knows hosts only, and lets retries pass
}
ITEM_PIPELINES = {
    "coincrawl.pipelines.CleanPipeline": 300,
    "coincrawl.pipelines.UpsertPipeline": 800,
}
EXTENSIONS = {
    "scrapy.extensions.feedexport.FeedExporter": None,  # tells nobody that a feed could not be written
    "coincrawl.extensions.feeds.Feeds": 0,
    "coincrawl.extensions.stop.Stop": 50,
    "coincrawl.extensions.pace.Pace": 60,
    "coincrawl.extensions.outage.Outage": 70,
    "coincrawl.extensions.credits.Credits": 80,
    "coincrawl.extensions.run.RunRecord": 100,
    "coincrawl.extensions.progress.Progress": 200,
    "scrapy.extensions.logstats.LogStats": None,  # Progress says it in coins, pages and time left
}
# A page's rows are buffered until they are stored; this bounds the pages that wait for the database.
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 500_000  # bytes
JOB_CLAIM = ""  # what scrapyd's launcher gives a job to show that it is the one to begin it
HEARTBEAT_SECONDS = 15.0  # a run without one for twelve times as long is taken to be dead (webapp/crawls/models/run.py)
DATABASE_PATIENCE = 60.0  # s for which the database may be away before the run gives up; nothing is fetched meanwhile
BATCH_SIZE = MAX_PAGE_SIZE  # coins in one statement: a page, so that what was answered is soon stored

# Output ------------------------------------------------------------------------------------------------
LOGSTATS_INTERVAL = 30.0  # s between two lines on the progress, where no terminal shows a bar
STATS_DUMP = False  # the summary says it, and CrawlRun keeps it; only a LOG_FILE ends with them, for tools that read it
FEED_PATIENCE = 120.0  # s that a feed may take to be stored, once all has been crawled
FEED_EXPORT_ENCODING = "utf-8"
FEED_EXPORT_FIELDS = [field.name for field in FullCoin.api_fields()]  # not the record that an item was made from
FEED_EXPORTERS = {
    "json": "coincrawl.exporters.ExactJsonItemExporter",
    **dict.fromkeys(("jsonlines", "jsonl", "jl"), "coincrawl.exporters.ExactJsonLinesItemExporter"),
    "csv": "coincrawl.exporters.ExactCsvItemExporter",
    "xml": "coincrawl.exporters.ExactXmlItemExporter",
    "marshal": "coincrawl.exporters.ExactMarshalItemExporter",  # pickle is exact as it is
}

# Where one of Scrapy's tools looks at our spiders' answers, these are all --------------------------------
IN_A_TOOL = {
    "DOWNLOADER_MIDDLEWARES": {"coincrawl.middlewares.OriginMiddleware": 950},
    "ITEM_PIPELINES": {"coincrawl.pipelines.CleanPipeline": 300, "coincrawl.pipelines.ShowPipeline": 800},
    "HTTPERROR_ALLOW_ALL": True,
    "FEED_EXPORT_FIELDS": FEED_EXPORT_FIELDS,
    "FEED_EXPORTERS": FEED_EXPORTERS,
}
