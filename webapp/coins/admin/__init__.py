"""The admin: what was crawled, to look at; what is to be crawled, and when, to set.

Only the crawler writes coins, runs and rejected records. A list names its columns. A page shows every field of its
model: `groups` puts them under headings, and a field that it does not name yet comes last by itself.
"""

from django.apps import apps

from . import coins, nodes, rejected, runs, schedules, tokens  # noqa: F401 - each registers what it shows

# Plainer than "Authentication and Authorization", and the index, which is sorted, leads with the crawled data.
apps.get_app_config("auth").verbose_name = "Users and groups"
