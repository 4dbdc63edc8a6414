"""`manage.py fromsqlite FILE`: copies a SQLite database to PostgreSQL, exact to the microsecond.

It is one transaction: either everything is copied, or nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import DecimalField, Field, IntegerField, Model
from django.db.models.functions import Now

from webapp.coins.rows import prepared
from webapp.coins.texts import printable
from webapp.crawls.migrated import NotMigrated, check_migrated
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import LOST_AFTER
from webapp.crawls.verdict import Verdict

SOURCE = "source"  # the alias of the file in Django's databases
ROWS_AT_ONCE = 1_000
# Copied, too, but other rows of them are in every migrated database, with other keys.
MADE_BY_MIGRATE: tuple[type[Model], ...] = (Group.permissions.through, Group, Permission, ContentType)


@contextmanager
def opened(file: Path) -> Iterator[None]:
    """The file as Django's database SOURCE, in one read transaction: a snapshot, even if others write to the file."""
    address = f"file:{quote(str(file.resolve()))}?mode=ro"
    place = {"ENGINE": "django.db.backends.sqlite3", "NAME": address, "OPTIONS": {}}
    connections.settings[SOURCE] = connection.settings_dict | place
    try:
        with transaction.atomic(using=SOURCE):
            yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE], connections.settings[SOURCE]


def tables() -> list[type[Model]]:
    models = apps.get_models(include_auto_created=True)
    return [model for model in models if model._meta.managed and not model._meta.proxy]


def check_movable(file: Path) -> None:
    """Raises CommandError if the file cannot be copied as a whole, or the target is not empty."""
    for alias, name in ((SOURCE, str(file)), (connection.alias, "The database that DATABASE_URL names")):
        try:
            check_migrated(alias)
        except NotMigrated as error:
            raise CommandError(f"{name}: {error}") from None
    for model in tables():
        if model not in MADE_BY_MIGRATE and model._base_manager.exists():
            raise CommandError(
                f"The database that DATABASE_URL names is not empty: it has {model._meta.verbose_name_plural}. "
                "Name one that is migrated and not used yet."
            )
    alive = CrawlRun.objects.using(SOURCE).filter(verdict=Verdict.RUNNING, heartbeat_at__gte=Now() - LOST_AFTER)
    if run := alive.first():
        raise CommandError(f"A run of {run.spider} is under way in {file}: stop it, or wait for its end.")


def copy(model: type[Model]) -> None:
    """Copies all rows of a table unchanged. Raises CommandError if the target rejects a row."""
    columns = [column for column in model._meta.concrete_fields if not column.generated]
    names = [column.attname for column in columns]
    rows = model._base_manager.using(SOURCE).order_by("pk").values_list(*names).iterator()
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        try:
            with transaction.atomic():
                insert(model, columns, batch)
        except DatabaseError:
            for row in batch:  # to name the one that is rejected
                try:
                    insert(model, columns, [row])
                except DatabaseError as error:
                    key = model(**dict(zip(names, row, strict=True))).pk
                    reason = f"The {model._meta.verbose_name} {key} cannot be stored ({printable(error, 300)})"
                    raise CommandError(f"{reason}. Nothing was copied.") from None


def insert(model: type[Model], columns: Sequence[Field], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts values as they are. Django's own ways are several times slower, or put today's date into some fields."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(cast(str, column.column)) for column in columns)
    values = (for_database(column, values) for column, values in zip(columns, zip(*rows, strict=True), strict=True))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({', '.join(['%s'] * len(columns))})",  # noqa: S608
            list(zip(*values, strict=True)),
        )


def for_database(column: Field, values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(column, DecimalField | IntegerField):
        return prepared(column, list(values), connection)
    return [None if value is None else column.get_db_prep_save(value, connection) for value in values]


class Command(BaseCommand):
    help = "Copies a SQLite database into the empty database that DATABASE_URL names: everything or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="such as var/coincrawl.sqlite3; it is not changed")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        with file.open("rb") as content:
            is_database = content.read(16) == b"SQLite format 3\0"
        if not is_database:
            raise CommandError(f"{file} is not a SQLite database.")
        with opened(file), transaction.atomic():
            check_movable(file)
            for model in MADE_BY_MIGRATE:
                model._base_manager.all().delete()
            for model in tables():
                copy(model)
            with connection.cursor() as cursor:
                for statement in connection.ops.sequence_reset_sql(no_style(), tables()):
                    cursor.execute(statement)
        for model in tables():
            self.stdout.write(f"{model._base_manager.count():>9,} {model._meta.verbose_name_plural}")
