"""Alarm: what people are told of a check's health, and who has not heard of it yet."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import cast

from django.db import models


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def take_note(self, problems: Mapping[str, str], now: datetime, channels: Collection[str]) -> list["Alarm"]:
        """Take down what a look has found, which is all that is wrong; the alarms as they stand then."""
        alarms: dict[str, Alarm] = {alarm.pk: alarm for alarm in self}
        for check in problems.keys() - alarms.keys():
            alarms[check] = Alarm(check)
        for alarm in alarms.values():
            if alarm.take_note(problems.get(alarm.pk, ""), now, channels):
                alarm.save()
        return [alarms[check] for check in sorted(alarms)]


class Alarm(models.Model):
    """Whether a check is ill, as people are told: it turns where two looks in a row agree that it has."""

    # not `check`, which is a method of every model
    name = models.CharField(max_length=20, primary_key=True, help_text="The check.")
    reason = models.TextField(blank=True, help_text="What is wrong, or was: the latest words.")
    ill_since = models.DateTimeField(null=True)
    well_since = models.DateTimeField(null=True, help_text="Empty where it is ill.")
    doubted_at = models.DateTimeField(null=True, help_text="The last look, where that was the first to disagree.")
    untold = models.JSONField(default=list, help_text="The channels by which its last turn is still to be told.")

    objects = AlarmQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name}: {'ill' if self.is_ill else 'well'}"

    @property
    def is_ill(self) -> bool:
        return self.ill_since is not None and self.well_since is None

    @property
    def since(self) -> datetime:
        """When it last turned."""
        return cast(datetime, self.well_since or self.ill_since)

    def take_note(self, problem: str, now: datetime, channels: Collection[str]) -> bool:
        """Take down what a look has found, "" for nothing wrong; whether that has changed anything here."""
        before = (self.reason, self.doubted_at)
        if bool(problem) == self.is_ill:
            self.doubted_at = None
        elif self.doubted_at is None:
            self.doubted_at = now
        else:
            if problem:
                self.ill_since, self.well_since = self.doubted_at, None
            else:
                self.well_since = self.doubted_at
            self.doubted_at, self.untold = None, list(channels)
        self.reason = problem or self.reason
        return before != (self.reason, self.doubted_at)
