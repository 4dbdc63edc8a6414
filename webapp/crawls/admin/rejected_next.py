"""From a rejected record that is done with to the next open one of the list that one came from."""

from copy import copy

from django.contrib import messages
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.text import Truncator

from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.formats import address_of
from webapp.crawls.admin.buttons import ButtonAdmin, Pressed
from webapp.crawls.admin.rejected_filters import ALL, StatusFilter
from webapp.crawls.models import RejectedRecord

FILTERS = "_changelist_filters"  # Django's parameter for the query of the list that a page was opened from
LOOKED_AT = 10_000  # records of that list


class NextRecordAdmin(ExportAdmin, ButtonAdmin):
    """Ignoring a record, or resolving it, leads to the next one. Without any left, it leads to the list."""

    def leave(self, request: HttpRequest, row: RejectedRecord, pressed: Pressed) -> HttpResponse:
        if not pressed.is_done:
            return super().leave(request, row, pressed)
        try:
            following = self.following(request, row)
        except (BadRequest, SuspiciousOperation):  # no list has such filters
            request = copy(request)
            request.GET = QueryDict()
            following = self.following(request, row)
        place = "This is the next open record." if following else "This list has no other open record."
        back = format_html('<a href="{}"><bdi>{}</bdi></a>', self.with_list(request, address_of(row)), named(row))
        self.message_user(request, format_html("{}: {} {}", back, pressed.told, place), messages.SUCCESS)
        address = address_of(following) if following else self.view_address("changelist")
        return redirect(self.with_list(request, address))

    def following(self, request: HttpRequest, row: RejectedRecord) -> RejectedRecord | None:
        """The open record after this one in the list that the person came from; after the last, the first.

        Raises BadRequest or SuspiciousOperation if there is no such list.
        """
        query = QueryDict(request.GET.get(FILTERS, ""), mutable=True)
        if any("\0" in text for name, values in query.lists() for text in (name, *values)):
            raise BadRequest("The filters have a NUL character.")
        query[StatusFilter.parameter_name] = ALL  # the row has another status by now
        found = self.list_of(request, query).queryset.filter(Q(status=RejectedRecord.Status.OPEN) | Q(pk=row.pk))
        keys = list(found.values_list("pk", flat=True)[:LOOKED_AT])
        place = keys.index(row.pk) if row.pk in keys else -1
        others = [*keys[place + 1 :], *keys[: max(place, 0)]]
        return RejectedRecord(pk=others[0]) if others else None


def named(record: RejectedRecord) -> str:
    return Truncator(record.coin_id or "The record without an id").chars(40)
