"""What scrapyd's log says of something that fails again and again."""

import io
from collections.abc import Iterator

import pytest
from django.db import OperationalError
from twisted.logger import Logger, globalLogPublisher, textFileLogObserver

from coincrawl.scrapyd.faults import Fault


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    file = io.StringIO()
    observer = textFileLogObserver(file)
    globalLogPublisher.addObserver(observer)  # type: ignore[arg-type]  # zope's interfaces are none to mypy
    yield file
    globalLogPublisher.removeObserver(observer)  # type: ignore[arg-type]


def tell(fault: Fault, error: Exception) -> None:
    try:
        raise error
    except Exception as raised:
        fault.tell(raised)


def test_a_fault_is_told_once_and_so_is_its_end(log: io.StringIO) -> None:
    fault = Fault(Logger(), "It fails", "It works again")

    fault.is_over()
    for words in ("gone", "gone", "locked"):
        tell(fault, OperationalError(words))
    fault.is_over()
    fault.is_over()
    tell(fault, OperationalError("gone"))

    assert [line.partition("] ")[2] for line in log.getvalue().splitlines()] == [
        "It fails: OperationalError: gone (is the database there, and migrated?)",
        "It fails: OperationalError: locked (is the database there, and migrated?)",
        "It works again",
        "It fails: OperationalError: gone (is the database there, and migrated?)",
    ]


def test_a_fault_that_nobody_expected_has_a_traceback(log: io.StringIO) -> None:
    tell(Fault(Logger(), "It fails", "It works again"), KeyError("x"))

    assert "Traceback" in log.getvalue()
