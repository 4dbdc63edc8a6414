"""A log that nobody outside can forge and that holds no secret, whichever handler writes it."""

import logging
import re
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, ClassVar

from scrapy.settings import Settings
from scrapy.utils.log import TopLevelFormatter

MARGIN = "  | "  # before every line of a traceback: a record's own line begins with its time
TAIL_LINES = 200
TAIL_SIZE = 100_000  # characters of a run's log, or bytes of its file
STATS = "scrapy.statscollectors"  # logs a dict in lines of its own, which tools read: they begin with {' or a space
SHORTEST = 4  # characters; anything shorter stands in ordinary words, and what is missing from them would tell it

_unusual = re.compile("[^ -~]")
_formatter = logging.Formatter()


def guard(secrets: Iterable[str]) -> None:
    """From now on write every record safely, with `***` in place of a secret.

    It is the records that are made safe and not a handler: Scrapy puts up a new handler whenever a crawl begins.
    """
    SafeRecord.secret = _any_of(secrets)
    logging.setLogRecordFactory(SafeRecord)


def without_secrets(text: str) -> str:
    return SafeRecord.secret.sub("***", text)


class SafeRecord(logging.LogRecord):
    """A record with a message of one line, but for Scrapy's stats, and with a margin beside its traceback."""

    secret: ClassVar[re.Pattern[str]] = re.compile("(?!)")  # found nowhere

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info:
            try:
                traceback = _formatter.formatException(self.exc_info)
            except Exception as error:  # who logs an error must not get another one for it
                traceback = f"(its traceback cannot be written: {error!r})"
            self.exc_text = _with_margin(traceback)  # a formatter that finds one makes none
        if self.stack_info:
            self.stack_info = _with_margin(self.stack_info)

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        try:
            message = super().getMessage()
        except Exception as error:  # arguments that do not fit: logging would print them past its handlers
            message = f"{self.msg!r} % {self.args!r} ({error!r})"
        if self.name == STATS:
            return "\n".join(map(_printable, without_secrets(message).split("\n")))
        return _printable(without_secrets(message))


class LogFile(logging.FileHandler):
    """Scrapy's LOG_FILE. What cannot be written is lost, and `fault` says why: nothing else fails because of it.

    A person's is opened at once: OSError where it cannot be, LookupError or ValueError where a setting is wrong. One
    of a job that is run unattended is opened, and its folder made, as soon as that is possible.
    """

    def __init__(self, settings: Settings) -> None:
        self.fault = ""
        self._unattended = bool(settings["JOB_CLAIM"])
        mode = "a" if settings.getbool("LOG_FILE_APPEND") else "w"
        super().__init__(settings["LOG_FILE"], mode, settings["LOG_ENCODING"], delay=self._unattended)
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
        """Take note of the first error; logging would print a traceback for each record."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self.fault = self.fault or f"{error.strerror}: {self.baseFilename}"
        else:
            super().handleError(record)

    def close(self) -> None:
        with suppress(OSError):  # what it could not write before
            super().close()

    def _open(self) -> TextIOWrapper:
        if self._unattended:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


def log_fault() -> str:
    """Why lines of the log could not be written; empty where all were."""
    return "; ".join(handler.fault for handler in logging.getLogger().handlers if isinstance(handler, LogFile))


class Tail(logging.Handler):
    """Keeps the last lines of the log."""

    def __init__(self, format: str, date_format: str) -> None:  # noqa: A002 - logging's name
        super().__init__()
        self.setFormatter(logging.Formatter(format, date_format))
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.extend(self.format(record).split("\n"))

    def text(self) -> str:
        return "\n".join(list(self._lines))[-TAIL_SIZE:]  # copied at once: another thread asks


def _with_margin(text: str) -> str:
    return "\n".join(MARGIN + _printable(line) for line in without_secrets(text).split("\n"))


def _printable(text: str) -> str:
    """The text as one line: letters of all languages stay, what moves a cursor or turns a line round does not."""
    return text if text.isprintable() else _unusual.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    return match[0] if match[0].isprintable() else _as_escape(match[0])


def _as_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _any_of(secrets: Iterable[str]) -> re.Pattern[str]:
    """Finds each secret, however its characters are written; of two that overlap the longer one."""
    secrets = sorted((secret for secret in secrets if len(secret) >= SHORTEST), key=len, reverse=True)
    patterns = ["".join(f"(?:{'|'.join(map(re.escape, _ways(char)))})" for char in secret) for secret in secrets]
    return re.compile("|".join(patterns) or "(?!)")


def _ways(character: str) -> set[str]:
    """How a character is written in a text, a URL and a Python string: `ä`, `%c3%a4`, `%C3%A4`, `\\xe4`."""
    encoded = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    ways = {character, encoded, encoded.upper(), _as_escape(character)}
    return ways | {"+"} if character == " " else ways
