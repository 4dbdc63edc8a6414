"""Fixtures of the tests of runs, schedules and nodes."""

import pytest

from tests.support.factories import NOON
from webapp.coins import clock
from webapp.crawls.models import Node


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that slots go by stands at noon, a Thursday's."""
    monkeypatch.setattr(clock, "database_clock", lambda: NOON)


@pytest.fixture
def alive_node(db: None) -> None:
    Node.objects.heartbeat("berlin-1", capacity=4)
