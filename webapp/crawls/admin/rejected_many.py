"""What people do with many rejected records at once: try them again, ignore them, open them again."""

from collections.abc import Callable
from datetime import UTC
from itertools import groupby
from time import monotonic
from typing import cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from webapp.coins import clock
from webapp.coins.admin.formats import address_of_list
from webapp.coins.admin.model_admin import RowAdmin
from webapp.coins.texts import counted
from webapp.crawls import retrying
from webapp.crawls.admin.rejected_tally import recorded, told_of_all
from webapp.crawls.models import RejectedRecord
from webapp.crawls.models.rejected import RejectedRecordQuerySet
from webapp.crawls.retrying import Tried

MAX_SECONDS = 15  # that an action takes; proxies and gunicorn wait for 30
CHANGED_AT_ONCE = 500  # records in one transaction

Status = RejectedRecord.Status
Part = Callable[[RejectedRecordQuerySet], None]


class ManyRecordsAdmin(RowAdmin):
    """The actions of the list. Each of its records has what was done in its history."""

    @admin.action(description="Try selected records again", permissions=["resolve"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        tried: list[Tried] = []

        def try_again(records: RejectedRecordQuerySet) -> None:
            found = retrying.retry(list(records.values_list("pk", flat=True)))
            tried.extend(found.values())
            by_history = sorted(found, key=lambda key: recorded(found[key]))
            for history, keys in groupby(by_history, key=lambda key: recorded(found[key])):
                if history:
                    _record(request, RejectedRecord.objects.filter(pk__in=list(keys)), history)

        left = _in_parts(queryset, Status.OPEN, retrying.AT_ONCE, try_again)
        self.message_user(request, *told_of_all(tried, left))

    @admin.action(description="Ignore selected records", permissions=["resolve"])
    def ignore(self, request: HttpRequest, queryset: QuerySet[RejectedRecord], **of: str) -> None:
        """The message leads to those that were ignored now; `of` are further parameters of that list."""
        at = clock.database_clock()
        changed, left = _change(request, queryset, Status.OPEN, lambda records: records.ignore(at), "Ignored.")
        told = _told(changed, left, "ignored")
        if changed:
            time = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
            moment = {"ignored_at_min": time, "ignored_at_max": time}
            address = address_of_list(RejectedRecord, status=Status.IGNORED.label, **of, **moment)
            told = format_html('{} <a href="{}">List them, to open them again.</a>', told, address)
        self.message_user(request, told, messages.SUCCESS if changed else messages.WARNING)

    @admin.action(description="Open selected records again", permissions=["resolve"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        changed, left = _change(request, queryset, Status.IGNORED, lambda records: records.reopen(), "Opened again.")
        self.message_user(request, _told(changed, left, "open"), messages.SUCCESS if changed else messages.WARNING)


def _change(
    request: HttpRequest,
    queryset: QuerySet[RejectedRecord],
    before: Status,
    change: Callable[[RejectedRecordQuerySet], int],
    history: str,
) -> tuple[int, int]:
    """Change those with this status. Returns how many were changed, and how many are left."""
    changed = 0

    def change_part(records: RejectedRecordQuerySet) -> None:
        nonlocal changed
        locked = records.filter(status=before).in_order_of_locks()
        own = RejectedRecord.objects.filter(pk__in=list(locked.values_list("pk", flat=True)))
        _record(request, own, history)
        changed += change(own)

    left = _in_parts(queryset, before, CHANGED_AT_ONCE, change_part)
    return changed, left


def _in_parts(queryset: QuerySet[RejectedRecord], status: Status, size: int, do: Part) -> int:
    """Do it to those with this status, `size` in a transaction. Returns how many are left after MAX_SECONDS."""
    keys = list(queryset.filter(status=status).values_list("pk", flat=True))
    until = monotonic() + MAX_SECONDS
    for start in range(0, len(keys), size):
        if monotonic() > until:
            return len(keys) - start
        with transaction.atomic():
            do(RejectedRecord.objects.filter(pk__in=keys[start : start + size]))
    return 0


def _record(request: HttpRequest, records: QuerySet[RejectedRecord], history: str) -> None:
    found = records.defer("raw", "values")
    LogEntry.objects.log_actions(cast(int, request.user.pk), found, CHANGE, change_message=history)


def _told(changed: int, left: int, status: str) -> str:
    told = f"{counted(changed, 'record')} {'is' if changed == 1 else 'are'} now {status}."
    return f"{told} {left:,} are left: do it again." if left else told
