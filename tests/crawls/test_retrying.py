"""Rejected records that are tried again."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from tests.support.factories import HOUR, NOON, make_coin, make_rejected, make_run
from tests.support.racing import at_once, meanwhile, wait_until_somebody_waits_for_a_lock
from tests.support.runs import batch, begin
from webapp.coins.cleaning import Rejection
from webapp.coins.models import FullCoin, Price
from webapp.coins.texts import whole_json
from webapp.crawls import recording, retrying
from webapp.crawls.models import RejectedRecord
from webapp.crawls.retrying import Outcome, retry

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

REJECTED = reverse("admin:crawls_rejectedrecord_changelist")
Status = RejectedRecord.Status
UPDATED = NOON.isoformat()


def rejected(coin_id: str = "bitcoin", **facts: Any) -> RejectedRecord:
    """An open record that came an hour after noon, and whose values are valid by now."""
    values = {"coin_id": coin_id, "name": "Bitcoin", "last_updated": UPDATED} | facts.pop("sent", {})
    return make_rejected(coin_id, **{"values": whole_json(values), "last_seen_at": NOON + HOUR} | facts)


def outcome_of(record: RejectedRecord) -> tuple[Outcome, str]:
    """What became of it: the outcome, and its status then."""
    outcome = retry([record.pk])[record.pk].outcome
    record.refresh_from_db()
    return outcome, record.status


def words_of(record: RejectedRecord) -> str:
    return retry([record.pk])[record.pk].words


# Stored ------------------------------------------------------------------------------------------
def test_a_valid_record_is_stored_with_every_digit_and_its_price() -> None:
    digits = {"current_price": Decimal("0.1000000000000001"), "total_supply": Decimal("1E+25")}
    record = rejected(sent=digits | {"last_updated": "2026-02-05T20:00:00+08:00"})

    outcome = outcome_of(record)

    coin, price = FullCoin.objects.get(), Price.objects.get()
    assert outcome == (Outcome.STORED, Status.RESOLVED)
    assert (coin.pk, coin.name, coin.vs_currency) == ("bitcoin", "Bitcoin", "usd")
    assert (coin.current_price, coin.total_supply, coin.last_updated) == (*digits.values(), NOON)
    assert (price.time, price.price) == (NOON, digits["current_price"])


def test_a_record_replaces_what_was_stored_before_it_came() -> None:
    make_coin(name="Old", symbol="btc")
    record = rejected()

    outcome = outcome_of(record)

    coin = FullCoin.objects.get()
    assert outcome == (Outcome.STORED, Status.RESOLVED)
    assert (coin.name, coin.symbol) == ("Bitcoin", "btc")


def test_a_record_that_agrees_with_the_stored_coin_is_resolved() -> None:
    coin = make_coin(name="Bitcoin", last_updated=NOON)
    record = rejected()

    assert outcome_of(record) == (Outcome.UNCHANGED, Status.RESOLVED)
    assert FullCoin.objects.get().changed_at == coin.changed_at


def test_a_price_without_a_date_is_stored_but_not_observed() -> None:
    record = rejected(sent={"last_updated": None, "current_price": 5})

    assert outcome_of(record) == (Outcome.STORED, Status.RESOLVED)
    assert FullCoin.objects.get().current_price == 5
    assert not Price.objects.exists()


def test_without_price_history_no_price_is_stored(settings: Any) -> None:
    settings.PRICE_HISTORY = False
    record = rejected(sent={"current_price": 5})

    assert outcome_of(record) == (Outcome.STORED, Status.RESOLVED)
    assert not Price.objects.exists()


@pytest.mark.parametrize(("sent", "expected"), [(None, None), (UPDATED, NOON)])
def test_the_source_says_whether_a_coin_is_missing(sent: str | None, expected: Any) -> None:
    make_coin(missing_since=NOON - HOUR)
    record = rejected(sent={"missing_since": sent})

    outcome_of(record)

    assert FullCoin.objects.get().missing_since == expected


def test_a_value_that_is_of_no_field_is_left_out() -> None:
    record = rejected(sent={"sparkline": [1], "changed_at": UPDATED})

    assert outcome_of(record) == (Outcome.STORED, Status.RESOLVED)


# Newer data stays --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stored", "words"),
    [
        pytest.param({"changed_at": NOON + 2 * HOUR}, "stored since", id="stored since the record came"),
        pytest.param({"stale_before": NOON + timedelta(seconds=1)}, "newer `last_updated`", id="of a later date"),
    ],
)
def test_newer_data_is_not_replaced_and_the_record_is_resolved(stored: dict[str, Any], words: str) -> None:
    make_coin(name="New", **stored)
    record = rejected()

    tried = retry([record.pk])[record.pk]

    assert (tried.outcome, words in tried.words) == (Outcome.OUTDATED, True)
    assert FullCoin.objects.get().name == "New"
    assert RejectedRecord.objects.get().status == Status.RESOLVED


@pytest.mark.parametrize(("after", "is_stored"), [(0, True), (1_000, True), (1_001, False)])
def test_a_coin_was_stored_since_if_it_was_a_millisecond_after_the_record_came(after: int, is_stored: bool) -> None:
    """SQLite dates rejected records no closer, so a record may have come with what was stored."""
    make_coin(name="Old", changed_at=NOON + HOUR + timedelta(microseconds=after))
    record = rejected()

    retry([record.pk])

    assert FullCoin.objects.get().name == ("Bitcoin" if is_stored else "Old")


def test_of_the_records_of_a_coin_only_the_newest_is_stored_and_all_are_resolved() -> None:
    old = rejected(sent={"name": "Old"}, fingerprint="old", last_seen_at=NOON)
    invalid = rejected(sent={"name": 1}, fingerprint="invalid", last_seen_at=NOON)
    unselected = rejected(sent={"name": 1}, fingerprint="unselected", last_seen_at=NOON)
    new = rejected(sent={"name": "New"}, fingerprint="new")
    other = rejected("other")

    tried = retry([old.pk, new.pk, invalid.pk, other.pk])

    assert {key: one.outcome for key, one in tried.items()} == {
        old.pk: Outcome.OUTDATED,
        invalid.pk: Outcome.OUTDATED,
        new.pk: Outcome.STORED,
        other.pk: Outcome.STORED,
    }
    assert FullCoin.objects.get(pk="bitcoin").name == "New"
    assert set(RejectedRecord.objects.values_list("status", flat=True)) == {Status.RESOLVED}
    assert unselected.pk not in tried


def test_an_older_record_waits_for_a_newer_one_that_is_rejected_too() -> None:
    old = rejected(fingerprint="old", last_seen_at=NOON)
    new = rejected(sent={"name": 1}, fingerprint="new")

    tried = retry([old.pk])

    assert tried[old.pk] == retrying.NOT_THE_NEWEST
    new.refresh_from_db()
    assert (new.status, FullCoin.objects.exists()) == (Status.OPEN, False)


def test_a_newer_record_without_values_is_left_open() -> None:
    old = rejected(fingerprint="old", last_seen_at=NOON)
    cut = rejected(values="", fingerprint="cut")

    assert outcome_of(old) == (Outcome.STORED, Status.RESOLVED)
    cut.refresh_from_db()
    assert cut.status == Status.OPEN


# Still rejected ----------------------------------------------------------------------------------
def test_an_invalid_record_gets_the_new_reasons() -> None:
    record = rejected(sent={"name": "x" * 256, "ath": True}, reasons="name: of old")

    tried = retry([record.pk])[record.pk]

    record.refresh_from_db()
    assert tried.outcome == Outcome.REJECTED
    assert tried.reasons == ("name: longer than 255 characters", "ath: true, not a number")
    assert (record.status, record.reasons.splitlines()) == (Status.OPEN, [*tried.reasons])
    assert not FullCoin.objects.exists()


def test_a_record_with_new_reasons_is_found_by_the_next_crawl() -> None:
    record = rejected(sent={"ath": True}, reasons="of old")
    retry([record.pk])
    run, again = begin(), batch()
    again.reject(Rejection("bitcoin", "bitcoin", ("ath: true, not a number",)), {}, "1")

    recording.store(run, again, {})

    assert RejectedRecord.objects.get().count == 2


@pytest.mark.parametrize(
    ("status", "expected"),
    [(Status.OPEN, Status.OPEN), (Status.RESOLVED, Status.OPEN), (Status.IGNORED, Status.IGNORED)],
)
def test_a_record_with_the_new_reasons_of_another_becomes_that_one(status: str, expected: str) -> None:
    twin = rejected(sent={"ath": True}, reasons="of old")
    retry([twin.pk])
    RejectedRecord.objects.update(status=status)
    record = rejected(sent={"ath": True}, reasons="of old", fingerprint="other")

    outcome = outcome_of(record)

    twin.refresh_from_db()
    assert outcome == (Outcome.REJECTED, Status.RESOLVED)
    assert twin.status == expected


def test_what_the_database_rejects_is_still_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cleaner lets nothing through that the database rejects, so here it lets everything through."""
    sent = {"coin_id": "bitcoin", "market_cap_rank": 10**30}
    good, bad = rejected("other", fingerprint="g"), rejected(fingerprint="b")
    monkeypatch.setattr(
        "webapp.coins.cleaning.Cleaner.clean",
        lambda _, values: dict(sent) if values["coin_id"] == "bitcoin" else {"coin_id": "other"},
    )

    tried = retry([good.pk, bad.pk])

    bad.refresh_from_db()
    assert (tried[good.pk].outcome, tried[bad.pk].outcome) == (Outcome.STORED, Outcome.REJECTED)
    assert tried[bad.pk].reasons[0].startswith("the database rejected it: ")
    assert bad.reasons == tried[bad.pk].reasons[0]


# Not tried ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param({"status": Status.RESOLVED}, "It is resolved already.", id="resolved"),
        pytest.param({"status": Status.IGNORED}, "It is ignored: open it again first.", id="ignored"),
        pytest.param({"values": "", "raw": "x" * 64_000}, "longer than 64 kB", id="cut"),
        pytest.param(
            {"values": "", "reasons": "record: null, not an object"}, "no values that are certain", id="no object"
        ),
        pytest.param({"values": "", "reasons": "close: a text"}, "of past prices", id="past prices of a mirror"),
        pytest.param({"values": ""}, "Version 0.1.0 kept it", id="of version 0.1.0"),
        pytest.param({"values": '{"ath": sNaN}'}, "cannot be read", id="unreadable"),
    ],
)
def test_a_record_that_cannot_be_tried_is_left_as_it_is(facts: dict[str, Any], words: str) -> None:
    record = rejected(**facts)
    before = RejectedRecord.objects.values().get()

    tried = retry([record.pk])[record.pk]

    assert (tried.outcome, words in tried.words) == (Outcome.NOT_TRIED, True), tried.words
    assert RejectedRecord.objects.values().get() == before
    assert not FullCoin.objects.exists()


def test_past_prices_are_fetched_again_by_their_spider() -> None:
    record = make_rejected(run=make_run(spider="history"))

    assert "run `scrapy crawl history -a ids=...` for the coin again" in words_of(record)


@pytest.mark.parametrize("values", ["", '{"coin_id": "bitcoin"}'])
def test_a_record_of_a_spider_that_is_gone_is_tried_too(values: str) -> None:
    record = rejected(run=make_run(spider="gone"), values=values)

    assert outcome_of(record)[0] == (Outcome.STORED if values else Outcome.NOT_TRIED)


def test_currencies_are_not_mixed(settings: Any) -> None:
    make_coin("other", vs_currency="eur")
    record = rejected()

    assert "holds prices in eur, and VS_CURRENCY is usd" in words_of(record)
    assert FullCoin.objects.count() == 1


def test_a_record_that_is_gone_is_told() -> None:
    assert retry([7]) == {7: retrying.DELETED}


# Many, and others at the same time ---------------------------------------------------------------
def test_many_records_take_as_few_statements_as_some(django_assert_max_num_queries: Callable[[int], Any]) -> None:
    run = make_run()
    records = [rejected(f"coin-{number}", run=run) for number in range(100)]

    with django_assert_max_num_queries(250):  # two to resolve each record
        tried = retry([record.pk for record in records])

    assert {one.outcome for one in tried.values()} == {Outcome.STORED}


@pytest.mark.django_db(transaction=True)
def test_what_two_people_try_at_the_same_time_is_stored_once() -> None:
    record = rejected(last_seen_at=Now())

    results = at_once(*[lambda: retry([record.pk])[record.pk]] * 2)

    assert sorted(one.outcome for one in results) == [Outcome.NOT_TRIED, Outcome.STORED]
    assert {one.words for one in results} == {"Stored: a new coin.", "It is resolved already."}


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_a_crawl_that_is_just_storing_the_coin_is_waited_for() -> None:
    record, told = rejected(last_seen_at=Now() - HOUR), []
    with ExitStack() as outside, transaction.atomic():
        FullCoin.objects.upsert([{"coin_id": "bitcoin", "name": "New"}])
        outside.enter_context(meanwhile(lambda: told.append(words_of(record))))
        wait_until_somebody_waits_for_a_lock()
        # The crawl goes on to the records: if they were locked by now, each would wait for the other.
        RejectedRecord.objects.select_for_update(nowait=True).get()

    assert told == [retrying.SINCE.words]
    assert FullCoin.objects.get().name == "New"


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_a_record_that_somebody_is_just_ignoring_is_not_tried() -> None:
    record, told = rejected(), []
    with ExitStack() as outside, transaction.atomic():
        RejectedRecord.objects.ignore()
        outside.enter_context(meanwhile(lambda: told.append(words_of(record))))
        wait_until_somebody_waits_for_a_lock()

    assert told == ["It is ignored: open it again first."]
    assert not FullCoin.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
@pytest.mark.parametrize("does", ["retry", "ignore", "reopen"])
def test_people_and_crawls_lock_records_one_after_the_other(admin_client: Client, does: str) -> None:
    """To try one again also resolves older records of its coin, which somebody else may be ignoring."""
    before, after = {
        "retry": (Status.OPEN, Status.RESOLVED),
        "ignore": (Status.OPEN, Status.IGNORED),
        "reopen": (Status.IGNORED, Status.OPEN),
    }[does]
    older = rejected(fingerprint="a", last_seen_at=NOON, status=before)
    newer = rejected(fingerprint="b", status=before)
    selected = {"action": does, "_selected_action": [newer.pk], "index": 0}
    with ExitStack() as outside, transaction.atomic():
        FullCoin.objects.lock_changes()
        outside.enter_context(meanwhile(lambda: admin_client.post(f"{REJECTED}?status=All", selected)))
        wait_until_somebody_waits_for_a_lock()
        assert len(RejectedRecord.objects.select_for_update(nowait=True)) == 2

    statuses = dict(RejectedRecord.objects.values_list("pk", "status"))
    assert statuses == {newer.pk: after, older.pk: after if does == "retry" else before}
