from django.apps import AppConfig
from django.contrib.admin import apps


class SiteConfig(AppConfig):
    """The site as a whole: its commands and its templates."""

    name = "webapp"


class AdminConfig(apps.AdminConfig):
    default = False
    default_site = "webapp.admin_site.Site"
