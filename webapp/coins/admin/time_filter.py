"""A filter of a list by time: the last day, say, or from one date to another."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.admin.views.main import ChangeList

from webapp.coins import clock
from webapp.coins.admin.filters import Input, LimitFilter
from webapp.coins.admin.limits import DAY, LOOKUPS, moment, time_limit

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

    def said(self, word: str, text: str) -> str:
        return CHOICES[text][0] if text in CHOICES else super().said(word, text)

    def called(self, field: str) -> str:
        return str(self.title)

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
        """Two inputs: of dates, or of texts for what is none, so that an exact time is sent again as it is."""
        texts = {name: "" if text in CHOICES else text for name, text in self.texts.items()}
        inputs = [self.input(LABELS[end], name := f"{self.name}_{end}", texts.get(name, "")) for end in LOOKUPS]
        return [replace(one, kind="date" if is_date(one.value) else "text") for one in inputs]


def is_date(text: str) -> bool:
    """Whether an input of dates can show this text, as it can show none."""
    with suppress(ValueError):
        return not text or f"{moment(text)[0]:%F}" == text
    return False
