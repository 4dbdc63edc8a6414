"""The log: one line for each record whatever it is about, tracebacks beside a margin, and no secret."""

import io
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from pprint import pformat
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from scrapy import Request, Spider
from scrapy.http import Response
from scrapy.logformatter import LogFormatter, LogFormatterResult
from scrapy.settings import Settings
from twisted.python import log as twisted_log

from coincrawl.log import LogFile, protect_log
from fake_api import FakeAPI, Market, answers
from tests.support.crawls import Crawl

FORGED = "x\n1999-12-31 23:59:59 [coincrawl] INFO: markets: complete"
SECRET = "CG-a1/b2 c3%ä\\d🚀\t9"
# A record's time, a traceback's margin, or a line of Scrapy's stats.
PREFIX = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[[\w.]+\] [A-Z]+: |  \| |[{ ]'[\w/.]+': ")


class Log(logging.Logger):
    """A logger of its own, whose lines can be looked at."""

    def __init__(self) -> None:
        super().__init__("coincrawl")
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        self.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().split("\n")[:-1]


@pytest.fixture
def log() -> Iterator[Log]:
    before = logging.getLogRecordFactory()
    protect_log(["", "abc", SECRET, f"{SECRET}-longer"])
    yield Log()
    protect_log([])
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (FORGED, r"x\n1999-12-31 23:59:59 [coincrawl] INFO: markets: complete"),
        ("x\r\ny\x0bz", r"x\r\ny\x0bz"),
        ("x\u2028y\u2029z\x85", r"x\u2028y\u2029z\x85"),
        ("\x1b[1A\x1b[2Kx", r"\x1b[1A\x1b[2Kx"),
        ("\u202etelpmoc", r"\u202etelpmoc"),
        ("x\0y", r"x\x00y"),
        ("x\ud800y", r"x\ud800y"),
        ("Jürgen's ビット 🚀", "Jürgen's ビット 🚀"),
        ("Jürgen\n", r"Jürgen\n"),
        (r"C:\new", r"C:\new"),
    ],
    ids=["newline", "returns", "unicode's newlines", "ANSI", "RTL", "NUL", "surrogate", "letters", "both", "backslash"],
)
def test_a_message_is_one_line(sent: str, line: str, log: Log) -> None:
    log.info("coin %s", sent)
    log.info("%(coin)s", {"coin": sent})
    log.info(sent)

    assert log.lines == [f"INFO: coin {line}", f"INFO: {line}", f"INFO: {line}"]


def test_every_line_of_a_traceback_has_a_margin(log: Log) -> None:
    try:
        raise ValueError(f"{FORGED}\r\x1b[2K")
    except ValueError:
        log.exception("A page failed")

    message, first, *others = log.lines
    assert (message, first) == ("ERROR: A page failed", "  | Traceback (most recent call last):")
    assert all(line.startswith("  | ") for line in others)
    assert others[-2:] == [
        "  | ValueError: x",
        r"  | 1999-12-31 23:59:59 [coincrawl] INFO: markets: complete\r\x1b[2K",
    ]


def test_every_line_of_a_stack_has_a_margin(log: Log) -> None:
    log.info("Here", stack_info=True)

    assert log.lines[:2] == ["INFO: Here", "  | Stack (most recent call last):"]
    assert all(line.startswith("  | ") for line in log.lines[1:])


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET).lower().replace("cg", "CG"),
        repr(SECRET)[1:-1],
        ascii(SECRET)[1:-1],
        f"{SECRET}-longer",
    ],
    ids=["plain", "in a path", "in a URL", "in a query", "in lower case", "by %r", "in ASCII", "the longer of two"],
)
def test_a_secret_is_hidden(written: str, log: Log) -> None:
    log.info("asked for ?key=%s&page=1", written)
    log.info(f"asked for ?key={written}&page=1")
    try:
        raise ValueError(written)
    except ValueError:
        log.exception("A page failed")

    assert log.lines[:2] == ["INFO: asked for ?key=***&page=1"] * 2
    assert log.lines[-1] == "  | ValueError: ***"


def test_a_text_that_is_too_short_for_a_secret_is_not_hidden(log: Log) -> None:
    log.info("abc and abcde")

    assert log.lines == ["INFO: abc and abcde"]


def test_without_secrets_nothing_is_hidden(log: Log) -> None:
    protect_log([""])

    log.info("all of it")

    assert log.lines == ["INFO: all of it"]


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("%d coins", (FORGED,)), ("%s of %s", (FORGED,)), ("%(name)s", (FORGED,)), (FORGED, (SECRET,))],
    ids=["another type", "too few", "no mapping", "too many"],
)
def test_a_message_whose_arguments_do_not_fit_is_one_line(
    message: str, arguments: tuple[str], log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info(message, *arguments)

    [line] = log.lines
    assert line.startswith(f"INFO: {message!r} % (")
    assert SECRET not in line
    assert "1999-12-31" in line
    assert capsys.readouterr().err == ""


def test_an_error_with_an_invalid_exc_info_is_logged(log: Log) -> None:
    not_one: Any = (ValueError,)

    log.error("A page failed", exc_info=not_one)

    assert log.lines[0] == "ERROR: A page failed"
    assert log.lines[1].startswith("  | (its traceback cannot be written: ")


# End to end ------------------------------------------------------------------------------------------


def log_of(stderr: str) -> str:
    """The log without the summary and the line that follows it."""
    return stderr.partition("  verdict ")[0].rstrip()


def forged(log: str) -> list[str]:
    return [line for line in log.splitlines() if not PREFIX.match(line) or line.startswith("1999")]


def test_scrapys_stats_have_lines_of_their_own_which_are_no_records_and_hold_no_secret(log: Log) -> None:
    stats = pformat({"a": 1, f"exception/{FORGED}": 2, f"reason/{SECRET}": "\u2028"})
    record = logging.getLogRecordFactory()(
        "scrapy.statscollectors", logging.INFO, "", 0, f"Stats:\n{stats}", None, None
    )

    lines = record.getMessage().split("\n")

    assert lines == [
        "Stats:",
        "{'a': 1,",
        r" 'exception/x\n1999-12-31 23:59:59 [coincrawl] INFO: markets: complete': 2,",
        r" 'reason/***': '\u2028'}",
    ]


@pytest.mark.parametrize("to_file", [False, True], ids=["stderr", "file"])
def test_a_coin_cannot_forge_a_line(to_file: bool, api: FakeAPI, crawl: Crawl, tmp_path: Path) -> None:
    name, coin_id = api.market.record("bitcoin") | {"name": FORGED}, api.market.record("ethereum") | {"id": FORGED}
    api.market.replace("bitcoin", name)
    api.market.replace("ethereum", coin_id)

    done = crawl(api, "-L", "DEBUG", *(["--logfile", str(tmp_path / "log")] if to_file else []))

    log = (tmp_path / "log").read_text() if to_file else log_of(done.stderr)
    assert "1999-12-31" in log
    assert forged(log) == []


class Chatterbox(LogFormatter):
    """Has Twisted and Python's warnings say something whenever a page was fetched."""

    def crawled(self, request: Request, response: Response, spider: Spider) -> LogFormatterResult:
        twisted_log.err(ValueError(FORGED), "Twisted")
        warnings.warn(FORGED, stacklevel=1)
        return super().crawled(request, response, spider)


def test_twisted_and_warnings_cannot_forge_a_line_either(api: FakeAPI, crawl: Crawl) -> None:
    done = crawl(api, "-s", "LOG_FORMATTER=tests.crawler.test_log.Chatterbox", PYTHONWARNINGS="")

    log = log_of(done.stderr)
    assert re.search(r"\[twisted\] CRITICAL: .*1999-12-31", log)
    assert re.search(r"\[py.warnings\] WARNING: .*1999-12-31", log)
    assert forged(log) == []


def test_a_key_that_the_api_repeats_is_not_shown(crawl: Crawl) -> None:
    with FakeAPI(Market(coins=300)) as api:
        api.fault(answers.error(401, {"error": "a-demo-key is unknown"}))
        done = crawl(api, "-L", "DEBUG", COINGECKO_PLAN="demo", COINGECKO_API_KEY="a-demo-key")

    assert done.returncode == 1
    assert "*** is unknown" in done.stderr
    assert "a-demo-key" not in done.stderr


def test_the_databases_password_is_not_shown(api: FakeAPI, crawl: Crawl) -> None:
    url = "postgres://user:127.0.0.1@127.0.0.1:9/name"  # a password that the driver repeats

    done = crawl(api, "-s", "DATABASE_PATIENCE=0", DATABASE_URL=url)

    assert done.returncode == 1
    assert "***" in done.stderr
    assert "127.0.0.1" not in done.stderr


def log_file(path: Path, **settings: Any) -> LogFile:
    usual = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "%(name)s: %(message)s", "JOB_CLAIM": ""}
    return LogFile(Settings({"LOG_FILE": str(path)} | usual | settings))


def write(handler: LogFile, message: str, name: str = "coincrawl", level: int = logging.INFO) -> None:
    if level >= handler.level:  # as a logger asks
        handler.handle(logging.LogRecord(name, level, "", 0, message, (), None))


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({}, ["before", "scrapy.core.engine: ä"]),
        ({"LOG_FILE_APPEND": False}, ["scrapy.core.engine: ä"]),
        ({"LOG_SHORT_NAMES": True}, ["before", "scrapy: ä"]),
        ({"LOG_LEVEL": "ERROR"}, ["before"]),
    ],
    ids=str,
)
def test_a_log_file_is_as_scrapys_settings_say(settings: dict[str, Any], lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")

    handler = log_file(path, **settings)
    write(handler, "ä", "scrapy.core.engine")
    handler.close()

    assert path.read_text("utf-8").splitlines() == lines
    assert handler.fault == ""


def test_a_log_file_on_a_full_disk_says_so_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    handler = log_file(Path("/dev/full"))

    for message in ("x", "y" * 100_000):
        write(handler, message)
    handler.close()

    assert handler.fault == "No space left on device: /dev/full"
    assert capsys.readouterr() == ("", "")


def with_a_line_lost(in_the_way: Path) -> LogFile:
    """A job's log file whose folder could not be made for the first line, and can be for the next."""
    in_the_way.touch()
    handler = log_file(in_the_way / "markets" / "log", JOB_CLAIM="claim")
    write(handler, "lost")
    in_the_way.unlink()
    return handler


def test_a_jobs_log_file_is_made_as_soon_as_it_can_be(tmp_path: Path) -> None:
    in_the_way = tmp_path / "logs"
    handler = with_a_line_lost(in_the_way)

    write(handler, "kept")
    handler.close()

    assert (in_the_way / "markets" / "log").read_text() == "coincrawl: kept\n"
    assert handler.fault == f"Not a directory: {in_the_way / 'markets' / 'log'}"


def test_the_first_fault_of_a_log_file_stays(tmp_path: Path) -> None:
    in_the_way = tmp_path / "logs"
    handler = with_a_line_lost(in_the_way)

    (in_the_way / "markets" / "log").mkdir(parents=True)
    write(handler, "lost")

    assert handler.fault.startswith("Not a directory")
