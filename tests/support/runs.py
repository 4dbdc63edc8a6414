"""Runs and batches: how tests begin a run, fill a batch and read what was counted."""

from typing import Any

from django.db import OperationalError

from webapp.coins.cleaning import Rejection
from webapp.crawls import recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import CrawlRun


def begin(**arguments: Any) -> CrawlRun:
    return recording.begin("markets", arguments)


def batch(*coin_ids: str, memory: Memory | None = None, **values: Any) -> Batch:
    filled = Batch(memory or Memory())
    for coin_id in coin_ids:
        filled.add({"coin_id": coin_id, "last_updated": None} | values, {"id": coin_id}, "1")
    return filled


def counts(run: CrawlRun) -> dict[str, int]:
    run.refresh_from_db()
    names = ("seen", "created", "updated", "unchanged", "stale", "duplicates", "rejected")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def raising(*_: Any) -> None:
    raise OperationalError("gone")


def bad(coin_id: str = "bad", memory: Memory | None = None, round_number: int = 0, times: int = 1) -> Batch:
    """A batch with as many records that cannot be stored."""
    filled = Batch(memory or Memory())
    for _ in range(times):
        rejection = Rejection(coin_id, coin_id, ("ath: true, not a number",))
        filled.reject(rejection, {"id": coin_id}, "1", round_number=round_number)
    return filled
