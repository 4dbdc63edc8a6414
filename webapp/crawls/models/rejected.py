"""RejectedRecord: a record that could not be stored."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connections, models
from django.db.models.functions import Now

from webapp.coins.cleaning import LABEL_LENGTH, Rejection
from webapp.coins.lookups import Among
from webapp.coins.models.coin import FullCoin, in_statements
from webapp.coins.texts import printable, raw_json, whole_json
from webapp.crawls.catalog import spiders_like
from webapp.crawls.models.run import CrawlRun


@dataclass(frozen=True)
class Occurrence:
    """A rejection, with the record that was rejected and the page it was on."""

    rejection: Rejection
    record: object
    page: str
    is_new: bool = True  # whether its run has not counted it before
    values: Mapping[str, Any] | None = None  # under FullCoin's names; None if it cannot be tried again


A_CENTURY = 36_500  # days; databases do not know dates much further back

# One statement for all: a page may have nothing but rejected records. The ORM's own cannot add to a stored count.
KEEP = """
    INSERT INTO crawls_rejectedrecord (run_id, coin_id, page, raw, "values", reasons, fingerprint, status, count)
    VALUES (%s, %s, %s, %s, %s, %s, %s, 'open', %s)
    ON CONFLICT (fingerprint) DO UPDATE SET
        run_id = excluded.run_id, page = excluded.page, raw = excluded.raw, "values" = excluded."values",
        last_seen_at = excluded.last_seen_at, count = crawls_rejectedrecord.count + excluded.count,
        status = CASE crawls_rejectedrecord.status WHEN 'ignored' THEN 'ignored' ELSE excluded.status END
"""


class RejectedRecordQuerySet(models.QuerySet["RejectedRecord"]):
    def keep(self, run: CrawlRun, occurrences: Iterable[Occurrence]) -> None:
        """Open a rejected record for each. Records with the same coin and reasons share one row, which counts them.

        If there is one already, it is opened again. An ignored one stays ignored. It has the record, the page and the
        run of the latest occurrence.
        """
        alike: dict[tuple[str, str], list[Occurrence]] = {}
        for occurrence in occurrences:
            rejection = occurrence.rejection
            alike.setdefault((rejection.label, "\n".join(rejection.reasons)), []).append(occurrence)
        rows = {}
        for (label, reasons), group in alike.items():
            last, fingerprint = group[-1], fingerprint_of(label, reasons)
            page, raw, values = printable(last.page, 100), raw_json(last.record), whole_json(last.values)
            number = sum(occurrence.is_new for occurrence in group)
            rows[fingerprint] = run.pk, label, page, raw, values, reasons, fingerprint, number
        if not rows:
            return
        with connections[self.db].cursor() as cursor:
            cursor.executemany(KEEP, [*rows.values()])

    def open(self) -> "RejectedRecordQuerySet":
        """Those that are neither resolved nor ignored: their coins are not stored as they were sent."""
        return self.filter(status=RejectedRecord.Status.OPEN)

    def ignored(self) -> "RejectedRecordQuerySet":
        return self.filter(status=RejectedRecord.Status.IGNORED)

    def ignore(self, at: datetime | None = None) -> int:
        """Ignore those that are open: they stay ignored when they come again. Returns how many.

        `at` is the time that is noted, by default the database's.
        """
        return self.open().update(status=RejectedRecord.Status.IGNORED, ignored_at=at or Now())

    def reopen(self) -> int:
        """Open those that are ignored. Returns how many."""
        return self.ignored().update(status=RejectedRecord.Status.OPEN, ignored_at=None)

    def locked(self) -> "RejectedRecordQuerySet":
        """Locked when they are read. Call it in a transaction.

        First it waits for FullCoin's `lock_changes`, as crawls do before they write rejected records. So only one
        transaction at a time changes several of them, whatever their order is, and nobody deadlocks.
        """
        FullCoin.objects.lock_changes()
        return self.select_for_update(of=("self",))

    def forget_old(self) -> int:
        """Delete those that are resolved or ignored, and did not come for REJECTED_HISTORY_DAYS. Returns their number.

        Open ones stay as long as their run.
        """
        if not settings.REJECTED_HISTORY_DAYS:
            return 0
        kept = timedelta(days=min(settings.REJECTED_HISTORY_DAYS, A_CENTURY))
        done = self.exclude(status=RejectedRecord.Status.OPEN).filter(last_seen_at__lt=Now() - kept)
        keys = list(done.values_list("pk", flat=True))
        # A crawl may have seen one again meanwhile, so the condition is asked for once more.
        return sum(done.filter(pk__in=some).delete()[0] for some in in_statements(keys))

    def resolve(self, coin_ids: Iterable[str], spider: str) -> None:
        """Resolve the open records of these coins, which a run of this spider has stored."""
        if self.open().exists():
            labels = {printable(coin_id, LABEL_LENGTH) for coin_id in coin_ids}
            own = self.open().filter(Among("coin_id", labels), run__spider__in=spiders_like(spider))
            own.update(status=RejectedRecord.Status.RESOLVED)

    def resolve_gone(self, run: CrawlRun, answered: Iterable[str]) -> None:
        """Resolve the open records of earlier runs of this spider that this complete run did not see again.

        These are records without an id, and those of coins that are not `answered`.
        """
        earlier = self.open().filter(run__spider=run.spider).exclude(run=run).values_list("pk", "coin_id")
        if open_ones := dict(earlier):
            labels = {printable(coin_id, LABEL_LENGTH) for coin_id in answered}
            gone = [pk for pk, label in open_ones.items() if label not in labels]
            for ids in in_statements(gone):
                self.filter(pk__in=ids).update(status=RejectedRecord.Status.RESOLVED)


def fingerprint_of(label: str, reasons: str) -> str:
    return hashlib.sha256(f"{label}\n{reasons}".encode()).hexdigest()


class RejectedRecord(models.Model):
    """A record that could not be stored, as it was sent, with the reasons. Records that agree are one, with a count.

    It is resolved when its coin is stored, and opened when it comes again. A person may ignore it: then it stays so. It
    is deleted with the last run that saw it, or earlier if it is not open: see `forget_old`.
    """

    class Status(models.TextChoices):
        OPEN = "open"
        RESOLVED = "resolved"  # its coin has been stored since, or does not come any more
        IGNORED = "ignored"  # by a person, also when it comes again

    run = models.ForeignKey(
        CrawlRun, on_delete=models.CASCADE, help_text="The last run that had it. The two are deleted together."
    )
    # escaped and cut
    coin_id = models.CharField(
        max_length=LABEL_LENGTH,
        blank=True,
        help_text="The id in the record, empty if there is none. Letters such as é are written as codes.",
    )
    page = models.CharField(max_length=100, help_text="The page of the source that it was on.")
    # JSON, escaped to ASCII
    raw = models.TextField(help_text="The record as the source sent it. Only the first 64 kB are kept.")
    # JSON, exact and never cut. Empty above 64 kB, and if there are none: no object, a key that appears twice, prices.
    values = models.TextField(
        blank=True,
        default="",
        help_text="Its values under the names of the coin's fields. Without them, it cannot be tried again.",
    )
    reasons = models.TextField(help_text="What is wrong with it, a line for each field.")
    # SHA-256 of both, because reasons can be longer than what PostgreSQL puts into an index.
    fingerprint = models.CharField(
        max_length=64, editable=False, help_text="The same for records with the same coin and reasons."
    )
    status = models.CharField(
        max_length=20,
        choices=Status,
        default=Status.OPEN,
        help_text="Resolved: its coin has been stored since, or it does not come any more. Ignored: by a person.",
    )
    ignored_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When a person ignored it; empty if that is not known."
    )
    count = models.PositiveIntegerField(
        default=1, help_text="How often it came. The record of a coin counts once in a run."
    )
    first_seen_at = models.DateTimeField(db_default=Now(), help_text="When it first came.")
    last_seen_at = models.DateTimeField(db_default=Now(), help_text="When it last came.")

    objects = RejectedRecordQuerySet.as_manager()

    class Meta:
        verbose_name = "rejected record"
        indexes = [
            models.Index(fields=["-last_seen_at"], name="rejections_newest_first"),
            models.Index(fields=["status", "coin_id"], name="rejections_by_status"),
        ]
        constraints = [models.UniqueConstraint(fields=["fingerprint"], name="one_rejection_per_coin_and_reasons")]
        permissions = [("resolve_rejectedrecord", "Can try again and ignore rejected records")]

    def __str__(self) -> str:
        return f"{self.coin_id or 'a record without an id'}: {self.reasons.partition(chr(10))[0]}"
