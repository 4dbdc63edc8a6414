"""Filters of lists: by conditions with counts, and by limits of numbers and times."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.db import models
from django.db.models import Count, Q
from django.http import HttpRequest

DAY = timedelta(days=1)
LOOKUPS = {"min": "gte", "max": "lte"}  # by the end of a parameter's name
WORDS = {"min": "at least", "max": "at most"}  # of a number
WORDS_OF_TIME = {"min": "from", "max": "to"}
MAX_LENGTH = 100  # characters of a limit
# Commas only between groups of three digits: elsewhere they may be meant as a point.
NUMBER = re.compile(
    r"\$?\s*(?P<number>[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?)\s*(?P<unit>[kKmMbBtT]?)\s*%?", re.ASCII
)
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
MAX_MAGNITUDE = 28  # power of ten of a limit: all decimals of the models can be compared with it


class RowFilter(admin.SimpleListFilter):
    """A filter with one parameter."""

    @classmethod
    def parameters(cls) -> list[str]:
        return [str(cls.parameter_name)]

    def in_use(self) -> Iterator[tuple[str, str]]:
        """What the person has chosen: the parameter, and the choice in words."""
        if (choice := self.value()) and self.parameter_name in self.request.GET:
            yield str(self.parameter_name), f"{self.title}: {dict(self.lookup_choices).get(choice, choice)}"


class TableFilter(RowFilter):
    """A filter with a condition for each choice. Raises IncorrectLookupParameters if another is chosen."""

    conditions: Mapping[str, Q]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(choice, choice) for choice in self.conditions]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        choice = self.value()
        if choice is None:
            return queryset
        if choice not in self.conditions:
            raise IncorrectLookupParameters
        return queryset.filter(self.conditions[choice])

    def get_facet_queryset(self, changelist: ChangeList) -> Any:
        """The counts as they are shown."""
        return {name: f"{count:,}" for name, count in super().get_facet_queryset(changelist).items()}

    def get_facet_counts(self, pk_attname: str, filtered_qs: models.QuerySet) -> dict[str, Any]:
        """One pass over the rows. Django's own counts ask for the keys of each choice."""
        counts = (Count(pk_attname, filter=self.conditions[choice]) for choice, _ in self.lookup_choices)
        return {f"{number}__c": count for number, count in enumerate(counts)}


class LimitFilter(admin.ListFilter):
    """Limits: the parameters `<name>_min` and `<name>_max`, both inclusive. A form sends them.

    Raises IncorrectLookupParameters if a limit is invalid.
    """

    parameter_name = None  # it has several

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[models.Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        texts = {name: params.pop(name, [""])[-1].strip() for name in self.parameters()}
        self.texts = {name: text for name, text in texts.items() if text}

    @classmethod
    def parameters(cls) -> list[str]:
        raise NotImplementedError

    def condition(self, name: str, text: str) -> tuple[str, Decimal | datetime]:
        """The lookup and value of a limit. Raises ValueError or ArithmeticError if it is invalid."""
        raise NotImplementedError

    def in_use(self) -> Iterator[tuple[str, str]]:
        """The limits: the parameter of each, and the limit in words."""
        for name, text in self.texts.items():
            field, _, end = name.rpartition("_")
            label, words = self.words_of(field)
            yield name, f"{label}: {words[end]} {text}"

    def words_of(self, field: str) -> tuple[str, Mapping[str, str]]:
        """What a limited field is called, and what its ends are."""
        raise NotImplementedError

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        try:
            return queryset.filter(**dict(self.condition(name, text) for name, text in self.texts.items()))
        except (ValueError, ArithmeticError):
            raise IncorrectLookupParameters from None

    @property
    def others(self) -> list[tuple[str, str]]:
        """The other parameters of the list, which the form keeps; a page's number is none of them."""
        left_out = {*self.parameters(), PAGE_VAR, ERROR_FLAG}
        return [(name, value) for name, values in self.request.GET.lists() if name not in left_out for value in values]


class RangeFilter(LimitFilter):
    """Limits of several fields. Numbers are decimals, times are as in `moment`.

    A time has no inputs unless it has a limit: other pages link to such lists.
    """

    title = "range"
    template = "admin/range_filter.html"
    numbers: Mapping[str, str] = {}  # labels by field
    times: Mapping[str, str] = {}

    @classmethod
    def parameters(cls) -> list[str]:
        return [f"{field}_{end}" for field in (*cls.numbers, *cls.times) for end in LOOKUPS]

    def words_of(self, field: str) -> tuple[str, Mapping[str, str]]:
        return (self.numbers[field], WORDS) if field in self.numbers else (self.times[field], WORDS_OF_TIME)

    def condition(self, name: str, text: str) -> tuple[str, Decimal | datetime]:
        field, _, end = name.rpartition("_")
        return (f"{field}__{LOOKUPS[end]}", decimal(text)) if field in self.numbers else time_limit(field, end, text)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """A link that clears all limits, if there are any."""
        if self.texts:
            yield {"query_string": changelist.get_query_string(remove=self.parameters()), "display": "Clear ranges"}

    @property
    def lines(self) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """By label, two inputs: what they mean, their names and their values."""
        for field, label in (*self.numbers.items(), *self.times.items()):
            names = {words: f"{field}_{end}" for end, words in WORDS.items()}
            inputs = [(words, name, self.texts.get(name, "")) for words, name in names.items()]
            if field in self.numbers or any(value for *_, value in inputs):
                yield label, inputs


def time_limit(field: str, end: str, text: str) -> tuple[str, datetime]:
    """The lookup and value of a limit of a time. A date as the maximum includes its whole day."""
    first, is_day = moment(text)
    return (f"{field}__lt", first + DAY) if is_day and end == "max" else (f"{field}__{LOOKUPS[end]}", first)


def moment(text: str) -> tuple[datetime, bool]:
    """An ISO date or instant, by default in UTC, and whether it is a date.

    Raises ValueError if it is neither, and OverflowError if it is too far away.
    """
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC), True
    except ValueError:
        found = datetime.fromisoformat(text)
    return (found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)), False


def decimal(text: str) -> Decimal:
    """A number as people write it: 1,234.5, 1e6, 2.5 B, 5 % or $10. Raises ValueError or ArithmeticError for others."""
    written = NUMBER.fullmatch(text)
    if not written or len(text) > MAX_LENGTH:
        raise ValueError
    number = Decimal(written["number"].replace(",", "")) * UNITS[(written["unit"] or "").lower()]
    if not number.is_finite() or abs(number.adjusted()) > MAX_MAGNITUDE:
        raise ValueError
    return number
