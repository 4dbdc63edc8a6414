"""What migrations do to rejected records that are there already."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from tests.support.factories import HOUR, NOON, make_rejected, make_run
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.models.rejected import fingerprint_of

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


@pytest.fixture
def run(db: None) -> CrawlRun:
    return make_run()


def migrate(name: str, function: str) -> None:
    migration = import_module(f"webapp.crawls.migrations.{name}")
    getattr(migration, function)(apps, SimpleNamespace(connection=connection))


def make(run: CrawlRun, coin_id: str, *known: Any, **facts: Any) -> None:
    """A record with what is known of it: its status, its count, and when it came first and last."""
    names = ("status", "count", "first_seen_at", "last_seen_at")
    raw = f"number {RejectedRecord.objects.count() + 1}"
    make_rejected(coin_id, run=run, raw=raw, **dict(zip(names, known, strict=True)), **facts)


def kept() -> list[tuple[Any, ...]]:
    names = ("coin_id", "status", "count", "first_seen_at", "last_seen_at", "raw")
    return [*RejectedRecord.objects.order_by("coin_id").values_list(*names)]


# 0004: a record for each coin and its reasons ------------------------------------------------------
def test_records_that_agree_become_one_that_knows_what_each_of_them_knew(run: CrawlRun) -> None:
    table = RejectedRecord._meta.db_table
    with connection.cursor() as cursor:  # a temporary table hides the one with the constraint, and goes by itself
        cursor.execute(f"CREATE TEMPORARY TABLE {table} AS SELECT * FROM {table} WHERE 1 = 0")
    for key, known in enumerate(
        [
            ("alone", "ignored", 5, NOON, NOON),
            ("ignored before", "ignored", 2, NOON - HOUR, NOON),
            ("ignored before", "open", 3, NOON + HOUR, NOON + 2 * HOUR),
            ("never ignored", "open", 1, NOON, NOON + HOUR),
            ("never ignored", "resolved", 1, NOON + HOUR, NOON),
            ("of three", "resolved", 4, NOON, NOON + HOUR),
            ("of three", "ignored", 4, NOON - HOUR, NOON),
            ("of three", "ignored", 4, NOON + HOUR, NOON + HOUR),
        ]
    ):
        make(run, *known, pk=key)

    migrate("0004_rejected_values", "merge_those_that_agree")

    assert kept() == [
        ("alone", "ignored", 5, NOON, NOON, "number 1"),
        ("ignored before", "ignored", 5, NOON - HOUR, NOON + 2 * HOUR, "number 3"),
        ("never ignored", "open", 2, NOON, NOON + HOUR, "number 4"),
        ("of three", "ignored", 12, NOON - HOUR, NOON + HOUR, "number 8"),
    ]


# 0007: the words of version 0.1.0 ------------------------------------------------------------------
def with_reasons(run: CrawlRun, coin_id: str, reasons: str, *known: Any) -> None:
    known = known or ("open", 1, NOON, NOON)
    make(run, coin_id, *known, reasons=reasons, fingerprint=fingerprint_of(coin_id, reasons))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("record: the key id stands twice", "record: the key id appears twice"),
        ("record: the keys a, b stand twice", "record: the keys a, b appear twice"),
        (
            "record: the key id stands twice (in the record named It stands twice)",
            "record: the key id appears twice (in the record named It stands twice)",
        ),
        (f"record: the key {'x' * 188} stands twice", f"record: the key {'x' * 188} appears twice"),
        (f"record: the key {'x' * 189} stands twice", f"record: the key {'x' * 189} app... twice"),
        *(
            (same, same)
            for same in (
                "record: the key stands appears twice",
                "name: longer than 255 characters",
                "the database rejected it: record: the key id stands twice",
                "record: the key id stands twice\nath: true, not a number",
            )
        ),
    ],
)
def test_old_words_become_those_by_which_a_crawl_finds_the_record(run: CrawlRun, old: str, new: str) -> None:
    with_reasons(run, "bitcoin", old)

    migrate("0007_rejected_words", "rewrite")

    assert RejectedRecord.objects.values_list("reasons", "fingerprint").get() == (new, fingerprint_of("bitcoin", new))


def test_a_record_that_came_again_in_the_new_words_is_the_same(run: CrawlRun) -> None:
    old, new = "record: the key id stands twice", "record: the key id appears twice"
    with_reasons(run, "ignored", old, "ignored", 2, NOON - HOUR, NOON)
    with_reasons(run, "ignored", new, "open", 3, NOON + HOUR, NOON + 2 * HOUR)
    with_reasons(run, "resolved", old, "open", 1, NOON, NOON)
    with_reasons(run, "resolved", new, "resolved", 1, NOON, NOON + HOUR)

    migrate("0007_rejected_words", "rewrite")

    assert kept() == [
        ("ignored", "ignored", 5, NOON - HOUR, NOON + 2 * HOUR, "number 2"),
        ("resolved", "resolved", 2, NOON, NOON + HOUR, "number 4"),
    ]
    assert {*RejectedRecord.objects.values_list("reasons", flat=True)} == {new}
