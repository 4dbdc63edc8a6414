"""What becomes of the records of a batch, and how they are counted."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.support.factories import NOON
from tests.support.runs import batch, begin, counts, raising
from webapp.coins.cleaning import Rejection
from webapp.coins.models import FullCoin, Price, PriceAbsence
from webapp.crawls import recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_what_became_of_each_record_is_counted_once() -> None:
    run, memory = begin(), Memory()
    FullCoin.objects.upsert([{"coin_id": "old", "name": "Old"}, {"coin_id": "same"}])
    first = batch("new", "old", "same", "same", memory=memory, name=None)
    first.reject(Rejection("bad", "bad", ("ath: true, not a number",)), {"id": "bad"}, "1")
    recording.store(run, first, {"pages": 1})

    recording.store(run, batch("new", "newest", memory=memory), {"pages": 2})

    assert counts(run) == {"seen": 7, "created": 2, "updated": 1, "unchanged": 1, "duplicates": 2, "rejected": 1}
    assert run.pages == 2


def test_an_older_duplicate_is_counted_all_the_same() -> None:
    run, memory = begin(), Memory()
    recording.store(run, batch("a", memory=memory, last_updated=NOON), {})
    again = batch("a", memory=memory, last_updated=NOON - timedelta(hours=1))

    assert (len(again), bool(again)) == (0, True)
    recording.store(run, again, {})

    assert counts(run) == {"seen": 2, "created": 1, "duplicates": 1}


def test_a_newer_duplicate_is_written_all_the_same() -> None:
    run, memory = begin(), Memory()
    recording.store(run, batch("a", memory=memory, current_price=Decimal(1)), {})

    recording.store(run, batch("a", memory=memory, current_price=Decimal(2)), {})

    assert counts(run) == {"seen": 2, "created": 1, "duplicates": 1}
    assert FullCoin.objects.get().current_price == 2


def test_an_answer_older_than_what_was_just_stored_is_counted_as_stale() -> None:
    now = timezone.now()
    recording.store(begin(), batch("a", "b", "c", last_updated=now), {})
    CrawlRun.objects.update(verdict=Verdict.COMPLETE)
    older = batch("a", "b", last_updated=now - timedelta(minutes=1))
    older.add({"coin_id": "c", "last_updated": now}, {}, "1")
    run = begin()

    recording.store(run, older, {})

    assert counts(run) == {"seen": 3, "unchanged": 1, "stale": 2}
    assert FullCoin.objects.filter(last_updated=now).count() == 3


def test_a_stale_coin_that_comes_again_is_a_duplicate() -> None:
    now, memory = timezone.now(), Memory()
    FullCoin.objects.upsert([{"coin_id": "a", "last_updated": now}])
    run = begin()

    for _ in range(2):
        recording.store(run, batch("a", memory=memory, last_updated=now - timedelta(minutes=1)), {})

    assert counts(run) == {"seen": 2, "stale": 1, "duplicates": 1}


@pytest.mark.parametrize("is_first_stale", [False, True])
def test_within_a_run_the_newest_counts_however_long_ago_it_was_stored(is_first_stale: bool) -> None:
    now, run, memory = timezone.now(), begin(), Memory()
    if is_first_stale:
        FullCoin.objects.upsert([{"coin_id": "a", "last_updated": now + timedelta(hours=1)}])
    recording.store(run, batch("a", memory=memory, last_updated=now, name="newest"), {})
    FullCoin.objects.update(changed_at=now - timedelta(hours=1))  # the run has taken long

    for date in (now - timedelta(microseconds=1), None, now - timedelta(hours=1)):
        recording.store(run, batch("a", memory=memory, last_updated=date, name=f"dated {date and 'before'}"), {})

    assert counts(run) == {"seen": 4, "duplicates": 3} | ({"stale": 1} if is_first_stale else {"created": 1})
    assert FullCoin.objects.get().name == "dated None"


def test_a_coin_that_the_database_has_rejected_may_come_again_sound_and_older() -> None:
    now, run, memory = timezone.now(), begin(), Memory()
    recording.store(run, batch("a", memory=memory, last_updated=now, market_cap_rank=10**30), {})

    recording.store(run, batch("a", memory=memory, last_updated=now - timedelta(hours=1)), {})

    assert counts(run) == {"seen": 2, "created": 1, "rejected": 1}
    assert RejectedRecord.objects.get().status == "resolved"


def test_a_run_keeps_the_newest_update_it_has_seen_but_none_of_the_future() -> None:
    now, run, memory = timezone.now(), begin(), Memory()
    minute = timedelta(minutes=1)
    dates = [now - minute, now - 2 * minute, None, now + 2 * minute, now.replace(year=2126)]

    for place, date in enumerate(dates):
        recording.store(run, batch(str(place), memory=memory, last_updated=date), {})

    run.refresh_from_db()
    assert run.newest_update == now - minute


def test_a_stale_answer_tells_how_new_the_sources_data_are() -> None:
    now, run = timezone.now(), begin()
    FullCoin.objects.upsert([{"coin_id": "a", "last_updated": now}])

    recording.store(run, batch("a", last_updated=now - timedelta(minutes=1)), {})

    assert (run.stale, run.newest_update) == (1, now - timedelta(minutes=1))


def test_a_repeated_store_after_a_failure_counts_as_the_first_would(monkeypatch: pytest.MonkeyPatch) -> None:
    run, memory = begin(), Memory()
    both = batch("good", "bad", memory=memory, market_cap_rank=None)
    both.rows["bad"] = {**both.rows["bad"], "market_cap_rank": 10**30}
    with monkeypatch.context() as patch:
        patch.setattr(RejectedRecord.objects, "keep", raising)
        with pytest.raises(OperationalError):
            recording.store(run, both, {})

    recording.store(run, both, {})

    assert counts(run) == {"seen": 2, "created": 1, "rejected": 1}


def store_unheard(run: CrawlRun, stored: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store a batch; the database carries the COMMIT out, and its answer is lost."""
    commit = connection._commit  # type: ignore[attr-defined]

    def commit_unheard() -> None:
        commit()
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", commit_unheard)
        with pytest.raises(OperationalError):
            recording.store(run, stored, {"pages": 1})


def every_fate(memory: Memory, now: datetime) -> Batch:
    """A batch in which coins and records meet all fates that there are; what has to be there before is there."""
    minute = timedelta(minutes=1)
    FullCoin.objects.upsert({"coin_id": coin_id, "last_updated": now} for coin_id in ("newer", "stale", "back"))
    FullCoin.objects.filter(pk="back").update(changed_at=now - timedelta(hours=1))
    mixed = batch("created", "created", memory=memory, current_price=Decimal("0." + "7" * 30))
    for coin_id, date in {"newer": now + minute, "stale": now - minute, "back": now - minute}.items():
        mixed.add({"coin_id": coin_id, "last_updated": date, "name": "new"}, {}, "1")
    mixed.add({"coin_id": "refused", "market_cap_rank": 10**30}, {"id": "refused"}, "1")
    mixed.reject(Rejection("bad", "bad", ("ath: true, not a number",)), {"id": "bad"}, "1")
    return mixed


@pytest.mark.django_db(transaction=True)
def test_a_batch_whose_commits_answer_was_lost_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, memory = begin(), Memory()
    mixed = every_fate(memory, timezone.now())
    store_unheard(run, mixed, monkeypatch)

    recording.store(run, mixed, {"pages": 1})

    told = {"seen": run.seen, "created": run.created, "duplicates": run.duplicates, "rejected": run.rejected}
    assert told == {"seen": 7, "created": 1, "duplicates": 1, "rejected": 2}
    assert counts(run) == told | {"updated": 2, "stale": 1}
    rounded = {"current_price": 1} if connection.vendor == "sqlite" else {}
    assert (run.pages, run.went_back, run.rounded) == (1, 1, rounded)
    assert memory.coins == {"created", "newer", "stale", "back"}
    assert sorted(RejectedRecord.objects.values_list("coin_id", "count")) == [("bad", 1), ("refused", 1)]


@pytest.mark.django_db(transaction=True)
def test_250_coins_whose_commits_answer_was_lost_are_created_and_not_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    run, page = begin(), batch(*map(str, range(250)))
    store_unheard(run, page, monkeypatch)

    recording.store(run, page, {"pages": 1})
    recording.store(run, batch("next"), {"pages": 2})

    assert counts(run) == {"seen": 251, "created": 251}
    assert (run.flushes, run.pages) == (2, 2)


def test_a_coin_that_goes_back_twice_in_a_run_is_told_once() -> None:
    now, run, memory = timezone.now(), begin(), Memory()
    FullCoin.objects.upsert([{"coin_id": "a", "last_updated": now + timedelta(days=1)}], now - timedelta(hours=1))
    recording.store(run, batch("a", memory=memory, last_updated=now), {})
    FullCoin.objects.update(last_updated=now + timedelta(days=1), stale_before=now + timedelta(days=1))
    FullCoin.objects.update(changed_at=now - timedelta(hours=1))

    recording.store(run, batch("a", memory=memory, last_updated=now, name="again"), {})

    assert (counts(run), run.went_back) == ({"seen": 2, "updated": 1, "duplicates": 1}, 1)


def test_a_row_that_only_the_database_rejects_is_kept_as_rejected() -> None:
    run = begin()

    recording.store(run, batch("good") and batch("bad", "worse", market_cap_rank=10**30), {})

    assert counts(run) == {"seen": 2, "rejected": 2}
    kept = RejectedRecord.objects.get(coin_id="bad")
    assert kept.reasons.startswith("the database rejected it")
    assert kept.raw == '{"id": "bad"}'


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_what_the_later_record_of_a_coin_lacks_stays_from_the_one_before(in_one_batch: bool) -> None:
    run, memory = begin(), Memory()
    batches = [Batch(memory), Batch(memory)]
    rows: list[dict[str, Any]] = [{"coin_id": "a", "ath": Decimal(1), "name": "A"}, {"coin_id": "a", "name": "B"}]
    for place, row in enumerate(rows):
        batches[0 if in_one_batch else place].add(row, {}, "1")

    for filled in batches:
        recording.store(run, filled, {})

    assert FullCoin.objects.values_list("ath", "name").get() == (1, "B")


@pytest.mark.django_db(transaction=True)
def test_nothing_is_counted_that_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin()

    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(FullCoin.objects, "mark_seen", fail)

    with pytest.raises(OperationalError):
        recording.store(run, batch("a"), {"pages": 1})

    assert (run.seen, run.pages) == (0, 0)
    assert (counts(run), run.pages, FullCoin.objects.count()) == ({}, 0, 0)


def test_dates_that_are_known_cost_one_query(django_assert_num_queries: Any) -> None:
    dates = {f"coin-{number}": NOON + timedelta(minutes=number) for number in range(20)}
    FullCoin.objects.upsert({"coin_id": coin_id} for coin_id in dates)
    FullCoin.objects.mark_missing_since(dates, NOON)

    with django_assert_num_queries(1):
        FullCoin.objects.mark_missing_since(dates, NOON)


# Prices ----------------------------------------------------------------------------------------------


def test_a_batch_that_is_stored_again_after_a_failure_adds_no_second_price(monkeypatch: pytest.MonkeyPatch) -> None:
    run, values = begin(), dict[str, Any](current_price=Decimal(1), last_updated=NOON)
    monkeypatch.setattr(FullCoin.objects, "mark_missing_since", raising)
    with pytest.raises(OperationalError):
        recording.store(run, batch("a", **values), {})
    after_the_failure = Price.objects.count()
    monkeypatch.undo()

    recording.store(run, batch("a", **values), {})
    run.flushes -= 1  # as if the answer to its COMMIT had been lost
    recording.store(run, batch("a", **values), {})

    assert after_the_failure == 0
    assert [*Price.objects.values_list("series__coin_id", "time", "price")] == [("a", NOON, 1)]


def test_without_history_no_query_is_added_and_no_price(settings: Any) -> None:
    queries = {}
    for is_on in (True, False):
        settings.PRICE_HISTORY = is_on
        run = begin()
        with CaptureQueriesContext(connection) as captured:
            recording.store(run, batch("a", "b", current_price=Decimal(is_on)), {})
        queries[is_on] = [query["sql"] for query in captured]
        CrawlRun.objects.update(verdict=Verdict.COMPLETE)

    assert Price.objects.count() == 2
    assert not any("coins_price" in sql for sql in queries[False])
    assert len(queries[True]) - len(queries[False]) == 3  # new series, the observations, their hour


def test_the_time_in_which_a_coin_was_missing_is_no_gap() -> None:
    stored: dict[str, Any] = {"current_price": Decimal(1), "last_updated": None}
    recording.store(begin(), batch("a", "b", **stored), {})
    CrawlRun.objects.update(verdict=Verdict.COMPLETE)
    since = timezone.now() - timedelta(days=3)
    FullCoin.objects.filter(pk="a").update(missing_since=since)

    recording.store(begin(), batch("a", "b", **stored), {})

    absence = PriceAbsence.objects.get()
    assert (absence.series.coin_id, absence.since) == ("a", since)
    assert timezone.now() - timedelta(minutes=5) < absence.until <= timezone.now()
