"""Tries rejected records again: cleans and stores them as a crawl does, unless their coin has been stored since."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Length

from webapp.coins import clock
from webapp.coins.cleaning import Rejection
from webapp.coins.models import FullCoin
from webapp.coins.texts import RAW_LIMIT, printable, values_of
from webapp.coins.upsert import Upserted
from webapp.crawls.catalog import SPIDERS, spiders_like
from webapp.crawls.models import RejectedRecord
from webapp.crawls.models.rejected import fingerprint_of
from webapp.crawls.storing import cleaner, store_coins

AT_ONCE = 100  # records in one transaction: a crawl waits for less than a second
# SQLite writes the dates of rejected records without microseconds.
PRECISION = timedelta(milliseconds=1)

# What is before the colon in a reason of a record of a coin.
OF_COINS = cleaner(reports_missing=True).names | {"the database rejected it"}

Status = RejectedRecord.Status


class Outcome(StrEnum):
    STORED = "stored"
    UNCHANGED = "unchanged"  # the coin is stored with these values already
    OUTDATED = "outdated"  # the stored coin is newer
    REJECTED = "rejected"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Tried:
    """What became of a record. `words` are a sentence for people, without the reasons for which it is rejected."""

    outcome: Outcome
    words: str
    reasons: Sequence[str] = ()

    @property
    def is_resolved(self) -> bool:
        return self.outcome in (Outcome.STORED, Outcome.UNCHANGED, Outcome.OUTDATED)

    @property
    def told(self) -> str:
        """`words`, and the reasons."""
        return f"{self.words} {'; '.join(self.reasons)}".strip()


SINCE = Tried(Outcome.OUTDATED, "The coin has been stored since the record came: nothing was written.")
NEWER_DATE = Tried(Outcome.OUTDATED, "The stored coin has a newer `last_updated` than the record: nothing was written.")
DELETED = Tried(Outcome.NOT_TRIED, "The record has been deleted.")
NOT_THE_NEWEST = Tried(
    Outcome.NOT_TRIED, "A newer record of this coin is rejected, too: try that one, or ignore it first."
)


@dataclass(frozen=True)
class Candidate:
    """A record that is valid now, with its values for the database."""

    record: RejectedRecord
    row: Mapping[str, Any]
    missing_since: datetime | None

    @property
    def coin_id(self) -> str:
        return str(self.row["coin_id"])


def retry(keys: Collection[int]) -> dict[int, Tried]:
    """Try these records again, in one transaction: at most AT_ONCE of them. Returns what became of each.

    A record whose coin is stored, now or since it came, is resolved. One that is still rejected gets the new reasons.
    Of several records of a coin, only the newest is stored, so no older data replaces newer data.
    """
    with transaction.atomic():
        now = clock.database_clock()
        found = RejectedRecord.objects.filter(pk__in=keys).select_related("run").defer("raw", "run__log_tail")
        records = found.annotate(length=Length("raw")).locked()  # two people who try the same wait here
        tried = dict.fromkeys(keys, DELETED)
        currency = FullCoin.objects.other_currency()
        candidates = []
        for record in records:
            if why_not := _why_not(record, currency):
                tried[record.pk] = Tried(Outcome.NOT_TRIED, why_not)
            elif isinstance(cleaned := _cleaned(record), Rejection):
                tried[record.pk] = _reject_again(record, cleaned.reasons)
            else:
                missing_since = cleaned.pop("missing_since", None)
                candidates.append(Candidate(record, cleaned, missing_since))
        tried |= _store(candidates, now)
        for one in candidates:
            if tried[one.record.pk].is_resolved:
                tried |= dict.fromkeys(_resolve(one.record) & tried.keys() - {one.record.pk}, SINCE)
        return tried


def _why_not(record: RejectedRecord, other_currency: str | None) -> str:
    """Why it cannot be tried again; empty if it can."""
    if record.status == Status.RESOLVED:
        return "It is resolved already."
    if record.status == Status.IGNORED:
        return "It is ignored: open it again first."
    if other_currency:
        return f"The database holds prices in {other_currency}, and VS_CURRENCY is {settings.VS_CURRENCY}."
    if record.values:
        return "" if values_of(record.values) is not None else "Its values cannot be read: wait for the next crawl."
    return why_no_values(record, vars(record)["length"])


def why_no_values(record: RejectedRecord, length: int) -> str:
    """Why a record was kept without its values, and what to do. `length` is that of the raw record."""
    spider = SPIDERS.get(record.run.spider)
    names = {reason.partition(": ")[0] for reason in record.reasons.splitlines()}
    if spider and not spider.is_of_coins:
        return f"It is of past prices: run `scrapy crawl {record.run.spider} -a ids=...` for the coin again."
    if length >= RAW_LIMIT:
        return "It is longer than 64 kB, so only its beginning was kept: wait for the next crawl."
    if "record" in names:
        return "What was sent has no values that are certain: wait until the source sends it differently."
    if not names & OF_COINS:
        return "It is of past prices: the next run that copies their day brings it again."
    return "Version 0.1.0 kept it, without its values: the next crawl that has it again keeps them."


def _cleaned(record: RejectedRecord) -> dict[str, Any] | Rejection:
    values = values_of(record.values) or {}
    # Only the values of a source that reports missing coins have this field.
    return cleaner(reports_missing="missing_since" in values).clean(values)


def _reject_again(record: RejectedRecord, reasons: Sequence[str]) -> Tried:
    """Write the new reasons. If another record of the coin has the same, that one stays, and this one is resolved."""
    text = "\n".join(reasons)
    if text != record.reasons:
        fingerprint = fingerprint_of(record.coin_id, text)
        own = RejectedRecord.objects.filter(pk=record.pk)
        twin = RejectedRecord.objects.filter(fingerprint=fingerprint)
        if twin.exists():
            twin.filter(status=Status.RESOLVED).update(status=Status.OPEN)
            own.update(status=Status.RESOLVED)
        else:
            own.update(reasons=text, fingerprint=fingerprint)
    return Tried(Outcome.REJECTED, "It is still rejected.", reasons)


def _store(candidates: Sequence[Candidate], now: datetime) -> dict[int, Tried]:
    newest = _newest_keys(candidates)
    coins = FullCoin.objects.in_bulk([one.coin_id for one in candidates])
    tried: dict[int, Tried] = {}
    dated: list[Candidate] = []
    undated: list[Candidate] = []
    for one in candidates:
        if one.record.coin_id and one.record.pk not in newest:
            tried[one.record.pk] = NOT_THE_NEWEST
        elif outdated := _outdated(one, coins.get(one.coin_id)):
            tried[one.record.pk] = outdated
        else:
            (dated if one.row.get("last_updated") else undated).append(one)
    # When a price without `last_updated` was true is unknown by now, so it is not observed.
    for group, are_prices_new in ((undated, False), (dated, True)):
        if group:
            result = _write(group, now, are_prices_new=are_prices_new)
            tried |= {one.record.pk: _of_result(one, result) for one in group}
    return tried


def _newest_keys(candidates: Iterable[Candidate]) -> set[int]:
    """The newest open record of each of these coins, among all that can be tried."""
    labels = {one.record.coin_id for one in candidates}
    all_open = RejectedRecord.objects.open().filter(coin_id__in=labels).exclude(values="")
    in_order = all_open.order_by("last_seen_at", "pk").values_list("coin_id", "pk")
    return {*dict(in_order).values()}


def _outdated(one: Candidate, coin: FullCoin | None) -> Tried | None:
    if coin is None:
        return None
    if coin.changed_at > one.record.last_seen_at + PRECISION:
        return SINCE
    last_updated = one.row.get("last_updated")
    is_older = last_updated and coin.stale_before and last_updated < coin.stale_before
    return NEWER_DATE if is_older else None


def _write(group: Sequence[Candidate], now: datetime, *, are_prices_new: bool) -> Upserted:
    rows = {one.coin_id: one.row for one in group}
    missing = {one.coin_id: one.missing_since for one in group if one.missing_since}
    return store_coins(rows, missing, now, FullCoin.objects.next_change(now), are_prices_new=are_prices_new)


def _of_result(one: Candidate, result: Upserted) -> Tried:
    if error := result.rejected.get(one.coin_id):
        return _reject_again(one.record, [printable(f"the database rejected it: {error}", 500)])
    if one.coin_id in result.stale:
        return NEWER_DATE
    if one.coin_id in result.unchanged:
        return Tried(Outcome.UNCHANGED, "The coin is stored with these values already.")
    return Tried(Outcome.STORED, "Stored: a new coin." if one.coin_id in result.created else "Stored.")


def _resolve(record: RejectedRecord) -> set[int]:
    """Resolve it with the older open records of its coin. Returns the keys of all of them."""
    spider, keys = record.run.spider, {record.pk}
    if record.coin_id:
        spiders = spiders_like(spider) if spider in SPIDERS else [spider]
        same_coin = RejectedRecord.objects.open().filter(coin_id=record.coin_id, run__spider__in=spiders)
        keys |= {*same_coin.filter(last_seen_at__lte=record.last_seen_at).values_list("pk", flat=True)}
    RejectedRecord.objects.filter(pk__in=keys).update(status=Status.RESOLVED)
    return keys
