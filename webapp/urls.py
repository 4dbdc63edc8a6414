from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from webapp import errors


def to_crawls(request: HttpRequest) -> HttpResponse:
    """Redirects the admin's old addresses: before 0.1.0, the models of `crawls` were in `coins`."""
    address = request.get_full_path().replace("/coins/", "/crawls/", 1)
    return redirect(address, permanent=True, preserve_request=True)


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    re_path(r"^admin/coins/(?:crawlrun|crawlschedule|node|rejectedrecord)/", to_crawls),
    path("admin/", admin.site.urls),
    path("api/", include("webapp.api.urls")),
]
handler400, handler404, handler500 = errors.bad_request, errors.not_found, errors.server_error
