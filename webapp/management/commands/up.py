"""`manage.py up`: prepares the database and runs the processes of the Procfile until Ctrl-C."""

import io
import os
import signal
import socket
import sys
from typing import Any, TextIO

import honcho.command
import honcho.manager
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.urls import reverse

from webapp.management.users import give_password

HOST = "127.0.0.1"
# s from the end of the first process until the others are killed. scrapyd gives its crawls 10 to end as interrupted;
# honcho's default of 5 would kill scrapyd before, and leave crawls running.
PATIENCE = 20


def check_free(variable: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a process that has just ended is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be listened on ({error}): is coincrawl up already? "
                f"Stop that first, or name another port: make up {variable}=..."
            ) from None


def unbuffered(descriptor: int) -> TextIO:
    """An output for honcho, which prints in its signal handlers.

    With a buffer, that is a RuntimeError wherever the signal arrives while a line is written. honcho then ends without
    ending its processes.
    """
    return io.TextIOWrapper(open(descriptor, "wb", buffering=0, closefd=False), write_through=True)


def stop(*_: object) -> None:
    """The terminal is closed: stop as on Ctrl-C, without output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.raise_signal(signal.SIGTERM)


class Command(BaseCommand):
    help = "Prepares the database, then runs the site, scrapyd and the watcher until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        check_free("PORT", settings.PORT)
        check_free("SCRAPYD_HTTP_PORT", settings.SCRAPYD_HTTP_PORT)
        call_command("migrate", verbosity=0)
        call_command("schedules", stdout=self.stdout)
        site = f"http://{HOST}:{settings.PORT}"
        login = f"Log in: {site}{reverse('admin:index')}"
        if not User.objects.filter(is_superuser=True, is_active=True).exists():
            user, password = give_password("admin")
            login += f" as {user}, password {password}"
        self.stdout.write(f"{login}\nscrapyd: http://{HOST}:{settings.SCRAPYD_HTTP_PORT}/\nCtrl-C stops all.")
        self.stdout.flush()
        connection.close()
        os.chdir(settings.BASE_DIR)
        signal.signal(signal.SIGHUP, stop)
        honcho.manager.KILL_WAIT = PATIENCE
        sys.stdout = unbuffered(1)
        # The processes read .env themselves. honcho would read it differently.
        honcho.command.main(["--env", os.devnull, "start", "--port", str(settings.PORT)])
