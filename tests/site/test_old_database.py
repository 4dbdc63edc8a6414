"""A database from before version 0.1.0, and the addresses of its admin."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from webapp.crawls.migrated import NotMigrated, check_migrated

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


@pytest.fixture
def old_database() -> None:
    """The tables and migrations of the old layout, as far as they differ from today's."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE crawls_crawlrun RENAME TO coins_crawlrun")
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("crawls", "0001_initial")
    recorder.record_applied("coins", "0009_listed")


def applied() -> set[tuple[str, str]]:
    return set(MigrationRecorder(connection).applied_migrations())


def test_migrate_says_to_start_over_and_changes_nothing(old_database: None) -> None:
    before = connection.introspection.table_names(), applied()

    with pytest.raises(CommandError, match=r"before version 0\.1\.0 .* name a new one in DATABASE_URL"):
        call_command("migrate")

    assert (connection.introspection.table_names(), applied()) == before


@pytest.mark.parametrize("command", [["adminuser"], ["apitoken", "ada"], ["schedules"]], ids=lambda words: words[0])
def test_a_command_says_to_start_over_and_writes_nothing(old_database: None, command: list[str]) -> None:
    with pytest.raises(CommandError, match=r"before version 0\.1\.0 .* name a new one in DATABASE_URL"):
        call_command(*command)

    assert not User.objects.exists()


def test_what_needs_a_migrated_database_says_to_start_over(old_database: None) -> None:
    with pytest.raises(NotMigrated, match=r"before version 0\.1\.0 .* name a new one in DATABASE_URL"):
        check_migrated()


@pytest.mark.parametrize("model", ["crawlrun", "crawlschedule", "node", "rejectedrecord"])
def test_an_old_address_of_the_admin_leads_to_the_new_one(client: Client, model: str) -> None:
    answer = client.get(f"/admin/coins/{model}/1/change/?next=/admin/coins/")
    sent = client.post(f"/admin/coins/{model}/1/change/", {"name": "kept"})

    assert (answer.status_code, answer["Location"]) == (308, f"/admin/crawls/{model}/1/change/?next=/admin/coins/")
    assert (sent.status_code, sent["Location"]) == (308, f"/admin/crawls/{model}/1/change/")


def test_the_coins_kept_their_address(client: Client) -> None:
    assert client.get("/admin/coins/fullcoin/")["Location"].startswith("/admin/login/")
