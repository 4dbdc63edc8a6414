"""The admin site. Its index says first whether the data can be trusted."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from webapp.crawls.migrated import check_migrated
from webapp.crawls.monitoring import UNUSABLE, unusable


class Site(AdminSite):
    site_header = site_title = "coincrawl"
    index_title = "Overview"
    site_url = None  # there is no other site
    enable_nav_sidebar = False  # the tables need the width

    def get_urls(self) -> list[Any]:
        """Django's, without the one that leads to a row's page on the site: no row has one.

        It would answer 500 to a key that is no date, for a model whose keys are dates.
        """
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        context: dict[str, Any] = {"may_view_runs": request.user.has_perm("crawls.view_crawlrun")}
        if context["may_view_runs"]:
            from webapp.crawls.admin.overview import Overview  # noqa: PLC0415 - it needs the apps to be loaded

            try:
                check_migrated()
                context["overview"] = Overview()
            except UNUSABLE as error:
                context["notes"] = [*unusable(error).values()]
        return super().index(request, context | (extra_context or {}))
