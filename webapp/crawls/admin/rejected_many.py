"""What people do with many rejected records at once: try them again, ignore them, open them again."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode

from webapp.coins import clock
from webapp.coins.admin.formats import in_address
from webapp.coins.admin.model_admin import RowAdmin
from webapp.coins.admin.parts import Message, in_parts
from webapp.coins.texts import are, counted
from webapp.crawls import retrying
from webapp.crawls.admin.rejected_tally import recorded, told_of_all
from webapp.crawls.models import RejectedRecord
from webapp.crawls.models.rejected import RejectedRecordQuerySet
from webapp.crawls.retrying import Tried

CHANGED_AT_ONCE = 500  # records in one transaction

Status = RejectedRecord.Status


class Change(NamedTuple):
    """Of the status of records."""

    before: Status
    after: Status
    do: Callable[[RejectedRecordQuerySet], int]
    history: str


class ManyRecordsAdmin(RowAdmin):
    """The actions of the list. Each of its records has what was done in its history."""

    @admin.action(description="Try selected records again", permissions=["resolve"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        def try_again(keys: Sequence[int]) -> list[Tried]:
            found = retrying.retry(keys)
            by_history = sorted(found, key=lambda key: recorded(found[key]))
            for history, own in groupby(by_history, key=lambda key: recorded(found[key])):
                if history:
                    _record(request, RejectedRecord.objects.filter(pk__in=list(own)), history)
            return [*found.values()]

        keys = list(queryset.filter(status=Status.OPEN).values_list("pk", flat=True))
        self.message_user(request, *in_parts(keys, retrying.AT_ONCE, try_again, told_of_all))

    @admin.action(description="Ignore selected records", permissions=["resolve"])
    def ignore(self, request: HttpRequest, queryset: QuerySet[RejectedRecord], **of: str) -> None:
        """The message leads to a page that undoes it; `of` are further parameters of the list of these records."""
        at = clock.database_clock()
        undo = format_html('<a href="{}">Undo</a>', undo_address(at, **of))
        ignoring = Change(Status.OPEN, Status.IGNORED, lambda own: own.ignore(at), "Ignored.")
        self.message_user(request, *_change(request, queryset, ignoring, undo))

    @admin.action(description="Open selected records again", permissions=["resolve"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[RejectedRecord]) -> None:
        opening = Change(Status.IGNORED, Status.OPEN, lambda own: own.reopen(), "Opened again.")
        self.message_user(request, *_change(request, queryset, opening))


def undo_address(at: datetime, **of: str) -> str:
    """Of the page that opens again what was ignored then; `of` are further parameters of the list of these records."""
    time = in_address(at)
    query = {"status": Status.IGNORED.label, **of, "ignored_at_min": time, "ignored_at_max": time}
    return f"{reverse('admin:crawls_rejectedrecord_undo')}?{urlencode(query)}"


def _change(request: HttpRequest, queryset: QuerySet[RejectedRecord], change: Change, undo: str = "") -> Message:
    """Change the status of records. `undo` stands at the end of the message if there were any."""

    def change_part(keys: Sequence[int]) -> list[int]:
        locked = RejectedRecord.objects.filter(pk__in=keys, status=change.before).locked()
        changed = list(locked.values_list("pk", flat=True))
        own = RejectedRecord.objects.filter(pk__in=changed)
        _record(request, own, change.history)
        change.do(own)
        return changed

    def told(changed: Sequence[int], left: str) -> Message:
        number = len(changed)
        words = f"{counted(number, 'record')} {are(number)} now {change.after.label.lower()}."
        parts = [part for part in (words, left, undo if changed else "") if part]
        return format_html_join(
            " ", "{}", ((part,) for part in parts)
        ), messages.SUCCESS if number else messages.WARNING

    keys = list(queryset.filter(status=change.before).values_list("pk", flat=True))
    return in_parts(keys, CHANGED_AT_ONCE, change_part, told)


def _record(request: HttpRequest, records: QuerySet[RejectedRecord], history: str) -> None:
    found = records.defer("raw", "values")
    LogEntry.objects.log_actions(cast(int, request.user.pk), found, CHANGE, change_message=history)
