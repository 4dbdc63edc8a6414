"""scrapyd's log, in which nothing that somebody has sent can begin a line."""

from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from webapp.coins.texts import printable

LONGEST = 2_000  # characters of a value, or of a line of a traceback


class Log(Logger):
    """Twisted's, with each value as one line of ASCII. Twisted indents all lines of a message but the first."""

    def emit(self, level: Any, format: str | None = None, **values: Any) -> None:  # noqa: A002 - Twisted's name
        failure: Failure | None = values.pop("log_failure", None)
        values = {name: printable(value, LONGEST) for name, value in values.items()}
        if failure:
            format = f"{format}\n{{traceback}}"  # noqa: A001
            values["traceback"] = "\n".join(printable(line, LONGEST) for line in failure.getTraceback().splitlines())
        super().emit(level, format, **values)
