"""scrapyd's ticker: what it does besides the schedule, and how often."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

import pytest
from scrapyd.config import Config

from coincrawl.scrapyd.ticker import Ticker
from tests.support.factories import make_rejected, make_run
from webapp.crawls.models import CrawlRun, RejectedRecord


@pytest.fixture
def ticker(tmp_path: Path) -> Ticker:
    return Ticker(Config({"node_name": "node", "logs_dir": str(tmp_path), "jobs_to_keep": "5"}), capacity=1)


@pytest.mark.django_db
def test_old_logs_are_deleted_at_the_first_tick_and_then_once_an_hour(
    ticker: Ticker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "coincrawl" / "markets" / "old.log"
    log.parent.mkdir(parents=True)
    are_kept = []

    for now in (0.0, 3_599.0, 3_601.0):
        monkeypatch.setattr("coincrawl.scrapyd.ticker.monotonic", lambda now=now: 1_000.0 + now)
        log.touch()
        os.utime(log, (time() - 31 * 86_400,) * 2)
        ticker._tick()
        are_kept.append(log.exists())

    assert are_kept == [False, True, False]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ((1, 1, 290, 10, 0), [["first", "second"], ["third"], [], [], ["first", "second"]]),
        ((400, 1, 0), [["first", "second"], ["third"], ["first", "second"]]),
    ],
    ids=["every five minutes", "when the one before is done"],
)
def test_prices_are_rolled_up_in_as_many_ticks_as_it_takes(
    pauses: tuple[float, ...], expected: list[list[str]], ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, done = {"now": 1_000.0}, list[str]()
    monkeypatch.setattr("coincrawl.scrapyd.ticker.monotonic", lambda: clock["now"])

    def transactions() -> Iterator[None]:
        for name in ("first", "second", "third"):
            clock["now"] += 0.2
            done.append(name)
            yield

    monkeypatch.setattr("coincrawl.scrapyd.ticker.rollup.transactions", transactions)

    ticks = []
    for pause in pauses:
        ticker._tick()
        ticks.append(done.copy())
        done.clear()
        clock["now"] += pause

    assert ticks == expected


@pytest.mark.django_db
def test_old_runs_and_rejected_records_that_are_done_with_are_deleted(ticker: Ticker) -> None:
    now = datetime.now(UTC)
    make_run(id="old", started_at=now - timedelta(days=400))
    recent = make_run(id="recent", started_at=now)
    make_rejected(run=recent, status="resolved", last_seen_at=now - timedelta(days=40))

    ticker._tick()

    assert [run.pk for run in CrawlRun.objects.all()] == ["recent"]
    assert not RejectedRecord.objects.exists()
