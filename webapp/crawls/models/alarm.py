"""Alarm: whether a check is failing, as people are notified, and which channels have still to do so."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import cast

from django.db import models


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def update_all(self, problems: Mapping[str, str], now: datetime, channels: Collection[str]) -> list["Alarm"]:
        """Update all alarms by the problems that one round of checks has found. Returns them as they are then."""
        alarms = {check: Alarm(check) for check in problems} | {alarm.pk: alarm for alarm in self}
        for check, alarm in alarms.items():
            if alarm.update(problems.get(check, ""), now, channels):
                alarm.save()
        return [alarms[check] for check in sorted(alarms)]


class Alarm(models.Model):
    """Whether a check is failing, as people are notified. It changes if two rounds of checks in a row agree."""

    # not `check`, which is a method of every model
    name = models.CharField(max_length=20, primary_key=True, help_text="The check.")
    reason = models.TextField(blank=True, help_text="What is wrong, or was: the latest words.")
    failing_since = models.DateTimeField(null=True)
    recovered_at = models.DateTimeField(null=True, help_text="Empty while it is failing.")
    doubted_at = models.DateTimeField(null=True, help_text="The last round of checks, if it was the first to disagree.")
    unsent = models.JSONField(default=list, help_text="The channels that have still to send the last change.")

    objects = AlarmQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name}: {'failing' if self.is_failing else 'recovered'}"

    @property
    def is_failing(self) -> bool:
        return self.failing_since is not None and self.recovered_at is None

    @property
    def since(self) -> datetime:
        """When it last changed."""
        return cast(datetime, self.recovered_at or self.failing_since)

    @property
    def lasted(self) -> timedelta:
        """How long it was failing, in whole seconds."""
        return timedelta(seconds=(self.since - cast(datetime, self.failing_since)) // timedelta(seconds=1))

    def update(self, problem: str, now: datetime, channels: Collection[str]) -> bool:
        """Update it by what a round of checks has found, "" for nothing wrong. Returns whether a field is different."""
        before = (self.reason, self.doubted_at)
        if bool(problem) == self.is_failing:
            self.doubted_at = None
        elif self.doubted_at is None:
            self.doubted_at = now
        else:
            if problem:
                self.failing_since, self.recovered_at = self.doubted_at, None
            else:
                self.recovered_at = self.doubted_at
            self.doubted_at, self.unsent = None, list(channels)
        self.reason = problem or self.reason
        return before != (self.reason, self.doubted_at)
