"""From a rejected record that is done with to the next open one of the list that one came from."""

from copy import copy

from django.contrib import messages
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import Truncator

from webapp.coins.admin.exporting import ExportAdmin
from webapp.coins.admin.formats import address_of
from webapp.crawls.admin.buttons import FILTERS, ButtonAdmin, Pressed, with_filters
from webapp.crawls.admin.rejected_filters import ALL, StatusFilter
from webapp.crawls.models import RejectedRecord

LOOKED_AT = 10_000  # records of that list


class NextRecordAdmin(ExportAdmin, ButtonAdmin):
    """Ignoring a record, or resolving it, leads to the next one. Without any left, it leads to the list."""

    def leave(self, request: HttpRequest, row: RejectedRecord, pressed: Pressed) -> HttpResponse:
        if not pressed.is_done:
            return super().leave(request, row, pressed)
        filters = request.GET.get(FILTERS, "")
        try:
            following = self.following(request, row, filters)
        except (BadRequest, SuspiciousOperation):  # no list has such filters
            filters, following = "", self.following(request, row, "")
        place = "This is the next open record." if following else "This list has no other open record."
        back = format_html('<a href="{}"><bdi>{}</bdi></a>', with_filters(address_of(row), filters), named(row))
        address = f"{pressed.undo}&{urlencode({FILTERS: filters})}" if filters else pressed.undo
        undo = format_html(' <a href="{}">Undo</a>', address)
        told = format_html("{}: {}{} {}", back, pressed.told, undo if pressed.undo else "", place)
        self.message_user(request, told, messages.SUCCESS)
        if following:
            return redirect(with_filters(address_of(following), filters))
        return redirect(f"{self.view_address('changelist')}?{QueryDict(filters).urlencode()}".removesuffix("?"))

    def following(self, request: HttpRequest, row: RejectedRecord, filters: str) -> RejectedRecord | None:
        """The open record after this one in the list with these filters; after the last, the first.

        Raises BadRequest or SuspiciousOperation if there is no such list.
        """
        listed = copy(request)
        query = QueryDict(filters, mutable=True)
        if any("\0" in text for name, values in query.lists() for text in (name, *values)):
            raise BadRequest("The filters have a NUL character.")
        query[StatusFilter.parameter_name] = ALL  # the row has another status by now
        listed.GET = query  # type: ignore[assignment]  # Django's own is not mutable
        found = self.found(listed).filter(Q(status=RejectedRecord.Status.OPEN) | Q(pk=row.pk))
        keys = list(found.values_list("pk", flat=True)[:LOOKED_AT])
        place = keys.index(row.pk) if row.pk in keys else -1
        others = [*keys[place + 1 :], *keys[: max(place, 0)]]
        return RejectedRecord(pk=others[0]) if others else None


def named(record: RejectedRecord) -> str:
    return Truncator(record.coin_id or "The record without an id").chars(40)
