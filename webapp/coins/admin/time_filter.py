"""A filter of a list by time: the last day, say, or from one date to another."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from webapp.coins import clock

DAY = timedelta(days=1)
# By the value of the parameter: when it begins, which it is asked anew for each request.
CHOICES: Mapping[str, tuple[str, Callable[[datetime], datetime]]] = {
    "1h": ("Last hour", lambda now: now - timedelta(hours=1)),
    "today": ("Today (UTC)", lambda now: now.replace(hour=0, minute=0, second=0, microsecond=0)),
    "1d": ("Last 24 hours", lambda now: now - DAY),
    "7d": ("Last 7 days", lambda now: now - 7 * DAY),
    "30d": ("Last 30 days", lambda now: now - 30 * DAY),
}


class TimeFilter(admin.ListFilter):
    """The parameters are `<name>_min` and `<name>_max`, both inclusive: ISO dates or instants, by default in UTC.

    The first may also be one of CHOICES. Raises IncorrectLookupParameters if one is anything else. Subclasses name the
    parameters, and the column of the database.
    """

    template = "admin/time_filter.html"
    parameter_name = None  # it has two
    name: ClassVar[str]
    column: ClassVar[str]

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.minimum, self.maximum = (params.pop(name, [""])[-1].strip() for name in self.parameters())

    @classmethod
    def parameters(cls) -> tuple[str, str]:
        return f"{cls.name}_min", f"{cls.name}_max"

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        try:
            if self.minimum:
                queryset = queryset.filter(**{f"{self.column}__gte": self._beginning()})
            if self.maximum:
                first, is_day = moment(self.maximum)
                end = {"lt": first + DAY} if is_day else {"lte": first}
                queryset = queryset.filter(**{f"{self.column}__{lookup}": value for lookup, value in end.items()})
        except (ValueError, OverflowError):
            raise IncorrectLookupParameters from None
        return queryset

    def _beginning(self) -> datetime:
        if self.minimum in CHOICES:
            return CHOICES[self.minimum][1](clock.database_clock())
        return moment(self.minimum)[0]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        first, last = self.parameters()
        address = changelist.get_query_string
        yield {
            "selected": not (self.minimum or self.maximum),
            "query_string": address(remove=[first, last]),
            "display": "Any time",
        }
        for choice, (label, _) in CHOICES.items():
            is_chosen = choice == self.minimum and not self.maximum
            yield {"selected": is_chosen, "query_string": address({first: choice}, [last]), "display": label}

    @property
    def inputs(self) -> list[tuple[str, str, str]]:
        """The labels, names and values of the inputs for a range."""
        values = ("" if value in CHOICES else day_of(value) for value in (self.minimum, self.maximum))
        return [*zip(("From", "To"), self.parameters(), values, strict=True)]

    @property
    def others(self) -> list[tuple[str, str]]:
        """The other parameters, which the form of the range keeps."""
        return others(self.request, self.parameters())


def others(request: HttpRequest, own: Iterable[str]) -> list[tuple[str, str]]:
    """The parameters of a list's address without a filter's `own` ones and without those of the moment."""
    left_out = {*own, PAGE_VAR, ERROR_FLAG}
    return [(name, value) for name, values in request.GET.lists() if name not in left_out for value in values]


def moment(text: str) -> tuple[datetime, bool]:
    """An ISO date or instant, and whether it is a date. Raises ValueError if it is neither."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC), True
    except ValueError:
        found = datetime.fromisoformat(text)
    return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)), False


def day_of(text: str) -> str:
    """The date of an instant, for an input; empty without one."""
    try:
        return f"{moment(text)[0]:%F}" if text else ""
    except (ValueError, OverflowError):
        return ""
