"""From a rejected record to the others of the list that one came from."""

from copy import copy
from typing import Any

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
    """Ignoring a record, or resolving it, leads to the next one. Without any left, it leads to the list.

    A record's page links to those before and after it.
    """

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if row := context.get("original"):
            context["neighbours"] = self.neighbours(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def neighbours(self, request: HttpRequest, row: RejectedRecord) -> dict[str, Any]:
        """The addresses of the records before and after this one in its list, and its place; empty without such a list.

        The list also has this one if it has another status by now.
        """
        query = QueryDict(request.GET.get(FILTERS, ""))
        status = query.get(StatusFilter.parameter_name, RejectedRecord.Status.OPEN.label)
        try:
            keys = self._keys(request, row, StatusFilter.conditions.get(status, Q()))
        except (BadRequest, SuspiciousOperation):
            return {}
        if row.pk not in keys or len(keys) == LOOKED_AT:
            return {}
        place = keys.index(row.pk)
        before = keys[place - 1] if place else None
        after = keys[place + 1] if place + 1 < len(keys) else None
        return {
            "place": f"{place + 1:,} of {len(keys):,}",
            "before": self.with_list(request, address_of(RejectedRecord(pk=before))) if before else "",
            "after": self.with_list(request, address_of(RejectedRecord(pk=after))) if after else "",
        }

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
        undo = format_html(' <a href="{}">Undo</a>', self.with_list(request, pressed.undo)) if pressed.undo else ""
        self.message_user(request, format_html("{}: {}{} {}", back, pressed.told, undo, place), messages.SUCCESS)
        address = address_of(following) if following else self.view_address("changelist")
        return redirect(self.with_list(request, address))

    def following(self, request: HttpRequest, row: RejectedRecord) -> RejectedRecord | None:
        """The open record after this one in the list that the person came from; after the last, the first.

        Raises BadRequest or SuspiciousOperation if there is no such list.
        """
        keys = self._keys(request, row, Q(status=RejectedRecord.Status.OPEN))
        place = keys.index(row.pk) if row.pk in keys else -1
        others = [*keys[place + 1 :], *keys[: max(place, 0)]]
        return RejectedRecord(pk=others[0]) if others else None

    def _keys(self, request: HttpRequest, row: RejectedRecord, condition: Q) -> list[int]:
        """Those of the records of the list that meet the condition, and of the row: LOOKED_AT at most.

        Raises BadRequest or SuspiciousOperation if there is no such list.
        """
        query = QueryDict(request.GET.get(FILTERS, ""), mutable=True)
        if any("\0" in text for name, values in query.lists() for text in (name, *values)):
            raise BadRequest("The filters have a NUL character.")
        query[StatusFilter.parameter_name] = ALL  # the row has another status by now
        found = self.list_of(request, query).queryset.filter(condition | Q(pk=row.pk) if condition else condition)
        return list(found.values_list("pk", flat=True)[:LOOKED_AT])


def named(record: RejectedRecord) -> str:
    return Truncator(record.coin_id or "The record without an id").chars(40)
