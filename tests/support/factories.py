"""Rows for tests: each factory takes the fields that matter to its test, and has plausible values for the others."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from webapp.coins.models import FullCoin
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, RejectedRecord
from webapp.crawls.past_runs import is_whole
from webapp.crawls.verdict import Verdict

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)  # a Thursday
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=number) for number in (1, 60, 3_600, 86_400))
YEAR = 365 * DAY


def make_coin(coin_id: str = "bitcoin", **values: Any) -> FullCoin:
    stamps = {"vs_currency": "usd", "first_seen_at": NOON, "changed_at": NOON}
    return FullCoin.objects.create(coin_id=coin_id, **stamps | values)


def row(coin_id: str = "bitcoin", minutes: int | None = 0, **values: Any) -> dict[str, Any]:
    """A cleaned record for an upsert, last updated so many minutes after noon, or without a date."""
    updated = None if minutes is None else NOON + timedelta(minutes=minutes)
    return {"coin_id": coin_id, "last_updated": updated, "current_price": Decimal(1)} | values


def make_run(**values: Any) -> CrawlRun:
    """A complete run that began at noon."""
    facts: dict[str, Any] = {
        "spider": "markets",
        "verdict": Verdict.COMPLETE,
        "started_at": NOON,
        "stores_prices": True,
    }
    facts |= values
    facts.setdefault("is_whole", is_whole(facts["spider"], facts.get("arguments", {})))
    return CrawlRun.objects.create(**facts)


def make_rejected(coin_id: str = "bitcoin", **values: Any) -> RejectedRecord:
    run = values.pop("run", None) or make_run()
    facts = {"reasons": "name: missing", "raw": "{}", "page": "7", "fingerprint": coin_id[:64], "run": run}
    return RejectedRecord.objects.create(coin_id=coin_id, **facts | values)


def make_schedule(name: str = "Hourly", *, changed_at: datetime = NOON - YEAR, **values: Any) -> CrawlSchedule:
    """A schedule of the biggest coins, with a slot each hour."""
    facts = {"spider": "markets", "arguments": {"pages": 1}, "crontab": "0 * * * *"}
    schedule = CrawlSchedule.objects.create(name=name, **facts | values)
    CrawlSchedule.objects.filter(pk=schedule.pk).update(changed_at=changed_at)  # saving has made it now
    schedule.refresh_from_db()
    return schedule


def make_run_of(schedule: CrawlSchedule, at: datetime = NOON, **values: Any) -> CrawlRun:
    """A complete run of the slot at `at`."""
    facts = {"spider": schedule.spider, "arguments": schedule.arguments, "queued_at": at, "slot": at, "started_at": at}
    return make_run(schedule=schedule, **facts | values)


def make_runs_of(schedule: CrawlSchedule, *verdicts: str, last: datetime = NOON, every: timedelta = HOUR) -> None:
    """Runs of a minute with these verdicts, one after the other. The last one ends at `last`."""
    for number, verdict in enumerate(reversed(verdicts)):
        end = last - number * every
        times = {"queued_at": end - MINUTE, "started_at": end - MINUTE, "finished_at": end}
        make_run(schedule=schedule, verdict=verdict, reason=f"the reason of {end:%H:%M}", **times)


def make_node(name: str = "here", *, heartbeat_at: datetime = NOON) -> None:
    """A scrapyd with its last heartbeat; one that is there already gets it."""
    Node.objects.update_or_create(name=name, defaults={"heartbeat_at": heartbeat_at})
