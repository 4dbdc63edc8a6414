"""scrapyd's log: nothing that a client has sent can begin a line, and what fails every second is logged once."""

from types import TracebackType
from typing import Any

from django.db import Error
from twisted.logger import Logger
from twisted.python.failure import Failure

from webapp.coins.texts import one_line, printable

MAX_LENGTH = 2_000  # characters of a value, or of a line of a traceback


class Log(Logger):
    """Twisted's, with each value as one line of ASCII. Twisted indents all lines of a message but the first."""

    def emit(self, level: Any, format: str | None = None, **values: Any) -> None:  # noqa: A002 - Twisted's name
        failure: Failure | None = values.pop("log_failure", None)
        values = {name: printable(value, MAX_LENGTH) for name, value in values.items()}
        if failure:
            format = f"{format}\n{{traceback}}"  # noqa: A001
            lines = failure.getTraceback().splitlines()
            values["traceback"] = "\n".join(printable(line, MAX_LENGTH) for line in lines)
        super().emit(level, format, **values)


class RepeatedErrors:
    """A context for what is tried again and again: no error leaves it, and a repeated one is logged once.

    The end of the errors is logged too. A database error takes one line, any other has a traceback.
    """

    def __init__(self, log: Logger, fails: str, succeeds: str) -> None:
        self._log, self._fails, self._succeeds = log, fails, succeeds
        self._last = ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        last, self._last = self._last, f"{type(error).__name__}: {one_line(error)}" if error else ""
        if last and not error:
            self._log.info("{what}", what=self._succeeds)
        elif self._last != last and isinstance(error, Error):
            self._log.warn("{what}: {error} (is it there, and migrated?)", what=self._fails, error=self._last)
        elif self._last != last:
            self._log.failure("{what}", what=self._fails)
        return isinstance(error, Exception)
