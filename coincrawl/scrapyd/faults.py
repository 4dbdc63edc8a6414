"""What fails again and again, told once."""

from django.db import Error
from twisted.logger import Logger

from webapp.coins.texts import one_line


class Fault:
    """What is tried every second: told when it begins to fail, when it fails otherwise, and when it succeeds again."""

    def __init__(self, log: Logger, fails: str, succeeds: str) -> None:
        self._log, self._fails, self._succeeds = log, fails, succeeds
        self._told = ""

    def tell(self, error: Exception) -> None:
        """In a line where the database fails, and with a traceback where nobody expected it."""
        words = f"{type(error).__name__}: {one_line(error)}"
        if words != self._told and isinstance(error, Error):
            self._log.warn("{what}: {words} (is the database there, and migrated?)", what=self._fails, words=words)
        elif words != self._told:
            self._log.failure("{what}", what=self._fails)
        self._told = words

    def is_over(self) -> None:
        if self._told:
            self._log.info("{what}", what=self._succeeds)
        self._told = ""
