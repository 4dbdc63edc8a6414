"""What scrapyd's log says of something that fails again and again."""

import io
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from twisted.logger import Logger, globalLogPublisher, textFileLogObserver

from coincrawl.scrapyd.log import RepeatedErrors


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    file = io.StringIO()
    observer = textFileLogObserver(file)
    globalLogPublisher.addObserver(observer)  # type: ignore[arg-type]  # zope's interfaces are none to mypy
    yield file
    globalLogPublisher.removeObserver(observer)  # type: ignore[arg-type]


@pytest.fixture
def errors() -> RepeatedErrors:
    return RepeatedErrors(Logger(), "It fails", "It works again")


def test_an_error_is_logged_once_and_so_is_its_end(errors: RepeatedErrors, log: io.StringIO) -> None:
    for words in ("", "gone", "gone", "locked", "", "", "gone"):
        with errors:
            if words:
                raise OperationalError(words)

    assert [line.partition("] ")[2] for line in log.getvalue().splitlines()] == [
        "It fails: OperationalError: gone (is it there, and migrated?)",
        "It fails: OperationalError: locked (is it there, and migrated?)",
        "It works again",
        "It fails: OperationalError: gone (is it there, and migrated?)",
    ]


def test_an_error_that_is_not_the_databases_has_a_traceback(errors: RepeatedErrors, log: io.StringIO) -> None:
    with errors:
        raise KeyError("x")

    assert "Traceback" in log.getvalue()


def test_an_exit_is_not_swallowed(errors: RepeatedErrors) -> None:
    with pytest.raises(SystemExit), errors:
        raise SystemExit
