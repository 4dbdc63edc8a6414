"""scrapyd's ticker: what it does besides the schedule, and how often."""

import os
from pathlib import Path
from time import time

import pytest
from scrapyd.config import Config

from coincrawl.scrapyd.ticker import Ticker


@pytest.mark.django_db
def test_old_logs_are_deleted_at_the_first_tick_and_then_once_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticker = Ticker(Config({"node_name": "node", "logs_dir": str(tmp_path), "jobs_to_keep": "5"}), capacity=1)
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
