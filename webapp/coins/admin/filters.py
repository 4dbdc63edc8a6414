"""Filters of lists: by conditions with counts, and by ranges of numbers and times."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import Count, Q
from django.http import HttpRequest

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

    Numbers are decimals, times are ISO 8601, in UTC unless they name another offset. A time is shown only if it has a
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
        for name in self.parameters():
            text = params.pop(name, [""])[-1].strip()
            if text:
                self.used_parameters[name] = self._limit(name, text)

    @classmethod
    def parameters(cls) -> list[str]:
        return [f"{field}_{end}" for field in (*cls.numbers, *cls.times) for end in ("min", "max")]

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def _limit(self, name: str, text: str) -> Decimal | datetime:
        field = name.rpartition("_")[0]
        try:
            if len(text) > MAX_LENGTH:
                raise ValueError
            return moment(text) if field in self.times else decimal(text)
        except (ValueError, InvalidOperation, OverflowError):
            raise IncorrectLookupParameters(f"{name} is not valid") from None

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        lookups = {"min": "gte", "max": "lte"}
        conditions = {}
        for name, limit in self.used_parameters.items():
            field, _, end = name.rpartition("_")
            conditions[f"{field}__{lookups[end]}"] = limit
        return queryset.filter(**conditions)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """A line for each field with its limits; the first also has the other parameters of the list."""
        own = {*self.parameters(), "p"}
        others = [(name, value) for name, values in self.request.GET.lists() if name not in own for value in values]
        yield {"others": others, "is_used": bool(self.used_parameters), "clear": self._without_limits(changelist)}
        for field, label in (*self.numbers.items(), *self.times.items()):
            limits = [(f"{field}_{end}", self._shown(f"{field}_{end}")) for end in ("min", "max")]
            if field in self.numbers or any(value for _, value in limits):
                yield {"label": label, "limits": limits, "is_number": field in self.numbers}

    def _without_limits(self, changelist: ChangeList) -> str:
        return changelist.get_query_string(remove=self.parameters())

    def _shown(self, name: str) -> str:
        return self.request.GET.get(name, "").strip() if name in self.used_parameters else ""


def decimal(text: str) -> Decimal:
    """Raises ValueError or InvalidOperation if it is not a number that the database can compare."""
    number = Decimal(text.replace(",", "").replace("_", "x"))
    if not number.is_finite() or abs(number.adjusted()) > MAX_MAGNITUDE:
        raise ValueError
    return number


def moment(text: str) -> datetime:
    """Raises ValueError if it is not a date or time."""
    parsed = datetime.fromisoformat(text)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
