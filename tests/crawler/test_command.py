"""What `scrapy crawl` says to wrong options: one sentence and exit status 2, before anything is asked or written."""

import argparse
import math
from pathlib import Path
from typing import Any

import pytest
from scrapy.crawler import Crawler
from scrapy.exceptions import UsageError
from scrapy.settings import BaseSettings, Settings
from scrapy.utils.project import get_project_settings

from coincrawl.checked_settings import LEAST, check, check_event_loop
from coincrawl.commands.settings import Command as SettingsCommand
from coincrawl.spiders.markets import MarketsSpider
from fake_api import FakeAPI
from tests.support.crawls import Crawl
from tests.support.processes import python
from webapp.crawls.models import CrawlRun

LEVELS = "check the options of the log (-L is one of DEBUG, INFO, WARNING, ERROR, CRITICAL)."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-L", "FOO"], f"Unknown level: 'FOO': {LEVELS}"),
        (["-s", "LOG_LEVEL=FOO"], f"Unknown level: 'FOO': {LEVELS}"),
        (["--logfile", "FOLDER/no/log"], "FOLDER/no/log cannot be written: No such file or directory."),
        (["--logfile", "FOLDER"], "FOLDER cannot be written: Is a directory."),
        (["-s", "LOG_FILE=FOLDER/no/log"], "FOLDER/no/log cannot be written: No such file or directory."),
        (["--logfile", "FOLDER/log", "-s", "LOG_ENCODING=foo"], f"unknown encoding: foo: {LEVELS}"),
        (["--pidfile", "FOLDER/no/pid"], "FOLDER/no/pid cannot be written: No such file or directory."),
        (["-a", "pages"], "Invalid -a value, use -a NAME=VALUE"),
        (["-s", "LOG_LEVEL"], "Invalid -s value, use -s NAME=VALUE"),
        (["-O", "coins.foo"], "Unrecognized output format 'foo'. Set a supported one"),
        (["-s", "JOBDIR=FOLDER"], "JOBDIR cannot be used: what a run has proven cannot be kept there"),
        (["-s", "HEARTBEAT_SECONDS=x"], "HEARTBEAT_SECONDS is 'x' and must be a number from 0.01 to 60."),
        (["-s", "TWISTED_REACTOR=foo"], "TWISTED_REACTOR must stay as it is: crawls run on asyncio's loop."),
        (["--pages", "3"], "No such option: --pages. A spider's arguments are given with -a: scrapy crawl markets -a "),
    ],
    ids=[
        "level",
        "level as a setting",
        "no folder",
        "a folder",
        "no folder as a setting",
        "encoding",
        "pid file",
        "argument without =",
        "setting without =",
        "format",
        "requests on disk",
        "no number",
        "another reactor",
        "no such option",
    ],
)
def test_wrong_options_end_with_a_sentence(
    options: list[str], sentence: str, api: FakeAPI, crawl: Crawl, tmp_path: Path
) -> None:
    done = crawl(api, *(option.replace("FOLDER", str(tmp_path)) for option in options))

    assert done.returncode == 2
    assert f"error: {sentence.replace('FOLDER', str(tmp_path))}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert api.requests == []
    assert not CrawlRun.objects.exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"HTTPCACHE_ENABLED": "1"}, "HTTPCACHE_ENABLED cannot be used: it writes answers to disk"),
        ({"JOBDIR": "folder"}, "JOBDIR cannot be used: what a run has proven cannot be kept there"),
        ({"EXTENSIONS": {}}, "EXTENSIONS must keep coincrawl.extensions.feeds.Feeds: without it a run proves nothing."),
        ({"DOWNLOADER_MIDDLEWARES": {}}, "DOWNLOADER_MIDDLEWARES must keep coincrawl.middlewares.BackOff"),
        ({"DOWNLOAD_HANDLERS": {"http": None}}, "DOWNLOAD_HANDLERS must keep http"),
        ({"COINGECKO_PLAN": "foo"}, "^COINGECKO_PLAN is 'foo' and must be one of keyless, demo, "),
        ({"TELNETCONSOLE_ENABLED": "1"}, "^TELNETCONSOLE_ENABLED cannot be used: other processes could control"),
        ({"BATCH_SIZE": "0"}, "^BATCH_SIZE is '0' and must be a whole number from 1 up.$"),
        ({"RETRY_TIMES": "1.5"}, "^RETRY_TIMES is '1.5' and must be a whole number from 0 up.$"),
        ({"RETRY_TIMES": None}, "^RETRY_TIMES is None and must be a whole number from 0 up.$"),
        ({"RETRY_TIMES": math.inf}, "^RETRY_TIMES is inf and must be a whole number from 0 up.$"),
        (
            {"COINGECKO_CALLS_PER_MINUTE": "ten"},
            "^COINGECKO_CALLS_PER_MINUTE is 'ten' and must be a number from 0 up.$",
        ),
        ({"DATABASE_PATIENCE": "nan"}, "^DATABASE_PATIENCE is 'nan' and must be a number from 0 up.$"),
        ({"DATABASE_PATIENCE": ""}, "^DATABASE_PATIENCE is '' and must be a number from 0 up.$"),
        ({"HEARTBEAT_SECONDS": "61"}, "^HEARTBEAT_SECONDS is '61' and must be a number from 0.01 to 60.$"),
        ({"DOWNLOAD_DELAY": "6"}, "^DOWNLOAD_DELAY is '6' and must be a number from 0 to 5.$"),
        ({"VS_CURRENCY": "eur"}, "^VS_CURRENCY is set in the environment or in .env"),
        ({"AUTOTHROTTLE_ENABLED": "maybe"}, "^AUTOTHROTTLE_ENABLED is 'maybe' and must be True or False.$"),
        ({"DEPTH_LIMIT": "1.5"}, "^DEPTH_LIMIT is '1.5' and must be a whole number.$"),
        ({"DNS_TIMEOUT": "x"}, "^DNS_TIMEOUT is 'x' and must be a number.$"),
    ],
    ids=str,
)
def test_a_setting_that_a_run_cannot_do_with_is_rejected(settings: dict[str, Any], sentence: str) -> None:
    given = crawl_settings_with(settings)

    with pytest.raises(UsageError, match=sentence):
        check(given)


@pytest.mark.parametrize("name", LEAST)
def test_a_number_below_the_least_is_rejected(name: str) -> None:
    least = LEAST[name]

    with pytest.raises(UsageError, match=f"^{name} is '-1' and must be .* from {least:g} "):
        check(crawl_settings_with({name: "-1"}))
    check(crawl_settings_with({name: str(least)}))


@pytest.mark.parametrize("name", ["TWISTED_REACTOR", "ASYNCIO_EVENT_LOOP"])
def test_another_event_loop_is_rejected(name: str) -> None:
    given = crawl_settings_with({name: "foo"})

    with pytest.raises(UsageError, match=f"{name} must stay as it is: crawls run on asyncio's loop."):
        check_event_loop(given)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"HTTPCACHE_ENABLED": "0", "JOBDIR": ""},
        {"COINGECKO_CALLS_PER_MINUTE": "0.5", "DNS_TIMEOUT": "1.5", "HEARTBEAT_SECONDS": "60", "STATS_DUMP": "true"},
    ],
    ids=["none", "off", "numbers"],
)
def test_other_settings_are_accepted(settings: dict[str, Any]) -> None:
    given = crawl_settings_with(settings)

    check(given)
    check_event_loop(given)


def crawl_settings_with(settings: dict[str, Any]) -> BaseSettings:
    """Those of a crawl, with others from a project in place of some."""
    of_project = get_project_settings()
    of_project.set("RECORD_RUNS", value=True)
    crawler = Crawler(MarketsSpider, of_project)
    for name, value in settings.items():
        crawler.settings.set(name, value, "cmdline")
    return crawler.settings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *((f"--{getter}=COINGECKO_API_KEY", "set\n") for getter in ("get", "getbool", "getint", "getfloat", "getlist")),
        ("--get=API_TOKEN", "not set\n"),
        ("--getint=RETRY_TIMES", "5\n"),
        ("--getlist=FEED_EXPORT_FIELDS", "['coin_id', 'symbol']\n"),
    ],
)
def test_the_settings_command_says_of_a_secret_only_whether_it_is_set(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, parser = SettingsCommand(), argparse.ArgumentParser()
    command.settings = Settings(
        {
            "SPIDER_MODULES": ["coincrawl.spiders"],
            "COINGECKO_API_KEY": "CG-key",
            "API_TOKEN": "",
            "RETRY_TIMES": 5,
            "FEED_EXPORT_FIELDS": ["coin_id", "symbol"],
        }
    )
    command.add_options(parser)

    command.run([], parser.parse_args([options]))

    assert capsys.readouterr().out == said


def test_it_is_the_settings_command() -> None:
    environment = {"COINGECKO_API_KEY": "CG-key", "DATABASE_URL": "sqlite:///var/unused.sqlite3"}

    done = python(["-m", "scrapy", "settings", "--get", "COINGECKO_API_KEY"], environment)

    assert done.stdout == "set\n"
