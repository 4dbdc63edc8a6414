"""`scrapy crawl`: arguments are checked first, the summary is for people, the exit status for programs."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import cast

from django.conf import settings as django_settings
from scrapy.commands import crawl
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.utils.log import install_scrapy_root_handler
from twisted.logger import globalLogBeginner

from coincrawl.checked_settings import check, check_event_loop, check_feeds
from coincrawl.components import enabled
from coincrawl.declarations import fault_in
from coincrawl.extensions.feeds import Feeds, passwords
from coincrawl.extensions.run import RunRecord
from coincrawl.log import LogFile, protect_log, without_secrets
from coincrawl.spiders.base import PaginatedSpider
from coincrawl.verdict import EXIT_STATUS
from webapp.crawls.catalog import SPIDERS, ArgumentError, check_source, parse_arguments
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import RECORDS
from webapp.crawls.verdict import Verdict

logger = logging.getLogger("coincrawl")

GIVEN_WITH_A = "A spider's arguments are given with -a: scrapy crawl markets -a pages=1. See scrapy crawl --help."
COUNTERS = ("pages", "requests", *RECORDS)

# Loggers whose INFO is about Scrapy and not about the crawl. `-L DEBUG` shows them.
CHATTER = ("scrapy.addons", "scrapy.middleware", "scrapy.utils.log", "scrapy.core.engine")
LEVELS = {Verdict.COMPLETE: logging.INFO} | dict.fromkeys(
    (Verdict.SKIPPED, Verdict.PARTIAL, Verdict.INTERRUPTED), logging.WARNING
)


class Command(crawl.Command):
    default_settings = {"RECORD_RUNS": True}  # Scrapy's other commands begin no run and store nothing

    def long_desc(self) -> str:
        spiders = "; ".join(
            f"{name} ({', '.join(entry.arguments) or 'no arguments'})" for name, entry in SPIDERS.items()
        )
        return (
            f"Run a spider and print its verdict. Spiders and their arguments (-a name=value): {spiders}. "
            "Exit status: 0 complete, 1 failed or lost, 2 wrong arguments, 3 partial, 75 skipped, 130 interrupted."
        )

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        with usage_errors():
            super().process_options(args, opts)
            settings = enabled(self.settings)
            if settings["LOG_FILE"]:
                settings.set("LOG_INSTALL_ROOT_HANDLER", value=False, priority="cmdline")  # `run` opens the file
            else:
                # Scrapy does this next, and would fail with a traceback.
                install_scrapy_root_handler(settings)
        # Before this, Twisted prints critical messages past the log. If Scrapy has set up the log first, Twisted takes
        # the warnings from it.
        globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
        if unknown := [argument for argument in args if argument.startswith("-")]:
            raise UsageError(f"No such option: {unknown[0]}. {GIVEN_WITH_A}", print_help=False)
        if len(args) != 1:
            raise UsageError(f"Name one spider. {GIVEN_WITH_A}", print_help=False)
        try:
            given = parse_arguments(args[0], {name: value for name, value in opts.spargs.items() if name != "_job"})
            check_source(args[0], given, settings.get)
        except ArgumentError as error:
            raise UsageError(str(error), print_help=False) from None
        check_event_loop(settings)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        process, settings = enabled(self.crawler_process), enabled(self.settings)
        if settings["LOG_FILE"]:
            with usage_errors():
                logging.getLogger().addHandler(LogFile(settings))
            logging.getLogger().setLevel(logging.NOTSET)
            settings.set("STATS_DUMP", value=True, priority="project")  # scrapydweb and logparser read them
        crawler = self._crawler_of(args[0])
        secret = cast("type[PaginatedSpider]", crawler.spidercls).secret
        protect_log(
            [
                settings["COINGECKO_API_KEY"],
                settings["API_TOKEN"],
                crawler.settings[secret.setting] if secret else "",
                django_settings.DATABASES["default"]["PASSWORD"],
                *passwords(settings.getdict("FEEDS")),
            ]
        )
        # Without this, Scrapy formats a DEBUG line for each coin, which no handler shows. Errors have to be counted.
        logging.getLogger("scrapy").setLevel(min(logging.ERROR, logging.getLevelName(settings["LOG_LEVEL"])))
        if settings["LOG_LEVEL"] == "INFO":
            for name in CHATTER:
                logging.getLogger(name).setLevel(logging.WARNING)
            # Its lines about signals are wanted.
            logging.getLogger("scrapy.crawler").addFilter(lambda record: "Overridden settings" not in str(record.msg))
        check(crawler.settings)
        check_feeds(crawler)
        if secret and (missing := secret.missing(crawler.settings)):
            raise UsageError(missing, print_help=False)
        # When it is imported, it reads the source code of every function on the stack. Here, these are few.
        import scrapy.core.downloader.contextfactory  # noqa: F401, PLC0415

        process.crawl(crawler, **opts.spargs)
        process.start()
        for number in (signal.SIGINT, signal.SIGTERM):  # the run is over: nothing is left to be stopped
            signal.signal(number, signal.SIG_IGN)
        record = None
        with suppress(RuntimeError):  # there are no extensions, and Scrapy has logged why
            record = crawler.get_extension(RunRecord)
        self.exitcode = report(args[0], record)
        drop_full_outputs()
        if (feeds := crawler.get_extension(Feeds) if record else None) and feeds.hangs:
            logging.shutdown()
            os._exit(self.exitcode)  # Python would wait for the thread that stores the feed

    def _crawler_of(self, name: str) -> Crawler:
        """The crawler of a spider of the catalog. Raises UsageError if the spider is invalid."""
        spiders = enabled(self.crawler_process).spider_loader
        if name not in spiders.list():
            raise UsageError(
                f"The catalog has {name}, and there is no such spider in SPIDER_MODULES.", print_help=False
            )
        if fault := fault_in(cast("type[PaginatedSpider]", spiders.load(name))):
            raise UsageError(f"{fault}.", print_help=False)
        try:
            return self._create_crawler(name)
        except SystemExit as invalid:  # a secret
            raise UsageError(str(invalid), print_help=False) from None


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn an error of a file or of the log's options into a UsageError with a sentence."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}.", print_help=False) from None
    except (LookupError, ValueError) as error:
        levels = "-L is one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
        raise UsageError(f"{error}: check the options of the log ({levels}).", print_help=False) from None


def drop_full_outputs() -> None:
    """Python would write what is left when it ends, and a failure then would change the exit status."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def report(spider: str, record: RunRecord | None) -> int:
    """Print the run's table to stderr, write the log's last line, and return the exit status."""
    if not record:
        logger.error("%s: failed: the crawl did not start", spider)
        return EXIT_STATUS[Verdict.FAILED]
    if record.verdict == Verdict.RUNNING:  # a second signal was sent
        logger.error("%s: killed before it could end; its run will be shown as lost", spider)
        return EXIT_STATUS[Verdict.INTERRUPTED]
    run = record.run
    if run:
        with suppress(OSError):  # a full disk behind it changes no verdict
            show(summary(run, record.verdict, record.reason))
    because = f": {record.reason}" if record.reason else ""
    counts = f" ({', '.join(f'{getattr(run, name):,} {name}' for name in COUNTERS)})" if run and run.pages else ""
    logger.log(LEVELS.get(record.verdict, logging.ERROR), "%s: %s%s%s", spider, record.verdict, because, counts)
    return EXIT_STATUS[record.verdict]


def show(rows: Mapping[str, str]) -> None:
    """Print names and values to stderr. Raises OSError if it cannot be written."""
    if sys.stderr.isatty():
        from coincrawl.terminal import print_table  # noqa: PLC0415 - it imports rich

        print_table(rows)
        return
    width = max(map(len, rows))
    aligned = {name: value.replace("\n", "\n" + " " * (width + 4)) for name, value in rows.items()}
    lines = (f"  {name:{width}}  {value}" for name, value in aligned.items())
    sys.stderr.write("\n".join(["", *lines, "", ""]))


def summary(run: CrawlRun, verdict: str, reason: str) -> dict[str, str]:
    """The run in a dozen lines, by name. If the database was away, the row may lack its verdict."""
    rows = {"verdict": verdict, "reason": reason, "messages": run.messages}
    for name in COUNTERS if run.requests else ():
        rows[name] = f"{getattr(run, name):,}"
    if run.finished_at and run.started_at:
        rows["time"] = f"{(run.finished_at - run.started_at).total_seconds():,.1f} s"
    return {name: without_secrets(str(value)) for name, value in rows.items() if value}
