"""The admin: what was crawled, to look at; what is to be crawled, and when, to set.

Only the crawler writes coins, runs and rejected records. A list names its columns. A page shows every field of its
model: `groups` puts them under headings, and a field that it does not name yet comes last by itself.
"""

from django.apps import apps
from django.contrib import admin

from . import coins, nodes, rejected, runs, schedules, tokens  # noqa: F401 - each registers what it shows

admin.site.site_header = admin.site.site_title = "coincrawl"
admin.site.index_title = "Overview"
admin.site.site_url = None  # there is no other site to view
admin.site.enable_nav_sidebar = False  # the tables need the width
# Plainer than "Authentication and Authorization", and the index, which is sorted, leads with the crawled data.
apps.get_app_config("auth").verbose_name = "Users and groups"
