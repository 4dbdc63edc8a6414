"""From a rejected record to the others of the list that one came from."""

from copy import copy
from typing import Any

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
        filters = request.GET.get(FILTERS, "")
        status = QueryDict(filters).get(StatusFilter.parameter_name, RejectedRecord.Status.OPEN.label)
        try:
            keys = self._keys(request, row, filters, StatusFilter.conditions.get(status, Q()))
        except (BadRequest, SuspiciousOperation):
            return {}
        if row.pk not in keys or len(keys) == LOOKED_AT:
            return {}
        place = keys.index(row.pk)
        before = keys[place - 1] if place else None
        after = keys[place + 1] if place + 1 < len(keys) else None
        ends = (with_filters(address_of(RejectedRecord(pk=key)), filters) if key else "" for key in (before, after))
        return {"place": f"{place + 1:,} of {len(keys):,}", **dict(zip(("before", "after"), ends, strict=True))}

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
        keys = self._keys(request, row, filters, Q(status=RejectedRecord.Status.OPEN))
        place = keys.index(row.pk) if row.pk in keys else -1
        others = [*keys[place + 1 :], *keys[: max(place, 0)]]
        return RejectedRecord(pk=others[0]) if others else None

    def _keys(self, request: HttpRequest, row: RejectedRecord, filters: str, condition: Q) -> list[int]:
        """Those of the records of this list that meet the condition, and of the row: LOOKED_AT at most.

        Raises BadRequest or SuspiciousOperation if there is no such list.
        """
        listed = copy(request)
        query = QueryDict(filters, mutable=True)
        if any("\0" in text for name, values in query.lists() for text in (name, *values)):
            raise BadRequest("The filters have a NUL character.")
        query[StatusFilter.parameter_name] = ALL  # the row has another status by now
        listed.GET = query  # type: ignore[assignment]  # Django's own is not mutable
        found = self.found(listed).filter(condition | Q(pk=row.pk) if condition else condition)
        return list(found.values_list("pk", flat=True)[:LOOKED_AT])


def named(record: RejectedRecord) -> str:
    return Truncator(record.coin_id or "The record without an id").chars(40)
