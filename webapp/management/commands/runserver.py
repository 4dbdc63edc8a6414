"""`manage.py runserver`: Django's own. If the database is unreachable, it ends with one sentence."""

import os

from django.contrib.staticfiles.management.commands import runserver
from django.db import Error

from webapp.management import unusable


class Command(runserver.Command):
    def check_migrations(self) -> None:
        try:
            super().check_migrations()
        except Error as error:
            self.stderr.write(unusable(error))
            os._exit(1)  # as Django does if the port is in use: sys.exit would not end the process from this thread
