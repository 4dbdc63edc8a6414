"""What `scrapy crawl` says to wrong options: one sentence and exit status 2, before anything is asked or written."""

from pathlib import Path

import pytest

from tests.conftest import Crawl
from tests.fake_api import FakeAPI
from webapp.coins.models import CrawlRun

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
