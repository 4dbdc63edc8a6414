"""What `scrapy crawl` says to wrong options: one sentence and exit status 2, before anything is asked or written."""

import argparse
from pathlib import Path

import pytest
from scrapy.settings import Settings

from coincrawl.commands.settings import Command as SettingsCommand
from fake_api import FakeAPI
from tests.conftest import Crawl, python
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
        (["-s", "HTTPCACHE_ENABLED=1"], "HTTPCACHE_ENABLED cannot be used: answers would be kept as they came"),
        (["-s", "JOBDIR=FOLDER"], "JOBDIR cannot be used: what a run has proven cannot be kept there"),
        (
            ["-s", "EXTENSIONS={}"],
            "EXTENSIONS must keep coincrawl.extensions.feeds.Feeds: without it a run proves nothing.",
        ),
        (["-s", "DOWNLOADER_MIDDLEWARES={}"], "DOWNLOADER_MIDDLEWARES must keep coincrawl.middlewares.BackOff"),
        (["-s", 'DOWNLOAD_HANDLERS={"http": null}'], "DOWNLOAD_HANDLERS must keep http"),
        (["-s", "TWISTED_REACTOR=foo"], "TWISTED_REACTOR must stay as it is: crawls run on asyncio's loop."),
        (["-s", "ASYNCIO_EVENT_LOOP=foo"], "ASYNCIO_EVENT_LOOP must stay"),
        (["--pages", "3"], "No such option: --pages. See scrapy crawl --help."),
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
        "cache",
        "requests on disk",
        "no extensions",
        "no middlewares",
        "no handler",
        "another reactor",
        "another event loop",
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


def test_what_is_refused_may_be_switched_off(api: FakeAPI, crawl: Crawl) -> None:
    assert crawl(api, "-s", "HTTPCACHE_ENABLED=0", "-s", "JOBDIR=").returncode == 0


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
