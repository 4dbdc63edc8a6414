"""The admin of the work: runs, rejected records, schedules and nodes."""

from django.apps import apps

from . import nodes, rejected, runs, schedules  # noqa: F401 - each registers what it shows

# Plainer than "Authentication and Authorization", and the index, which is sorted, leads with the crawled data.
apps.get_app_config("auth").verbose_name = "Users and groups"
