"""What people and programs are told of a crawl: sentences, the summary, the bar, the exit status."""

import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Self

import pytest
from scrapy import signals
from scrapy.crawler import Crawler

from coincrawl.commands.crawl import report, show
from coincrawl.components import extension
from coincrawl.extensions.progress import Progress
from coincrawl.extensions.run import RunRecord
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI, Market, answers
from tests.support.crawls import Crawl, crawl_command, last_run
from tests.support.processes import PATIENCE
from tests.support.spiders import make_spider
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

COUNTS = ("seen", "created", "updated", "unchanged", "stale", "duplicates", "rejected")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-a", "per_page=0"], "per_page is a whole number from 1 to 250"),
        (["-a", "order=foo"], "order is one of id_asc, id_desc, market_cap_asc"),
        (["-a", "pagez=1"], "markets has no argument 'pagez'. Its arguments: order, per_page, pages, category, ids."),
        (["-a", "ids=bitcoin", "-a", "pages=1"], "ids and pages cannot be given together"),
        (["pages=1"], "Name one spider. A spider's arguments are given with -a: scrapy crawl markets -a pages=1."),
    ],
    ids=["out of range", "no such choice", "no such name", "excluding each other", "without -a"],
)
def test_wrong_arguments_end_at_once_with_a_sentence(
    arguments: list[str], sentence: str, api: FakeAPI, crawl: Crawl
) -> None:
    done = crawl(api, *arguments)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert api.requests == []
    assert not CrawlRun.objects.exists()


def test_an_apis_words_are_shown_as_they_are(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.error(422, {"error": "bad [/currency] [bold]here :smile:"}))

    done = crawl(api)

    assert done.returncode == 1
    assert "bad [/currency] [bold]here :smile:" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_database_that_is_not_migrated_is_named_as_such(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    done = crawl(api, DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    assert done.returncode == 1
    assert "run `python webapp/manage.py migrate` first" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert api.requests == []


def test_another_currency_than_the_databases_is_refused(api: FakeAPI, crawl: Crawl) -> None:
    crawl(api)
    api.requests.clear()

    done = crawl(api, VS_CURRENCY="eur")

    assert done.returncode == 1
    assert "the database holds prices in usd, and VS_CURRENCY is eur" in last_run().reason
    assert api.requests == []


def test_an_api_that_cannot_be_reached_is_one_sentence(crawl: Crawl) -> None:
    done = crawl("http://127.0.0.1:9/api/v3")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("markets: failed: 127.0.0.1:9 refuses connections: is it up?")
    assert "Traceback" not in done.stderr


def test_the_last_line_of_the_log_is_the_verdict(api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    crawl(api, "--logfile", str(tmp_path / "log"), "-L", "DEBUG")

    assert re.search(
        r"markets: complete \(7 pages, 7 requests, 600 seen", (tmp_path / "log").read_text().splitlines()[-1]
    )


def test_the_summary_has_every_count(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api)

    lines = [line.split(maxsplit=1) for line in done.stderr.splitlines() if re.match("  [a-z]", line)]
    summary = dict(line for line in lines if len(line) == 2)
    assert set(summary) == {"verdict", "messages", "pages", "requests", *COUNTS, "missing", "time"}
    assert summary["created"].strip() == "600"


def test_the_way_to_the_whole_market_is_announced_with_its_time(api: FakeAPI, crawl: Crawl) -> None:
    api.fault(answers.KEY_MISSING)

    done = crawl(api, COINGECKO_CALLS_PER_MINUTE="3")

    assert "about 77 pages; at this pace that takes about 26 minutes" in done.stderr


def test_a_pipe_gets_a_line_now_and_then(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-s", "LOGSTATS_INTERVAL=0.1", COINGECKO_CALLS_PER_MINUTE="300")

    assert re.search(r"\] INFO: \d of \d pages, \d+ coins, [\d,]+ coins/(s|min), about \d+ s left", done.stderr)
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("unattended", [False, True])
def test_a_log_on_a_full_disk_changes_nothing_but_a_message(unattended: bool, api: FakeAPI, crawl: Crawl) -> None:
    options = ["-a", "_job=key", "-s", "JOB_CLAIM=claim"] if unattended else []
    if unattended:
        CrawlRun.objects.create(id="key", spider="markets", claim="claim")

    done = crawl(api, "-s", "LOG_FILE=/dev/full", *options)

    assert done.returncode == 0
    assert "not all of the log could be written (No space left on device: /dev/full)" in CrawlRun.objects.get().messages
    assert "Traceback" not in done.stderr


def test_a_terminal_or_a_file_that_takes_no_word_changes_no_exit_status(api: FakeAPI, database_url: str) -> None:
    with open("/dev/full", "w") as full:
        # A single coin, so that standard output fails only when it is flushed.
        command = crawl_command(
            api, database_url, "-a", "pages=1", "-a", "per_page=1", "-O", "-:json", PYTHONUNBUFFERED=""
        )
        done = subprocess.run(**command, stdout=full, stderr=full, check=False)

    run = CrawlRun.objects.get()
    assert (done.returncode, run.verdict) == (3, "partial")
    assert run.reason == "the feed stdout: could not be written: No space left on device"


def test_a_crawl_that_scrapy_could_not_set_up_has_failed(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-s", "STATS_CLASS=x")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("ERROR: markets: failed: the crawl did not start")
    assert not CrawlRun.objects.exists()


class Broken:
    """A component of Scrapy's with a bug in it."""

    def __init__(self, crawler: Crawler) -> None:
        crawler.signals.connect(self.fail, signals.spider_idle)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler)

    def fail(self) -> None:
        raise KeyError("a bug")


@pytest.mark.parametrize("level", ["DEBUG", "CRITICAL"])
def test_an_error_that_nobody_expected_spoils_the_run_whatever_the_log_shows(
    level: str, api: FakeAPI, crawl: Crawl
) -> None:
    done = crawl(api, "-L", level, "-s", 'SPIDER_MIDDLEWARES={"tests.crawler.test_summary.Broken": 1}')

    assert done.returncode == 3
    assert "unexpected error" in last_run().reason


def test_a_pipe_gets_each_value_whole_below_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    show({"verdict": "partial", "reason": "long " * 30 + "[bold]", "messages": "one\ntwo", "seen": "1,000"})

    assert capsys.readouterr().err.split("\n") == [
        "",
        "  verdict   partial",
        f"  reason    {'long ' * 30}[bold]",
        "  messages  one",
        "            two",
        "  seen      1,000",
        "",
        "",
    ]


def test_a_terminal_shows_a_bar(api: FakeAPI, database_url: str) -> None:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        **crawl_command(
            api.url,
            database_url,
            TERM="xterm",
            COLUMNS="140",
            COINGECKO_CALLS_PER_MINUTE="300",  # slow enough for a bar to be seen
        ),
        stderr=end,
    )
    os.close(end)
    shown = b""
    while chunk := _read(terminal):
        shown += chunk

    assert process.wait(PATIENCE) == 0
    assert b"coins/s" in shown or b"coins/min" in shown
    assert re.search(rb"\x1b\[1m *verdict", shown)  # the table, whose names are bold


def test_no_time_left_is_named_before_a_page_has_come() -> None:
    progress = extension(make_spider(MarketsSpider).crawler, Progress)
    progress.started, progress.interval = 0.0, 0.0

    assert progress._words(0, 77) == "0 of 77 pages"
    assert progress._words(1, 77).endswith(" left")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how a pseudo-terminal says that the other side has closed
        return b""


def test_the_key_goes_into_the_header_of_its_plan(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300), plan="demo", key="a-demo-key") as api:
        done = crawl(api, COINGECKO_PLAN="demo", COINGECKO_API_KEY="a-demo-key")

    assert done.returncode == 0
    assert all("a-demo-key" not in str(request.params) for request in api.requests)
    assert "a-demo-key" not in done.stderr


def test_a_list_that_is_longer_than_any_page_may_be_is_taken(api: FakeAPI, crawl: Crawl) -> None:
    listing = api.market.listing() + " " * (20 << 20)
    api.fault(answers.data(listing, **{"content-encoding": None}), path="/coins/list")

    done = crawl(api)

    assert (done.returncode, last_run().verdict, last_run().retries) == (0, "complete", 0)


def test_where_the_end_could_not_be_written_the_table_says_what_the_last_line_says(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    record = extension(make_spider(MarketsSpider).crawler, RunRecord)
    record.run = CrawlRun(spider="markets", verdict=Verdict.RUNNING, pages=3)
    record.verdict, record.reason = Verdict.FAILED, "the database fails (gone)"

    status = report("markets", record)

    summary = capsys.readouterr().err
    assert status == 1
    assert "failed" in summary
    assert "the database fails (gone)" in summary
    assert "running" not in summary
    assert caplog.messages[-1].startswith("markets: failed: the database fails (gone) (3 pages, ")
