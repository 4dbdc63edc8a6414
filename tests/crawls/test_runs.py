"""CrawlRun's verbs: the lock, the counting, the verdict, what is missing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Max
from django.db.models.functions import Now
from django.utils import timezone

from webapp.coins.cleaning import Rejection
from webapp.coins.clock import database_clock
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls import history, recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import CrawlRun, RejectedRecord, Verdict
from webapp.crawls.recording import NotStored, RunLost

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


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


def test_a_run_begins_with_the_lock() -> None:
    run = begin()

    assert (run.verdict, run.started_at is not None, run.heartbeat_at is not None) == (Verdict.RUNNING, True, True)


def test_a_second_run_is_skipped_and_says_why() -> None:
    begin()

    second = begin()

    assert second.verdict == Verdict.SKIPPED
    assert second.reason.startswith("another run of markets is under way; ")
    assert second.finished_at is not None


def test_the_lock_is_a_constraint_of_the_database() -> None:
    begin()

    with pytest.raises(IntegrityError), transaction.atomic():
        CrawlRun.objects.create(spider="markets", verdict=Verdict.RUNNING)


def test_a_run_without_a_heartbeat_gives_way() -> None:
    dead = begin()
    CrawlRun.objects.update(heartbeat_at=Now() - timedelta(seconds=181))

    run = begin()

    dead.refresh_from_db()
    assert (run.verdict, dead.verdict) == (Verdict.RUNNING, Verdict.LOST)
    assert "no sign of life for 180 s" in dead.reason


def test_a_run_with_a_heartbeat_does_not() -> None:
    alive = begin()
    CrawlRun.objects.update(heartbeat_at=Now() - timedelta(seconds=170))

    begin()

    alive.refresh_from_db()
    assert alive.verdict == Verdict.RUNNING


def test_a_run_that_would_have_to_leave_the_api_alone_is_skipped_and_says_until_when() -> None:
    recording.begin("markets", {}, leave_alone=3_600)

    run = CrawlRun.objects.get(verdict=Verdict.SKIPPED)
    words, until = run.reason[:-23], datetime.fromisoformat(run.reason[-23:].replace(" UTC", "+00:00"))
    assert words == "the API asked for no requests before "
    assert run.started_at is not None
    assert abs(until - run.started_at - timedelta(hours=1)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("seconds", "absence"),
    [(600, timedelta(seconds=600)), (365 * 24 * 3_600, timedelta(days=1))],
    ids=["ten minutes", "a year"],
)
def test_an_api_that_asks_to_be_left_alone_is_for_a_day_at_most(seconds: float, absence: timedelta) -> None:
    run = begin()

    recording.finish(run, Verdict.PARTIAL, leave_alone=seconds)

    assert run.not_before is not None
    assert run.finished_at is not None
    assert run.not_before - run.finished_at == absence


@pytest.mark.parametrize(
    "values",
    [
        {"verdict": Verdict.RUNNING, "heartbeat_at": Now()},
        {"verdict": Verdict.RUNNING, "heartbeat_at": Now() - timedelta(seconds=181)},
        {"verdict": Verdict.COMPLETE, "started_at": Now(), "credits": 80},
    ],
    ids=["lock", "lock without a heartbeat", "credits"],
)
def test_another_spiders_runs_are_its_own_affair(values: dict[str, Any]) -> None:
    other = CrawlRun.objects.create(spider="another", **values)

    run = recording.begin("markets", {}, monthly_credits=1)

    other.refresh_from_db()
    assert (run.verdict, other.verdict) == (Verdict.RUNNING, values["verdict"])


@pytest.fixture(params=[-1, 1], ids=["slow", "fast"])
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour off; the database's is not."""
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=request.param))


@pytest.mark.usefixtures("wrong_clock")
def test_a_run_is_dated_by_the_databases_clock() -> None:
    minute = timedelta(minutes=1)

    run = begin()
    began = run.heartbeat_at
    recording.heartbeat(run)
    run.refresh_from_db()
    beaten = run.heartbeat_at
    recording.finish(run, Verdict.PARTIAL, leave_alone=60)

    dated = CrawlRun.objects.filter(
        started_at__range=(Now() - minute, Now()), not_before__range=(Now(), Now() + minute)
    )
    (now,) = dated.values_list(Now(), flat=True)
    assert all(now - minute < moment <= now for moment in (began, beaten, run.heartbeat_at, run.finished_at))


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"verdict": Verdict.RUNNING, "heartbeat_at": Now() - timedelta(seconds=170)}, Verdict.SKIPPED),
        ({"verdict": Verdict.RUNNING, "heartbeat_at": Now() - timedelta(seconds=181)}, Verdict.RUNNING),
    ],
    ids=["lives", "dead"],
)
def test_who_lives_goes_by_the_databases_clock(values: dict[str, Any], verdict: Verdict) -> None:
    CrawlRun.objects.create(spider="markets", **values)

    assert begin().verdict == verdict


@pytest.mark.usefixtures("wrong_clock")
def test_lost_and_skipped_runs_are_dated_by_the_databases_clock() -> None:
    CrawlRun.objects.create(spider="markets", verdict=Verdict.RUNNING, heartbeat_at=Now() - timedelta(seconds=181))

    for _ in range(2):
        begin()

    dated = CrawlRun.objects.filter(finished_at__range=(Now() - timedelta(minutes=1), Now()))
    assert sorted(dated.values_list("verdict", flat=True)) == ["lost", "skipped"]


def test_a_job_id_serves_once() -> None:
    recording.finish(recording.begin("markets", {}, key="job-1"), Verdict.COMPLETE)

    with pytest.raises(ValueError, match="There is a run with the key job-1 already"):
        recording.begin("markets", {}, key="job-1")


def test_what_became_of_each_record_is_counted_once() -> None:
    run, memory = begin(), Memory()
    FullCoin.objects.upsert([{"coin_id": "old", "name": "Old"}, {"coin_id": "same"}])
    first = batch("new", "old", "same", "same", memory=memory, name=None)
    first.reject(Rejection("bad", "bad", ("ath: true, not a number",)), {"id": "bad"}, "1")
    recording.store(run, first, {"pages": 1})

    recording.store(run, batch("new", "newest", memory=memory), {"pages": 2})

    assert counts(run) == {"seen": 7, "created": 2, "updated": 1, "unchanged": 1, "duplicates": 2, "rejected": 1}
    assert run.pages == 2


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


def test_a_coin_that_the_database_has_refused_may_come_again_sound_and_older() -> None:
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


def raising(*_: Any) -> None:
    raise OperationalError("gone")


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
def test_a_batch_whose_commit_was_not_heard_of_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run, memory = begin(), Memory()
    mixed = every_fate(memory, timezone.now())
    store_unheard(run, mixed, monkeypatch)

    in_database = recording.store(run, mixed, {"pages": 1})

    told = {"seen": run.seen, "created": run.created, "duplicates": run.duplicates, "rejected": run.rejected}
    assert told == {"seen": 7, "created": 1, "duplicates": 1, "rejected": 2}
    assert counts(run) == told | {"updated": 2, "stale": 1}
    rounded = {"current_price": 1} if connection.vendor == "sqlite" else {}
    assert (run.pages, run.went_back, run.rounded) == (1, 1, rounded)
    assert in_database == {"created", "newer", "stale", "back"}
    assert sorted(RejectedRecord.objects.values_list("coin_id", "count")) == [("bad", 1), ("refused", 1)]
    assert "refused" not in memory.dates


@pytest.mark.django_db(transaction=True)
def test_250_coins_whose_commit_was_not_heard_of_are_created_and_not_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_row_that_only_the_database_refuses_is_kept_as_rejected() -> None:
    run = begin()

    recording.store(run, batch("good") and batch("bad", "worse", market_cap_rank=10**30), {})

    assert counts(run) == {"seen": 2, "rejected": 2}
    kept = RejectedRecord.objects.get(coin_id="bad")
    assert kept.reasons.startswith("the database rejected it")
    assert kept.raw == '{"id": "bad"}'


def bad(coin_id: str = "bad", memory: Memory | None = None, round_number: int = 0, times: int = 1) -> Batch:
    """A batch with as many records that cannot be stored."""
    filled = Batch(memory or Memory())
    for _ in range(times):
        rejection = Rejection(coin_id, coin_id, ("ath: true, not a number",))
        filled.reject(rejection, {"id": coin_id}, "1", round_number=round_number)
    return filled


@pytest.mark.parametrize(
    ("coin_id", "rounds", "rejected"),
    [
        ("bad", [(0, 1), (1, 1), (2, 1)], 1),
        ("bad", [(0, 3)], 1),
        ("", [(0, 3)], 3),
        ("", [(0, 2), (0, 1), (1, 3), (2, 2)], 3),
        ("", [(0, 1), (1, 2), (2, 1)], 2),
    ],
    ids=[
        "asked for again",
        "on several pages",
        "several without an id",
        "several without an id, asked for again",
        "one without an id, and another that no page had",
    ],
)
def test_a_rejected_record_counts_once_in_a_run(coin_id: str, rounds: list[tuple[int, int]], rejected: int) -> None:
    run, memory = begin(), Memory()

    for round_number, times in rounds:
        recording.store(run, bad(coin_id, memory, round_number, times), {})

    seen = sum(times for _, times in rounds)
    expected = {"seen": seen, "rejected": rejected, "duplicates": seen - rejected}
    assert counts(run) == {name: count for name, count in expected.items() if count}
    assert RejectedRecord.objects.get().count == rejected


def statuses() -> dict[str, str]:
    return dict(RejectedRecord.objects.values_list("coin_id", "status"))


@pytest.mark.parametrize("how", ["created", "updated", "unchanged"])
def test_a_rejected_record_is_resolved_when_its_coin_is_stored(how: str) -> None:
    run = begin()
    if how != "created":
        FullCoin.objects.upsert(
            [{"coin_id": "bad", "last_updated": None, "name": "old" if how == "updated" else "new"}]
        )
    recording.store(run, bad(), {})
    recording.store(run, bad("other"), {})

    recording.store(run, batch("bad", name="new"), {})

    assert statuses() == {"bad": "resolved", "other": "open"}


@pytest.mark.parametrize("is_sound_last", [True, False])
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_the_last_record_of_a_coin_decides_whether_it_is_resolved(in_one_batch: bool, is_sound_last: bool) -> None:
    run, memory = begin(), Memory()
    batches = [Batch(memory), Batch(memory)]
    for place, is_sound in enumerate([not is_sound_last, is_sound_last]):
        filled = batches[0 if in_one_batch else place]
        if is_sound:
            filled.add({"coin_id": "a"}, {"id": "a"}, "1")
        else:
            filled.reject(Rejection("a", "a", ("ath: true, not a number",)), {"id": "a"}, "1")

    for filled in batches:
        recording.store(run, filled, {})

    assert statuses() == {"a": "resolved" if is_sound_last else "open"}


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


def test_an_ignored_record_stays_ignored_when_its_coin_is_stored() -> None:
    run = begin()
    recording.store(run, bad(), {})
    RejectedRecord.objects.update(status="ignored")

    recording.store(run, batch("bad"), {})

    assert statuses() == {"bad": "ignored"}


def test_of_records_that_agree_the_last_is_kept() -> None:
    run, alike = begin(), Batch()
    for number in (1, 2):
        alike.reject(Rejection("", "", ("coin_id: missing",)), {"n": number}, str(number))

    recording.store(run, alike, {})

    kept = RejectedRecord.objects.get()
    assert (kept.raw, kept.page, kept.count) == ('{"n": 2}', "2", 2)


def test_a_rejected_record_is_not_resolved_by_a_stale_answer() -> None:
    now, run = timezone.now(), begin()
    recording.store(run, batch("bad", last_updated=now), {})
    recording.store(run, bad(), {})

    recording.store(run, batch("bad", last_updated=now - timedelta(minutes=1)), {})

    assert statuses() == {"bad": "open"}


def test_a_coin_whose_id_is_escaped_in_its_record_is_resolved_too() -> None:
    run = begin()
    odd = Batch()
    odd.reject(Rejection("é\\🚀", printable("é\\🚀", 255), ("ath: true, not a number",)), {}, "1")
    recording.store(run, odd, {})

    recording.store(run, batch("é\\🚀"), {})

    assert list(statuses().values()) == ["resolved"]


def test_a_resolved_record_that_comes_again_is_open_again() -> None:
    run = begin()
    recording.store(run, bad(), {})
    recording.store(run, batch("bad"), {})

    recording.store(run, bad(), {})

    kept = RejectedRecord.objects.get()
    assert (kept.status, kept.count) == ("open", 2)


def test_a_complete_run_of_everything_resolves_what_does_not_come_any_more() -> None:
    before = begin()
    for coin_id in ("gone", "here", "", "again"):
        recording.store(before, bad(coin_id), {})
    RejectedRecord.objects.filter(coin_id="").update(reasons="record: null, not an object")
    recording.finish(before, Verdict.COMPLETE)
    run = begin()
    recording.store(run, bad("again"), {})

    recording.finish(run, Verdict.COMPLETE, answered={"here", "again"})

    assert statuses() == {"gone": "resolved", "": "resolved", "here": "open", "again": "open"}


def test_a_record_without_an_id_that_comes_again_stays_open() -> None:
    before = begin()
    recording.store(before, bad(""), {})
    recording.finish(before, Verdict.COMPLETE)
    run = begin()
    recording.store(run, bad(""), {})

    recording.finish(run, Verdict.COMPLETE, answered=set())

    assert statuses() == {"": "open"}


def test_all_that_is_gone_is_resolved_however_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.coins.models.coin.IDS_PER_STATEMENT", 2)
    before = begin()
    for number in range(5):
        recording.store(before, bad(str(number)), {})
    recording.finish(before, Verdict.COMPLETE)

    recording.finish(begin(), Verdict.COMPLETE, answered=set())

    assert {*statuses().values()} == {"resolved"}


@pytest.mark.parametrize(
    ("spider", "verdict", "answered"),
    [("markets", Verdict.PARTIAL, set()), ("markets", Verdict.COMPLETE, None), ("mirror", Verdict.COMPLETE, set())],
    ids=["partial", "narrow", "of another source"],
)
def test_another_run_resolves_nothing_that_it_has_not_stored(
    spider: str, verdict: Verdict, answered: set[str] | None
) -> None:
    before = begin()
    recording.store(before, bad(""), {})
    recording.finish(before, Verdict.COMPLETE)

    recording.finish(recording.begin(spider, {}), verdict, answered=answered)

    assert statuses() == {"": "open"}


def test_the_same_rejection_again_counts_and_keeps_the_latest() -> None:
    run = begin()
    for price in (1, 2):
        again = Batch()
        again.reject(Rejection("bad", "bad", ("ath: true, not a number",)), {"id": "bad", "price": price}, str(price))
        recording.store(run, again, {})

    kept = RejectedRecord.objects.get()

    assert (kept.count, kept.raw, kept.page) == (2, '{"id": "bad", "price": 2}', "2")


def many_bad(memory: Memory, reasons: str) -> Batch:
    """A batch of records that cannot be stored, each for a reason of its own, and each of a coin but for the last."""
    filled = Batch(memory)
    for coin_id, reason in zip(("a", "b", ""), reasons, strict=True):
        filled.reject(Rejection(coin_id, coin_id, (reason,)), {"id": coin_id}, "1")
    return filled


def test_a_run_keeps_its_first_rejected_records_and_counts_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.crawls.batch.MAX_KEPT", 4)
    FullCoin.objects.upsert([{"coin_id": "b"}])
    run, memory = begin(), Memory()

    for reasons in ("123", "456", "128"):
        recording.store(run, many_bad(memory, reasons), {})
    recording.store(run, batch("c", memory=memory, market_cap_rank=10**30), {})

    kept = {record.reasons: record.count for record in RejectedRecord.objects.all()}
    assert counts(run) == {"seen": 10, "rejected": 8, "duplicates": 2}
    assert kept == {"1": 1, "2": 1, "3": 1, "4": 1}
    assert memory.not_kept == 4


def test_a_repeated_store_keeps_as_many_rejected_records_as_the_first_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.crawls.batch.MAX_KEPT", 2)
    run, memory = begin(), Memory()
    filled = many_bad(memory, "123")
    with monkeypatch.context() as patch:
        patch.setattr(RejectedRecord.objects, "keep", raising)
        with pytest.raises(OperationalError):
            recording.store(run, filled, {})

    recording.store(run, filled, {})

    assert set(RejectedRecord.objects.values_list("reasons", flat=True)) == {"1", "2"}
    assert (run.rejected, memory.not_kept) == (3, 1)


def test_a_coin_whose_rejected_record_is_not_kept_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.crawls.batch.MAX_KEPT", 0)
    FullCoin.objects.upsert([{"coin_id": "a"}])
    FullCoin.objects.update(missing_since=timezone.now())

    recording.store(begin(), many_bad(Memory(), "123"), {})

    assert not RejectedRecord.objects.exists()
    assert FullCoin.objects.get().missing_since is None


def test_a_run_that_has_not_kept_all_does_not_say_which_come_no_more() -> None:
    before = begin()
    recording.store(before, bad(""), {})
    recording.finish(before, Verdict.COMPLETE)

    recording.finish(begin(), Verdict.COMPLETE, answered=set(), not_kept=1)

    assert statuses() == {"": "open"}


def test_a_rejection_that_was_ignored_opens_anew() -> None:
    run, again = begin(), Batch()
    again.reject(Rejection("bad", "bad", ("ath: true, not a number",)), {}, "1")
    recording.store(run, again, {})
    RejectedRecord.objects.update(status=RejectedRecord.Status.IGNORED)

    recording.store(run, again, {})

    assert sorted(RejectedRecord.objects.values_list("status", flat=True)) == ["ignored", "open"]


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


def test_a_batch_that_was_stored_unheard_does_not_keep_the_run_from_its_end() -> None:
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


def test_what_is_refused_does_not_end_being_missing_where_the_source_says_so_itself() -> None:
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


def test_dates_that_are_known_cost_one_query(django_assert_num_queries: Any) -> None:
    dates = {f"coin-{number}": NOON + timedelta(minutes=number) for number in range(20)}
    FullCoin.objects.upsert({"coin_id": coin_id} for coin_id in dates)
    FullCoin.objects.mark_missing_since(dates, NOON)

    with django_assert_num_queries(1):
        FullCoin.objects.mark_missing_since(dates, NOON)


def test_changes_are_known_from_the_last_complete_run_on_the_same_address() -> None:
    def ended(url: str, verdict: Verdict, newest: datetime | None, **arguments: str) -> None:
        run = recording.begin("mirror", {"url": url} | arguments)
        recording.finish(run, verdict, newest_change=newest)

    ended("https://a/", Verdict.COMPLETE, NOON + timedelta(days=9))
    ended("https://a/", Verdict.COMPLETE, NOON, only="changed")
    ended("https://a/", Verdict.COMPLETE, None, only="changed")
    ended("https://a/", Verdict.PARTIAL, NOON + timedelta(days=2))
    ended("https://b/", Verdict.COMPLETE, NOON + timedelta(days=1))

    known = [history.newest_change("mirror", url) for url in ("https://a/", "https://b/", "https://c/")]

    assert known == [NOON, NOON + timedelta(days=1), None]
    assert history.newest_change("markets", "https://a/") is None


def test_another_currency_is_refused_with_the_way_out(settings: Any) -> None:
    FullCoin.objects.upsert([{"coin_id": "a"}])
    settings.VS_CURRENCY = "eur"

    run = begin()

    assert run.verdict == Verdict.FAILED
    assert "Set VS_CURRENCY=usd, or name another database in DATABASE_URL" in run.reason


def test_the_last_complete_run_is_the_one_of_the_same_scope() -> None:
    recording.finish(begin(), Verdict.COMPLETE)
    narrow = begin(pages=1)
    recording.finish(narrow, Verdict.COMPLETE)
    recording.finish(begin(pages=1), Verdict.PARTIAL)
    recording.finish(recording.begin("another", {"pages": 1}), Verdict.COMPLETE)

    assert history.last_complete("markets", {"pages": 1}) == narrow
