"""`manage.py runserver`: Django's own, on the port PORT. If the database is unreachable, it ends with one sentence."""

import os

from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.db import DEFAULT_DB_ALIAS, Error

from webapp.crawls.migrated import START_OVER, is_old
from webapp.management import unusable


class Command(runserver.Command):
    default_port = str(settings.PORT)

    def check_migrations(self) -> None:
        try:
            if not is_old(DEFAULT_DB_ALIAS):
                super().check_migrations()
                return
            reason = f"CommandError: {START_OVER}"
        except Error as error:
            reason = unusable(error)
        self.stderr.write(reason)
        os._exit(1)  # as Django does if the port is in use: sys.exit would not end the process from this thread
