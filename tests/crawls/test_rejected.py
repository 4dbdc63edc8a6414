"""Rejected records: how they are counted, kept, resolved and opened again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.support.factories import make_rejected
from tests.support.runs import bad, batch, begin, counts, raising
from webapp.coins.cleaning import Rejection
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable, values_of
from webapp.crawls import recording
from webapp.crawls.batch import Batch, Memory
from webapp.crawls.models import RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


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


def test_a_rejection_that_was_ignored_stays_so_and_counts_when_it_comes_again() -> None:
    run, again = begin(), Batch()
    again.reject(Rejection("bad", "bad", ("ath: true, not a number",)), {}, "1")
    recording.store(run, again, {})
    RejectedRecord.objects.update(status=RejectedRecord.Status.IGNORED)

    recording.store(run, again, {})

    kept = RejectedRecord.objects.get()
    assert (kept.status, kept.count) == ("ignored", 2)


# The values to try it again with ------------------------------------------------------------------
def kept_values(filled: Batch) -> Any:
    recording.store(begin(), filled, {})
    return values_of(RejectedRecord.objects.get().values)


def test_the_values_of_a_rejected_record_are_kept_exactly() -> None:
    values = {"coin_id": "bad", "ath": Decimal("0.10"), "name": "\ud800"}
    filled = Batch()
    filled.reject(Rejection("bad", "bad", ("name: has half a character",)), {"id": "bad"}, "1", values=values)

    assert str(kept_values(filled)) == str(values)


def test_a_record_that_comes_again_keeps_its_last_values() -> None:
    run = begin()
    for values in ({"coin_id": "bad", "ath": 1}, None):
        filled = Batch()
        filled.reject(Rejection("bad", "bad", ("ath: wrong",)), {"id": "bad"}, "1", values=values)
        recording.store(run, filled, {})

    assert RejectedRecord.objects.get().values == ""


def test_the_values_of_a_row_that_the_database_rejects_are_kept_too() -> None:
    since = datetime(2026, 2, 5, 12, tzinfo=UTC)
    filled = batch("bad", market_cap_rank=10**30)
    filled.missing["bad"] = since

    found = kept_values(filled)

    assert found == {
        "coin_id": "bad",
        "last_updated": None,
        "market_cap_rank": Decimal(10**30),
        "missing_since": since.isoformat(),
    }


# How long they are kept ----------------------------------------------------------------------------
def last_seen(days: float, **facts: Any) -> RejectedRecord:
    name = f"{facts.get('status', 'open')}, {days}"
    return make_rejected(name, last_seen_at=timezone.now() - timedelta(days=days), **facts)


@pytest.mark.parametrize(
    ("days", "left"), [(30, {29.5}), (31, {29.5, 30.5}), (0, {29.5, 30.5, 500}), (10**12, {29.5, 30.5, 500})]
)
def test_what_is_done_with_and_does_not_come_any_more_goes_by_itself(
    settings: Any, days: int, left: set[float]
) -> None:
    settings.REJECTED_HISTORY_DAYS = days
    for status in RejectedRecord.Status:
        for age in (29.5, 30.5, 500):
            last_seen(age, status=status)

    gone = RejectedRecord.objects.forget_old()

    kept = set(RejectedRecord.objects.exclude(status="open").values_list("coin_id", flat=True))
    assert kept == {f"{status}, {age}" for status in ("resolved", "ignored") for age in left}
    assert RejectedRecord.objects.open().count() == 3
    assert gone == 6 - len(kept)


def test_an_ignored_record_stays_as_long_as_it_comes(settings: Any) -> None:
    settings.REJECTED_HISTORY_DAYS = 30
    run = begin()
    recording.store(run, bad(), {})
    RejectedRecord.objects.update(status="ignored", last_seen_at=timezone.now() - timedelta(days=40))
    recording.store(run, bad(), {})

    assert RejectedRecord.objects.forget_old() == 0
    assert statuses() == {"bad": "ignored"}


def test_many_old_ones_go_in_parts(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.coins.models.coin.IDS_PER_STATEMENT", 2)
    for days in range(100, 105):
        last_seen(days, status="resolved")

    assert RejectedRecord.objects.forget_old() == 5
