"""Rejected records by reason, and what is done to all that have one."""

from functools import partial

from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from webapp.coins.admin.exporting import get_or_post
from webapp.coins.admin.formats import address_of_list, ago
from webapp.coins.texts import counted
from webapp.crawls.admin.buttons import ButtonAdmin
from webapp.crawls.admin.rejected_many import ManyRecordsAdmin
from webapp.crawls.models import RejectedRecord
from webapp.crawls.reasons import Reason, can_be, having, open_reasons

REASONS_ON_PAGE = 200
TITLES = {"retry": "Try all records with this reason again", "ignore": "Ignore all records with this reason"}  # by verb


class ReasonsAdmin(ManyRecordsAdmin, ButtonAdmin):
    """A page with the reasons of open records, and one for each verb that asks before it is done to all of a reason."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [path("reasons/", wrap(require_safe(self.reasons_view)), name=self.view_name("reasons"))]
        for verb in TITLES:
            view = wrap(get_or_post(partial(self.all_view, verb=verb)))
            own.append(path(f"reasons/{verb}/", view, name=self.view_name(f"all_{verb}")))
        return [*own, *super().get_urls()]

    def reasons_view(self, request: HttpRequest) -> HttpResponse:
        """The reasons of open records, with links to these records."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = open_reasons()
        return self._page(
            request,
            "reasons",
            title="Reasons of open rejected records",
            may_resolve=self.has_permission_to("resolve", request),
            reasons=[
                (one, address_of_list(RejectedRecord, reason=one.text), self._all_of(one), *seen(one))
                for one in found[:REASONS_ON_PAGE]
            ],
            more=len(found) - REASONS_ON_PAGE,
        )

    def _all_of(self, reason: Reason) -> dict[str, str]:
        """The addresses of the pages that ask, by verb: only of what works."""
        verbs = [verb for verb in TITLES if verb == "ignore" or reason.with_values]
        return {verb: f"{self.view_address(f'all_{verb}')}?{urlencode({'reason': reason.text})}" for verb in verbs}

    def all_view(self, request: HttpRequest, verb: str) -> HttpResponse:
        """By GET how many records it would be done to; by POST it is done."""
        if not (self.may_press(request, verb) and self.has_view_permission(request)):
            raise PermissionDenied
        reason = request.GET.get("reason", "")
        if not can_be(reason):
            raise BadRequest("No record can have this reason.")
        records = having(reason, RejectedRecord.objects.open())
        doable = records.exclude(values="") if verb == "retry" else records
        if request.method == "POST":
            self._do(request, verb, doable, reason)
            return redirect(self.view_address("reasons"))
        number = doable.count()
        return self._page(
            request,
            f"all_{verb}",
            title=TITLES[verb],
            reason=reason,
            number=number,
            records=counted(number, "record"),
            without_values=records.filter(values="").count(),
            shown=address_of_list(RejectedRecord, reason=reason),
        )

    def _do(self, request: HttpRequest, verb: str, records: QuerySet[RejectedRecord], reason: str) -> None:
        if verb == "retry":
            self.retry(request, records)
        else:
            self.ignore(request, records, reason=reason)

    def _page(self, request: HttpRequest, template: str, **context: object) -> HttpResponse:
        request.current_app = self.admin_site.name
        shared = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/crawls/rejectedrecord/{template}.html", shared | context)


def seen(reason: Reason) -> tuple[str, str]:
    """When its records first came, and when they last did."""
    return ago(reason.first_seen_at), ago(reason.last_seen_at)
