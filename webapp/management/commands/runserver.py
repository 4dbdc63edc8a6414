"""`manage.py runserver`: Django's own, but that a database which is away ends it with a sentence."""

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
            os._exit(1)  # as Django does where the port is taken: in this thread sys.exit would end nothing
