from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from webapp.coins.api import errors

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", include("webapp.coins.api.urls")),
]
handler400, handler404, handler500 = errors.bad_request, errors.not_found, errors.server_error
