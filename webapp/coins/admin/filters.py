"""Filters of lists: by conditions with counts, and by ranges of numbers and times."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import Count, Q
from django.http import HttpRequest

from webapp.coins.admin.time_filter import DAY, moment, others

MAX_LENGTH = 100  # characters of a limit
MAX_MAGNITUDE = 28  # power of ten of a limit: all decimals of the models can be compared with it


class RowFilter(admin.SimpleListFilter):
    """A filter with one parameter."""

    @classmethod
    def parameters(cls) -> list[str]:
        return [str(cls.parameter_name)]


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

    def get_facet_counts(self, pk_attname: str, filtered_qs: models.QuerySet) -> dict[str, Any]:
        """One pass over the rows. Django's own counts ask for the keys of each choice."""
        counts = (Count(pk_attname, filter=self.conditions[choice]) for choice, _ in self.lookup_choices)
        return {f"{number}__c": count for number, count in enumerate(counts)}


class RangeFilter(admin.ListFilter):
    """Limits of fields: the parameters `<field>_min` and `<field>_max`, which are both part of the range.

    Numbers are decimals, times are ISO dates or instants, by default in UTC. A time has no inputs unless it has a
    limit: other pages link to such lists. Raises IncorrectLookupParameters if a limit is invalid.
    """

    title = "range"
    template = "admin/range_filter.html"
    numbers: Mapping[str, str] = {}  # labels by field
    times: Mapping[str, str] = {}

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[models.Model], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        texts = {name: params.pop(name, [""])[-1].strip() for name in self.parameters()}
        self.texts = {name: text for name, text in texts.items() if text}

    @classmethod
    def parameters(cls) -> list[str]:
        return [f"{field}_{end}" for field in (*cls.numbers, *cls.times) for end in ("min", "max")]

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.filter(**dict(self._condition(name, text) for name, text in self.texts.items()))

    def _condition(self, name: str, text: str) -> tuple[str, Decimal | datetime]:
        field, _, end = name.rpartition("_")
        try:
            if field in self.numbers:
                return f"{field}__{'gte' if end == 'min' else 'lte'}", decimal(text)
            first, is_day = moment(text)
            if end == "max" and is_day:
                return f"{field}__lt", first + DAY
            return f"{field}__{'gte' if end == 'min' else 'lte'}", first
        except (ValueError, InvalidOperation, OverflowError):
            raise IncorrectLookupParameters(f"{name} is not valid") from None

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """A link that clears all limits, if there are any."""
        if self.texts:
            yield {"query_string": changelist.get_query_string(remove=self.parameters()), "display": "Clear ranges"}

    @property
    def lines(self) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """By label, two inputs: what they mean, their names and their values."""
        for field, label in (*self.numbers.items(), *self.times.items()):
            ends = (("at least", f"{field}_min"), ("at most", f"{field}_max"))
            inputs = [(words, name, self.texts.get(name, "")) for words, name in ends]
            if field in self.numbers or any(value for *_, value in inputs):
                yield label, inputs

    @property
    def others(self) -> list[tuple[str, str]]:
        """The other parameters of the list, which the form keeps."""
        return others(self.request, self.parameters())


def decimal(text: str) -> Decimal:
    """Raises ValueError or InvalidOperation if it is not a number that the database can compare."""
    number = Decimal(text.replace(",", ""))
    if len(text) > MAX_LENGTH or "_" in text or not number.is_finite() or abs(number.adjusted()) > MAX_MAGNITUDE:
        raise ValueError
    return number
