"""How a run stores and counts the prices of days that it copies."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.support.factories import DAY, HOUR, MINUTE, NOON
from tests.support.runs import bad, counts
from webapp.coins.cleaning import Rejection
from webapp.coins.models import PriceBar
from webapp.coins.prices import imported
from webapp.coins.prices.copying import DayBar, copied_days
from webapp.coins.prices.imported import Stored
from webapp.crawls import copying, recording
from webapp.crawls.batch import Memory
from webapp.crawls.copying import Copied, DayBatch, DayOfPrices
from webapp.crawls.models import CrawlRun, RejectedRecord

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]
MIDNIGHT = NOON - 12 * HOUR
TODAY = MIDNIGHT.date()
REJECTION = Rejection("bitcoin", "bitcoin", ("close: a text, not a number",))


def begin() -> CrawlRun:
    return recording.begin("mirror", {"prices": "day"})


def day(
    *coin_ids: str, close: int = 1, rejected: int = 0, changed_at: datetime | None = NOON, time: datetime = MIDNIGHT
) -> DayOfPrices:
    price: Any = Decimal(close)
    bars = [
        DayBar(
            coin_id=coin_id,
            time=time,
            open=price,
            high=price,
            low=price,
            close=price,
            observations=3,
            last_at=time + MINUTE,
        )
        for coin_id in coin_ids
    ]
    return DayOfPrices(time.date(), bars, [(REJECTION, {"close": "x"}, "page 7")] * rejected, changed_at)


def store(run: CrawlRun, *days: DayOfPrices, memory: Memory | None = None) -> Copied:
    copied, memory = Copied(), memory or Memory()
    for one in days:
        for part in DayBatch.parts(one, memory, copied, 0):
            recording.store(run, part, {})
    return copied


def test_bars_are_counted_by_themselves_and_not_as_coins() -> None:
    run = begin()

    copied = store(
        run,
        day("a", "b"),
        day("a", "b", "c", close=2, changed_at=None),
        day("a", "b", time=MIDNIGHT + DAY, changed_at=None),
    )

    assert copied == Copied(1, Stored(5, 2))
    assert counts(run) == {}
    assert copied_days() == {TODAY: NOON}


def test_a_day_is_stored_in_parts_and_noted_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "AT_ONCE", 2)
    run, noted, copied = begin(), [], Copied()

    for part in DayBatch.parts(day(*"abcde"), Memory(), copied, 0):
        recording.store(run, part, {})
        noted.append(len(copied_days()))

    assert (noted, copied) == ([0, 0, 1], Copied(1, Stored(5)))
    assert PriceBar.objects.count() == 5


def test_no_part_is_larger_than_a_statement_may_be() -> None:
    parts = DayBatch.parts(day(*map(str, range(2 * imported.AT_ONCE + 1))), Memory(), Copied(), 0)

    assert [len(part.bars) for part in parts] == [imported.AT_ONCE, imported.AT_ONCE, 1]


def test_rejected_bars_are_kept_and_counted_a_coin_once() -> None:
    run = begin()

    store(run, day("a", rejected=1, changed_at=None), day(rejected=2, changed_at=None), memory=Memory())

    record = RejectedRecord.objects.get()
    assert counts(run) == {"seen": 3, "duplicates": 2, "rejected": 1}
    assert (record.coin_id, record.page, record.raw, record.status) == ("bitcoin", "page 7", '{"close": "x"}', "open")
    assert (record.reasons, copied_days()) == ("close: a text, not a number", {})


def test_coins_and_bars_share_the_runs_memory_of_what_was_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.crawls.batch.MAX_KEPT", 1)
    run, memory = begin(), Memory()

    recording.store(run, bad("tether", memory), {})
    store(run, day(rejected=1), memory=memory)

    assert (memory.not_kept, RejectedRecord.objects.get().coin_id) == (1, "tether")
    assert counts(run) == {"seen": 2, "rejected": 2}


def test_a_day_whose_answer_was_lost_is_stored_and_counted_once() -> None:
    run = begin()
    store(run, day("a", rejected=1))
    run.flushes -= 1  # as if the answer to its COMMIT had not come

    store(run, day("a", rejected=1))

    assert counts(run) == {"seen": 1, "rejected": 1}


def test_the_message_says_what_became_of_the_bars() -> None:
    assert str(Copied(1, Stored(1_200, 3))) == (
        "prices of 1 day were copied: 1,200 new bars, 3 changed, 0 left as they were"
    )
