"""What becomes of a database that is older than the code."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from webapp.coins.models import CrawlRun, FullCoin, RejectedRecord

THEN = datetime(2026, 6, 20, 10, 0, 0, 558_001, UTC)


def migrate(*names: str) -> Any:
    """The models as they are after these migrations of coins; the last, where none is named."""
    executor = MigrationExecutor(connection)
    targets = [("coins", name) for name in names] or executor.loader.graph.leaf_nodes("coins")
    return executor.migrate(targets).apps


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    yield migrate("0004_alarm")
    migrate()


def test_a_slot_whose_run_was_lost_keeps_both_its_runs(before: Any) -> None:
    schedule = before.get_model("coins", "CrawlSchedule").objects.create(
        name="one", spider="markets", crontab="* * * * *"
    )
    for number, verdict in enumerate(("lost", "lost", "complete")):
        before.get_model("coins", "CrawlRun").objects.create(
            id=str(number), spider="markets", verdict=verdict, schedule=schedule, slot=THEN
        )

    migrate()

    assert sorted(CrawlRun.objects.values_list("verdict", "due_again")) == [
        ("complete", False),
        ("lost", True),
        ("lost", True),
    ]


def test_a_copy_from_before_dates_could_go_back_is_kept_from_stale_answers(before: Any) -> None:
    stamps = {"vs_currency": "usd", "first_seen_at": THEN, "changed_at": THEN}
    coins = before.get_model("coins", "FullCoin").objects
    coins.create(coin_id="dated", last_updated=THEN, current_price=Decimal("0.1"), **stamps)
    coins.create(coin_id="undated", **stamps)
    coins.create(coin_id="first", last_updated=datetime.min.replace(tzinfo=UTC), **stamps)
    run = before.get_model("coins", "CrawlRun").objects.create(id="run", spider="markets", filled=["name"])
    for status in ("open", "retried"):
        before.get_model("coins", "RejectedRecord").objects.create(
            run=run, raw="{}", reasons="x", fingerprint="f", status=status
        )
    # Its run has been forgotten, and now rejected records go with their runs.
    before.get_model("coins", "RejectedRecord").objects.create(raw="{}", reasons="x", fingerprint="g")

    migrate()

    dates = dict(FullCoin.objects.values_list("coin_id", "stale_before"))
    assert dates == {"dated": THEN - timedelta(seconds=1), "undated": None, "first": None}
    assert FullCoin.objects.get(current_price=Decimal("0.1")).pk == "dated"
    assert CrawlRun.objects.get().filled == {}
    assert sorted(RejectedRecord.objects.values_list("status", flat=True)) == ["ignored", "open"]
