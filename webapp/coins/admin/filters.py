"""Filters of lists: by conditions with counts, and by limits of numbers and times.

An invalid value in the address of a list filters nothing. The list shows it as a `Fault`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, ChangeList
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html

from webapp.coins.admin.limits import (
    EMPTY,
    EMPTY_TIME,
    LOOKUPS,
    WORDS,
    WORDS_OF_TIME,
    decimal,
    in_words,
    moment_in_words,
    time_limit,
)

SHOWN = 100  # characters of an invalid value above a list


@dataclass(frozen=True)
class Fault:
    """An invalid value in the address of a list. `words` say what is wrong with it, and what a valid one looks like."""

    parameter: str
    label: str
    text: str
    words: str

    def __str__(self) -> str:
        return f"{self.label}: {self.text}"

    @property
    def html(self) -> str:
        """A sentence or two."""
        text = self.text if len(self.text) <= SHOWN else f"{self.text[:SHOWN]}\u2026"
        return format_html("{}: \u201c<bdi>{}</bdi>\u201d. {}", self.label, text, self.words)


class RowFilter(admin.SimpleListFilter):
    """A filter with one parameter."""

    @classmethod
    def parameters(cls) -> list[str]:
        return [str(cls.parameter_name)]

    @property
    def faults(self) -> list[Fault]:
        return []

    @property
    def text(self) -> str | None:
        """What the address has, valid or not."""
        return self.used_parameters.get(str(self.parameter_name))

    def fault(self, words: str) -> Fault:
        return Fault(str(self.parameter_name), str(self.title), self.text or "", words)

    def in_use(self) -> Iterator[tuple[list[str], str]]:
        """What the person has chosen: its parameters, and the choice in words."""
        if (choice := self.value()) and self.parameter_name in self.request.GET:
            yield self.parameters(), f"{self.title}: {dict(self.lookup_choices).get(choice, choice)}"


class TableFilter(RowFilter):
    """A filter with a condition for each choice. Another choice is a fault, and the same as none."""

    conditions: Mapping[str, Q]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(choice, choice) for choice in self.conditions]

    def value(self) -> str | None:
        return self.text if self.text in self.conditions else None

    @property
    def faults(self) -> list[Fault]:
        if not self.text or self.text in self.conditions:
            return []
        return [self.fault(f"There is no such choice. Choose one of: {', '.join(self.conditions)}.")]

    @property
    def condition(self) -> Q:
        """What it leaves in the list."""
        choice = self.value()
        return Q() if choice is None else self.conditions[choice]

    @property
    def counted(self) -> Mapping[str, Q]:
        """The conditions whose rows are counted, by name."""
        return self.conditions

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.filter(self.condition)

    def get_facet_queryset(self, changelist: ChangeList) -> Any:
        """The counts of the choices as they are shown, by the names that Django looks for."""
        counts = changelist.facets[self.parameter_name]  # type: ignore[attr-defined]  # that of a RowList
        return {f"{number}__c": f"{counts[choice]:,}" for number, (choice, _) in enumerate(self.lookup_choices)}


class LimitFilter(admin.ListFilter):
    """Limits: the parameters `<name>_min` and `<name>_max`, both inclusive. A form sends them."""

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

    def called(self, field: str) -> str:
        """What a limited field is called."""
        raise NotImplementedError

    def is_number(self, field: str) -> bool:
        """Whether its limits are numbers, and not times."""
        return False

    def label_of(self, name: str) -> str:
        """What a parameter means."""
        field, _, end = name.rpartition("_")
        return f"{self.called(field)}, {(WORDS if self.is_number(field) else WORDS_OF_TIME)[end]}"

    def in_use(self) -> Iterator[tuple[list[str], str]]:
        """The valid limits: the parameters of each, and the limit in words. Two that are one moment are one."""
        invalid = {fault.parameter for fault in self.faults}
        valid = {name: text for name, text in self.texts.items() if name not in invalid}
        for name, text in valid.items():
            field, _, end = name.rpartition("_")
            both = [f"{field}_{one}" for one in LOOKUPS]
            if self.is_number(field):
                yield [name], f"{self.called(field)}: {WORDS[end]} {text}"
            elif valid.get(both[0]) != valid.get(both[1]):
                yield [name], f"{self.called(field)}: {self.said(WORDS_OF_TIME[end], text)}"
            elif end == "min":
                yield both, f"{self.called(field)}: {moment_in_words(text)}"

    def said(self, word: str, text: str) -> str:
        """A limit of a time, for people; `word` says which end it is."""
        return f"{word} {in_words(text)}"

    def condition(self, name: str, text: str) -> tuple[str, Decimal | datetime]:
        """The lookup and value of a limit. Raises ValueError with a sentence for people if it is invalid."""
        raise NotImplementedError

    @cached_property
    def _read(self) -> tuple[dict[str, Any], list[Fault]]:
        """The lookups of the valid limits, and the others."""
        lookups: dict[str, Any] = {}
        least: dict[str, Any] = {}  # by field
        faults = []
        for name, text in self.texts.items():  # the least of a field before the most
            field, _, end = name.rpartition("_")
            try:
                lookup, value = self.condition(name, text)
                if end == "max" and field in least and is_empty(least[field], lookup, value):
                    raise ValueError(EMPTY if self.is_number(field) else EMPTY_TIME)
            except ValueError as error:
                faults.append(Fault(name, self.label_of(name), text, str(error)))
            else:
                lookups[lookup] = value
                if end == "min":
                    least[field] = value
        return lookups, faults

    @property
    def faults(self) -> list[Fault]:
        return self._read[1]

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        return queryset.filter(**self._read[0])

    def input(self, label: str, name: str, value: str | None = None) -> "Input":
        """An input with this value, by default what was sent."""
        words = next((fault.words for fault in self.faults if fault.parameter == name), "")
        sent = self.texts.get(name, "")
        return Input(label, name, sent if value is None or words else value, words)

    @property
    def others(self) -> list[tuple[str, str]]:
        """The other parameters of the list, which the form keeps; a page's number is none of them."""
        left_out = {*self.parameters(), PAGE_VAR, ERROR_FLAG}
        return [(name, value) for name, values in self.request.GET.lists() if name not in left_out for value in values]


def is_empty(least: Any, lookup: str, most: Any) -> bool:
    """Whether nothing is between two limits of a field; `lookup` is that of the most."""
    return bool(least >= most if lookup.endswith("__lt") else least > most)


@dataclass(frozen=True)
class Input:
    """An input of the form. `fault` says what is wrong with its value, `kind` what can be typed into it."""

    label: str
    name: str
    value: str
    fault: str
    kind: str = "text"


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

    def called(self, field: str) -> str:
        return self.numbers.get(field) or self.times[field]

    def is_number(self, field: str) -> bool:
        return field in self.numbers

    def condition(self, name: str, text: str) -> tuple[str, Decimal | datetime]:
        field, _, end = name.rpartition("_")
        return (f"{field}__{LOOKUPS[end]}", decimal(text)) if self.is_number(field) else time_limit(field, end, text)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """A link that clears all limits, if there are any."""
        if self.texts:
            yield {"query_string": changelist.get_query_string(remove=self.parameters()), "display": "Clear ranges"}

    @property
    def lines(self) -> Iterator[tuple[str, list[Input]]]:
        """By label, two inputs."""
        for field, label in (*self.numbers.items(), *self.times.items()):
            inputs = [self.input(words, f"{field}_{end}") for end, words in WORDS.items()]
            if self.is_number(field) or any(one.value for one in inputs):
                yield label, inputs
