"""A filter of a list by time: the last day, say, or from one date to another."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.admin.views.main import ChangeList

from webapp.coins import clock
from webapp.coins.admin.filters import Input, LimitFilter
from webapp.coins.admin.limits import DAY, LOOKUPS, WORDS_OF_TIME, moment, time_limit

# By the value of the parameter: its label, and when the time begins that it stands for.
CHOICES: Mapping[str, tuple[str, Callable[[datetime], datetime]]] = {
    "1h": ("Last hour", lambda now: now - timedelta(hours=1)),
    "today": ("Today (UTC)", lambda now: now.replace(hour=0, minute=0, second=0, microsecond=0)),
    "1d": ("Last 24 hours", lambda now: now - DAY),
    "7d": ("Last 7 days", lambda now: now - 7 * DAY),
    "30d": ("Last 30 days", lambda now: now - 30 * DAY),
}
LABELS = {"min": "From", "max": "To"}


class TimeFilter(LimitFilter):
    """Limits of one time, as in `moment`. The minimum may also be one of CHOICES.

    Subclasses name the parameters, and the column of the database.
    """

    template = "admin/time_filter.html"
    name: ClassVar[str]
    column: ClassVar[str]

    @classmethod
    def parameters(cls) -> list[str]:
        return [f"{cls.name}_{end}" for end in LOOKUPS]

    def in_use(self) -> Iterator[tuple[str, str]]:
        for name, words in super().in_use():
            choice = self.texts[name]
            yield name, f"{self.title}: {CHOICES[choice][0]}" if choice in CHOICES else words

    def words_of(self, field: str) -> tuple[str, Mapping[str, str]]:
        return str(self.title), WORDS_OF_TIME

    def condition(self, name: str, text: str) -> tuple[str, datetime]:
        end = name.rpartition("_")[2]
        if end == "min" and text in CHOICES:
            return f"{self.column}__gte", CHOICES[text][1](clock.database_clock())
        return time_limit(self.column, end, text)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        first, last = self.parameters()
        address = changelist.get_query_string
        yield {
            "selected": not self.texts,
            "query_string": address(remove=[first, last]),
            "display": "Any time",
        }
        for choice, (label, _) in CHOICES.items():
            is_chosen = self.texts == {first: choice}
            yield {"selected": is_chosen, "query_string": address({first: choice}, [last]), "display": label}

    @property
    def inputs(self) -> list[Input]:
        """Two inputs of dates."""
        invalid = {fault.parameter for fault in self.faults}
        valid = {name: day_of(text) for name, text in self.texts.items() if name not in invalid}
        return [self.input(LABELS[end], name := f"{self.name}_{end}", valid.get(name, "")) for end in LOOKUPS]


def day_of(text: str) -> str:
    """The date of a limit, for an input; empty for one of CHOICES."""
    return "" if text in CHOICES else f"{moment(text)[0]:%F}"
