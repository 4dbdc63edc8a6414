"""Rows in every table of a database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from rest_framework.authtoken.models import Token

from webapp.coins.models import (
    ArchivedDay,
    ChosenColumns,
    CoinReview,
    CoveredSpan,
    FullCoin,
    NamedView,
    PriceAbsence,
    PriceBar,
    PriceDay,
    PriceSeries,
)
from webapp.coins.prices.observing import observe
from webapp.coins.prices.tiers import Step
from webapp.crawls.models import Alarm, CrawlRun, CrawlSchedule, Node, RejectedRecord, SourcePace
from webapp.crawls.verdict import Verdict

THEN = datetime(2026, 2, 5, 12, 0, 0, 123_457, tzinfo=UTC)  # to the microsecond


def fill(using: str) -> None:
    """Makes rows in every table of a database but sessions, with values that an inexact copy would change."""
    coins = [{"coin_id": f"coin-{number}", "current_price": Decimal(number) / 7} for number in range(300)]
    coins += [
        {"coin_id": "dust", "current_price": Decimal("1E-18"), "last_updated": THEN},
        {"coin_id": "huge", "total_supply": Decimal("1E+25"), "name": "🚀 الذهب 'quoted' \\ \r\n end"},
        {"coin_id": "nothing"},
    ]
    FullCoin.objects.using(using).upsert(coins, THEN, THEN)
    observe(THEN, THEN, using=using)
    bar: dict[str, Any] = dict.fromkeys(("open", "high", "low", "close"), Decimal("1E-18")) | {"observations": 2}
    for series in PriceSeries.objects.using(using).all():
        PriceBar.objects.using(using).create(series=series, step=Step.HOUR, time=THEN, last_at=THEN, **bar)
        CoveredSpan.objects.using(using).create(series=series, step=Step.DAY, since=THEN, until=THEN)
        PriceAbsence.objects.using(using).create(series=series, since=THEN, until=THEN)
    PriceDay.objects.using(using).create(day=THEN.date(), changed_at=THEN)
    times = dict.fromkeys(("changed_at", "archived_at", "restored_at"), THEN)
    archive: dict[str, Any] = {"file": "a.parquet", "rows": 1, "checksum": "c"} | times
    ArchivedDay.objects.using(using).create(day=THEN.date(), **archive)
    schedule = CrawlSchedule.objects.using(using).create(name="S", spider="markets", crontab="*/3 * * * *")
    run = CrawlRun.objects.using(using).create(
        spider="markets",
        arguments={"ids": ["ü", "\u2028"]},
        verdict=Verdict.COMPLETE,
        schedule=schedule,
        slot=THEN,
        started_at=THEN,
        log_tail="\x1b[1mbold\r\nlines\n",
        filled={"name": 3},
    )
    CrawlRun.objects.using(using).create(spider="markets", arguments={"pages": 1}, schedule=schedule)
    CrawlSchedule.objects.using(using).update(last_run=run, changed_at=THEN, next_run_at=THEN + timedelta(minutes=3))
    RejectedRecord.objects.using(using).create(
        run=run,
        page="7",
        raw='{"id": "\\ud800"}',
        values='{"coin_id": "\\ud800", "ath": 1.10}',
        reasons="no",
        fingerprint="f",
    )
    Node.objects.using(using).create(name="n", heartbeat_at=THEN)
    SourcePace.objects.using(using).create(digest="d", source="https://x:443", next_turn=THEN, rest_until=THEN)
    Alarm.objects.using(using).create(name="schedule", failing_since=THEN, unsent=["webhook"])
    user = User.objects.using(using).create(username="ada", password="hashed", date_joined=THEN, is_staff=True)
    group = Group.objects.using(using).create(name="readers")
    group.permissions.add(*Permission.objects.using(using).filter(codename__startswith="view_"))
    user.groups.add(group)
    ChosenColumns.objects.using(using).create(user=user, list="coins.fullcoin", columns=["coin", "ath"])
    NamedView.objects.using(using).create(
        list="coins.fullcoin", slug="mine", name="Mine", query="o=1", made_by=user, made_at=THEN
    )
    reviewed = FullCoin.objects.using(using).get(pk="coin-1")
    CoinReview.objects.using(using).create(coin=reviewed, note="\u202e", reviewed_by=user, reviewed_at=THEN)
    user.user_permissions.add(Permission.objects.using(using).get(codename="run_crawlschedule"))
    Token.objects.using(using).create(user=user)
    Token.objects.using(using).update(created=THEN)
    kind = ContentType.objects.db_manager(using).get_for_model(FullCoin)
    LogEntry.objects.using(using).create(
        user=user, content_type=kind, object_id="dust", object_repr="dust", action_flag=ADDITION, action_time=THEN
    )


def rows(alias: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, by model."""
    models = apps.get_models(include_auto_created=True)
    return {
        model._meta.label: [tuple(row) for row in model._base_manager.using(alias).order_by("pk").values_list()]
        for model in models
    }
