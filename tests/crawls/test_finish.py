"""How a run ends: when it may write its verdict, and which coins are missing after it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db.models import F, Max
from django.utils import timezone

from tests.support.factories import NOON
from tests.support.runs import bad, batch, begin
from webapp.coins.cleaning import Rejection
from webapp.coins.clock import database_clock
from webapp.coins.models import FullCoin
from webapp.crawls import recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import CrawlRun
from webapp.crawls.recording import NotStored, RunLost
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_a_run_that_lost_its_lock_writes_nothing_more() -> None:
    run = begin()
    CrawlRun.objects.update(verdict=Verdict.LOST)

    for write in (
        lambda: recording.store(run, batch("a"), {}),
        lambda: recording.heartbeat(run),
        lambda: recording.finish(run, Verdict.COMPLETE),
    ):
        with pytest.raises(RunLost):
            write()

    run.refresh_from_db()
    assert (run.verdict, FullCoin.objects.count()) == (Verdict.LOST, 0)


@pytest.mark.parametrize(
    "act",
    [lambda: CrawlRun.objects.all().delete(), lambda: CrawlRun.objects.update(flushes=1)],
    ids=["deleted", "of a backup"],
)
def test_nothing_is_written_without_the_runs_row_as_it_was_last_written(act: Callable[[], object]) -> None:
    run, memory = begin(), Memory()
    for coin_id in "ab":
        recording.store(run, batch(coin_id, memory=memory), {})
    act()

    for write in (
        lambda: recording.store(run, batch("c"), {}),
        lambda: recording.heartbeat(run),
        lambda: recording.finish(run, Verdict.COMPLETE),
        lambda: recording.check_over(run),
    ):
        with pytest.raises(NotStored, match="its row was deleted, or the database was replaced or restored"):
            write()

    assert FullCoin.objects.count() == 2
    assert not CrawlRun.objects.exclude(verdict=Verdict.RUNNING)


def test_a_batch_that_was_stored_without_an_answer_does_not_keep_the_run_from_its_end() -> None:
    run = begin()
    CrawlRun.objects.update(flushes=1)

    recording.finish(run, Verdict.FAILED)

    recording.check_over(run)
    assert (run.verdict, run.flushes) == (Verdict.FAILED, 1)


def test_an_end_that_cannot_be_read_back_is_taken_back() -> None:
    run = begin()
    recording.finish(run, Verdict.COMPLETE)
    CrawlRun.objects.update(verdict=Verdict.RUNNING)
    with pytest.raises(NotStored):
        recording.check_over(run)

    recording.take_back(run, "gone")

    run.refresh_from_db()
    assert (run.verdict, run.reason, run.finished_at is not None) == (Verdict.FAILED, "gone", True)


def test_an_end_that_was_written_already_is_not_a_lost_lock() -> None:
    run = begin()
    again = CrawlRun.objects.get()
    recording.finish(run, Verdict.COMPLETE)

    recording.finish(again, Verdict.COMPLETE)

    assert again.finished_at == run.finished_at


def test_what_a_complete_run_has_no_answer_for_is_missing_since_then() -> None:
    run = begin()
    recording.store(run, batch("here", "gone"), {})
    changed_at = FullCoin.objects.get(pk="gone").changed_at

    recording.finish(run, Verdict.COMPLETE, answered={"here"})

    gone = FullCoin.objects.get(pk="gone")
    assert run.missing == 1
    assert gone.missing_since == gone.changed_at > changed_at
    assert FullCoin.objects.get(pk="here").missing_since is None


def test_a_change_is_dated_by_the_databases_clock_and_not_by_the_crawlers() -> None:
    run = begin()
    with time_machine.travel(datetime(2100, 1, 1, tzinfo=UTC)):
        before = database_clock("default")
        recording.store(run, batch("a"), {})
        after = database_clock("default")

    assert before <= FullCoin.objects.get().changed_at <= after


def test_whoever_is_missing_or_seen_again_has_changed_after_all_changes_before() -> None:
    ahead = timezone.now() + timedelta(days=1)
    FullCoin.objects.upsert([{"coin_id": coin_id} for coin_id in "abc"], ahead)
    stamps = []
    for function in (
        lambda run: recording.finish(run, Verdict.COMPLETE, answered={"b", "c"}),
        lambda run: recording.store(run, bad("a"), {}),
        lambda run: recording.store(run, batch("b", missing_since=timezone.now()), {}),
    ):
        CrawlRun.objects.update(verdict=Verdict.COMPLETE)
        function(begin())
        stamps.append(FullCoin.objects.aggregate(newest=Max("changed_at"))["newest"])

    assert [ahead, *stamps] == sorted({ahead, *stamps})


def test_it_stays_missing_since_the_first_time() -> None:
    run = begin()
    recording.store(run, batch("gone"), {})
    recording.finish(run, Verdict.COMPLETE, answered=set())
    since = FullCoin.objects.get().missing_since

    again = begin()
    recording.finish(again, Verdict.COMPLETE, answered=set())

    assert again.missing == 1
    assert FullCoin.objects.get().missing_since == since


@pytest.mark.parametrize("verdict", [Verdict.PARTIAL, Verdict.FAILED, Verdict.INTERRUPTED])
def test_a_run_that_proved_nothing_marks_nothing(verdict: Verdict) -> None:
    run = begin()
    recording.store(run, batch("a"), {})

    recording.finish(run, verdict, answered=set())

    assert FullCoin.objects.get().missing_since is None


@pytest.mark.parametrize("how", ["unchanged", "older", "rejected"])
def test_being_seen_in_any_way_ends_being_missing(how: str) -> None:
    run = begin()
    seen = Batch()
    now = timezone.now()
    recording.store(run, batch("a", last_updated=now), {})
    FullCoin.objects.update(missing_since=now)
    if how == "rejected":
        seen.reject(Rejection("a", "a", ("ath: true, not a number",)), {}, "1")
    else:
        seen = batch("a", last_updated=now - timedelta(days=how == "older"))

    recording.store(run, seen, {})

    coin = FullCoin.objects.get()
    assert coin.missing_since is None
    assert coin.changed_at > now


def test_a_coin_may_be_missing_by_the_word_of_its_source() -> None:
    since, run, memory = timezone.now() - timedelta(days=2), begin(), Memory()
    recording.store(run, batch("here", "gone", memory=memory), {})

    recording.store(run, batch("here", "gone", "new", missing_since=since), {})

    dates = dict(FullCoin.objects.values_list("coin_id", "missing_since"))
    assert dates == {"here": since, "gone": since, "new": since}
    assert FullCoin.objects.filter(changed_at__gt=F("first_seen_at")).count() == 2


def test_a_word_that_was_given_before_changes_nothing() -> None:
    since, run = timezone.now() - timedelta(days=2), begin()
    recording.store(run, batch("gone", missing_since=since), {})
    before = FullCoin.objects.get()

    recording.store(run, batch("gone", missing_since=since), {})
    recording.finish(run, Verdict.COMPLETE, answered={"gone"})

    assert FullCoin.objects.filter(missing_since=since, changed_at=before.changed_at).exists()
    assert run.missing == 1


def test_a_coin_that_its_source_has_again_is_not_missing() -> None:
    run = begin()
    recording.store(run, batch("back", missing_since=timezone.now()), {})

    recording.store(run, batch("back"), {})

    assert FullCoin.objects.filter(missing_since=None).exists()


@pytest.mark.parametrize(("dates", "is_missing"), [([NOON, None], False), ([None, NOON], True)], ids=["back", "gone"])
def test_of_a_coin_that_comes_twice_the_last_word_counts(dates: list[Any], is_missing: bool) -> None:
    twice, run = Batch(), begin()
    for date in dates:
        row = {"coin_id": "a", "last_updated": None, "missing_since": date}
        twice.add(row, {}, "1")

    recording.store(run, twice, {})

    assert FullCoin.objects.filter(missing_since__isnull=False).exists() is is_missing


def test_a_rejected_record_does_not_end_being_missing_if_the_source_says_so_itself() -> None:
    run = begin()
    recording.store(run, batch("gone", missing_since=NOON), {})
    refused = Batch()
    refused.reject(Rejection("gone", "gone", ("ath: not a number",)), {}, "1", is_sighting=False)

    recording.store(run, refused, {})

    assert FullCoin.objects.filter(missing_since=NOON).exists()


@pytest.mark.parametrize(("answered", "is_believed"), [(240, True), (239, False)])
def test_a_fifth_of_the_coins_may_be_missing_at_once_and_no_more(answered: int, is_believed: bool) -> None:
    run, ids = begin(), [f"coin-{number}" for number in range(300)]
    recording.store(run, batch(*ids), {})

    recording.finish(run, Verdict.COMPLETE, answered=set(ids[:answered]))

    assert FullCoin.objects.filter(missing_since__isnull=False).count() == (60 if is_believed else 0)
    assert (run.verdict, run.missing) == ((Verdict.COMPLETE, 60) if is_believed else (Verdict.PARTIAL, 0))
    assert is_believed or run.reason.startswith("61 of 300 stored coins would be missing at once")


def test_of_few_coins_all_may_be_missing() -> None:
    run = begin()
    recording.store(run, batch(*map(str, range(50))), {})

    recording.finish(run, Verdict.COMPLETE, answered=set())

    assert run.missing == 50
