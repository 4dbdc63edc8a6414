"""The admin site. Its index shows current problems first."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from webapp.crawls.monitoring import diagnose


class Site(AdminSite):
    site_header = site_title = "coincrawl"
    index_title = "Overview"
    site_url = None  # there is no other site
    enable_nav_sidebar = False  # the tables need the width

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        notes = list(diagnose().values()) if request.user.has_perm("crawls.view_crawlrun") else []
        return super().index(request, {"notes": notes} | (extra_context or {}))
