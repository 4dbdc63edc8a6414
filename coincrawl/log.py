"""Makes the log safe: no text from outside can forge a line, and no line contains a secret, in any handler."""

import logging
import re
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, ClassVar

from scrapy.settings import BaseSettings, Settings
from scrapy.utils.log import TopLevelFormatter

from coincrawl.masking import pattern_of

MARGIN = "  | "  # before each line of a traceback; a record's own line begins with its time
TAIL_LINES = 200
TAIL_SIZE = 100_000  # characters of a run's log, or bytes of its file
STATS = "scrapy.statscollectors"  # logs a dict in several lines, which tools read
MIN_SECRET = 4  # characters; a shorter secret is part of ordinary words, and masking these would reveal it

_formatter = logging.Formatter()


def protect_log(secrets: Iterable[str]) -> None:
    """Make all later records safe, with `***` in place of a secret.

    This changes the records, not a handler, because Scrapy installs a new handler when a crawl begins.
    """
    SafeRecord.secret = pattern_of(*(secret for secret in secrets if len(secret) >= MIN_SECRET))
    logging.setLogRecordFactory(SafeRecord)


def without_secrets(text: str) -> str:
    return SafeRecord.secret.sub("***", text)


class SafeRecord(logging.LogRecord):
    """A record with a message of one line, except for Scrapy's stats, and a margin beside its traceback."""

    secret: ClassVar[re.Pattern[str]] = pattern_of()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info:
            try:
                traceback = _formatter.formatException(self.exc_info)
            except Exception as error:  # logging an error must not raise another
                traceback = f"(its traceback cannot be written: {error!r})"
            self.exc_text = _with_margin(traceback)  # the formatter uses it as it is
        if self.stack_info:
            self.stack_info = _with_margin(self.stack_info)

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        try:
            message = super().getMessage()
        except Exception as error:  # invalid arguments: logging would print them past its handlers
            message = f"{self.msg!r} % {self.args!r} ({error!r})"
        if self.name == STATS:
            return "\n".join(map(_printable, without_secrets(message).split("\n")))
        return _printable(without_secrets(message))


class LogFile(logging.FileHandler):
    """Scrapy's LOG_FILE. A line that cannot be written is lost, and `fault` says why: the crawl goes on.

    Raises OSError if the file cannot be opened, LookupError or ValueError if a setting is invalid. A job's file is
    opened, and its folder made, for the first record, or for a later one if that fails.
    """

    def __init__(self, settings: Settings) -> None:
        self.fault = ""
        self._is_job = bool(settings["JOB_CLAIM"])
        mode = "a" if settings.getbool("LOG_FILE_APPEND") else "w"
        super().__init__(settings["LOG_FILE"], mode, settings["LOG_ENCODING"], delay=self._is_job)
        self.setFormatter(logging.Formatter(settings["LOG_FORMAT"], settings["LOG_DATEFORMAT"]))
        self.setLevel(settings["LOG_LEVEL"])
        if settings.getbool("LOG_SHORT_NAMES"):
            self.addFilter(TopLevelFormatter(["scrapy"]))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it could not be opened
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Keep the first error. logging would print a traceback for each record."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self.fault = self.fault or f"{error.strerror}: {self.baseFilename}"
        else:
            super().handleError(record)

    def close(self) -> None:
        with suppress(OSError):  # buffered lines still cannot be written
            super().close()

    def _open(self) -> TextIOWrapper:
        if self._is_job:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


def log_fault() -> str:
    """Why lines of the log could not be written; empty if all were."""
    return "; ".join(handler.fault for handler in logging.getLogger().handlers if isinstance(handler, LogFile))


class RunLog(logging.Handler):
    """Keeps the last TAIL_LINES lines of a run's log, and counts errors, even those that LOG_LEVEL hides."""

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings["LOG_LEVEL"])
        self.setFormatter(logging.Formatter(settings["LOG_FORMAT"], settings["LOG_DATEFORMAT"]))
        self.errors = 0
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._tail_level = self.level
        self.setLevel(min(self.level, logging.ERROR))

    def emit(self, record: logging.LogRecord) -> None:
        self.errors += record.levelno >= logging.ERROR
        if record.levelno >= self._tail_level:
            self._lines.extend(self.format(record).split("\n"))

    def tail(self) -> str:
        return "\n".join(list(self._lines))[-TAIL_SIZE:]  # copied first: another thread calls this


def _with_margin(text: str) -> str:
    return "\n".join(MARGIN + _printable(line) for line in without_secrets(text).split("\n"))


def _printable(text: str) -> str:
    """The text as one line. Letters of all languages stay; control characters and the like are escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
