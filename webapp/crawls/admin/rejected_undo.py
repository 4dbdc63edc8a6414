"""Opens again what was ignored at once: a page that asks, to which the message after ignoring leads."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from webapp.coins.admin.exporting import ExportAdmin, get_or_post
from webapp.coins.admin.formats import address_of
from webapp.coins.texts import counted
from webapp.crawls.admin.rejected_next import FILTERS
from webapp.crawls.admin.rejected_reasons import ReasonsAdmin
from webapp.crawls.models import RejectedRecord


class UndoAdmin(ExportAdmin, ReasonsAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(get_or_post(self.undo_view))
        return [path("undo/", view, name=self.view_name("undo")), *super().get_urls()]

    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """By GET how many ignored records of the list in the address would be open again; by POST they are."""
        if not (self.may_press(request, "reopen") and self.has_view_permission(request)):
            raise PermissionDenied
        query = request.GET.copy()
        query.pop(FILTERS, None)
        ignored = self.list_of(request, query).queryset.filter(status=RejectedRecord.Status.IGNORED)
        if request.method == "POST":
            keys = list(ignored.values_list("pk", flat=True)[:2])
            self.reopen(request, ignored)
            one = address_of(RejectedRecord(pk=keys[0])) if len(keys) == 1 else ""
            return redirect(self.with_list(request, one or self.view_address("changelist")))
        number = ignored.count()
        return self._page(
            request,
            "undo",
            title="Open ignored records again",
            number=number,
            records=counted(number, "record"),
            shown=f"{self.view_address('changelist')}?{query.urlencode()}",
        )
