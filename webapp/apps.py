from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    default = False
    default_site = "webapp.admin_site.Site"
