"""`manage.py schedules`: makes the first two schedules, and lists all."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from webapp.coins.texts import printable
from webapp.crawls.catalog import as_texts
from webapp.crawls.migrated import MigratedCommand
from webapp.crawls.models import CrawlSchedule


def described(schedule: CrawlSchedule, now: datetime) -> str:
    """What it runs and when, in a line."""
    if fault := schedule.fault():
        return f"{printable(schedule, 100)}: cannot run. {printable(fault, 500)}"
    arguments = [f"{name}={value}" for name, value in as_texts(schedule.arguments).items()]
    when = f"next at {schedule.timetable().upcoming(now, 1)[0]:%F %T} UTC" if schedule.enabled else "disabled"
    what = printable(" ".join([schedule.spider, *arguments]), 500)
    return f"{printable(schedule, 100)}: {what}, {schedule.crontab} ({schedule.time_zone}), {when}"


class Command(MigratedCommand):
    help = "Lists all schedules. If there are none, makes two of CoinGecko's market first, which fit the plan."

    def handle(self, *args: Any, **options: Any) -> None:
        if CrawlSchedule.objects.make_defaults():
            self.stdout.write("There was no schedule. These two were made:")
        now, schedules = timezone.now(), CrawlSchedule.objects.all()
        for schedule in schedules:
            self.stdout.write(described(schedule, now))
        if not schedules:
            self.stdout.write("There is no schedule. Make one in the admin: Schedules > Add schedule.")
