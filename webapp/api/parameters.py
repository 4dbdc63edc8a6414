"""What a query string may hold. Anything else is refused with a sentence, and never passed over in silence.

A Kind is a kind of value: it reads a text, and says in words and as JSON Schema what it takes. A Parameter is a name
with its kind. Parameters are all that an address takes: a FilterSet of django-filter, stricter than its own. The
schema describes the same declarations.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters import Filter, FilterSet
from rest_framework.exceptions import ParseError

from webapp.coins.texts import printable

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


# Kinds of values -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Kind:
    """`read` turns a text into a value or raises ValueError; `allowed` and `schema` say what it takes.

    `name` is what clients call the enumeration that it takes values of.
    """

    read: Callable[[str], Any]
    allowed: str
    schema: Mapping[str, Any]
    name: str = ""

    @property
    def is_list(self) -> bool:
        return self.schema["type"] == "array"


def matching(pattern: str, allowed: str, convert: Callable[[str], Any] = str, **schema: Any) -> Kind:
    """Texts of one pattern, which Python and JSON Schema read alike, and of a `maxLength`."""

    def read(text: str) -> Any:
        if len(text) > schema.get("maxLength", len(text)) or not re.fullmatch(pattern, text):
            raise ValueError
        return convert(text)

    return Kind(read, allowed, {"type": "string", "pattern": f"^{pattern}$"} | schema)


def text(limit: int) -> Kind:
    return matching(r"[^\x00]+", f"1 to {limit} characters, none of them NUL", maxLength=limit)


def words(limit: int) -> Kind:
    """What stands between spaces."""
    pattern, allowed = r"[^\x00]*[^\s\x00][^\x00]*", f"words, {limit} characters in all, none of them NUL"
    return matching(pattern, allowed, str.split, maxLength=limit)


def choice(name: str, values: Iterable[str]) -> Kind:
    known = list(values)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError
        return text

    schema: dict[str, Any] = {"type": "string", "enum": known}
    if any(value.startswith("-") for value in known):  # which generated code cannot have in a name
        schema["x-enum-varnames"] = [_constant(value) for value in known]
    return Kind(read, f"one of {', '.join(known)}", schema, name)


def _constant(value: str) -> str:
    return f"{value[1:]}_descending".upper() if value.startswith("-") else value.upper()


def names(name: str, values: Iterable[str]) -> Kind:
    """Some of these, with commas between them; read in the order that they have here, each once."""
    known = list(values)

    def read(text: str) -> list[str]:
        given = set(text.split(","))
        if not given <= set(known):
            raise ValueError
        return [name for name in known if name in given]

    schema = {"type": "array", "items": {"type": "string", "enum": known}, "minItems": 1}
    return Kind(read, f"names with commas between them, of {', '.join(known)}", schema, name)


def whole(low: int, high: int) -> Kind:
    def read(text: str) -> int:
        if not (re.fullmatch("-?[0-9]{1,10}", text) and low <= int(text) <= high):
            raise ValueError
        return int(text)

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Kind(read, f"a whole number from {low} to {high}", schema)


def _page(text: str) -> int:
    if not re.fullmatch("0*[1-9][0-9]*", text):
        raise ValueError
    digits = text.lstrip("0")
    return int(digits) if len(digits) < 16 else 10**15  # past any end, and what databases can still skip to


def _true(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError
    return text == "true"


def _moment(text: str) -> datetime:
    """The same instant in UTC; what no datetime can hold becomes the first or the last that it can."""
    match = re.fullmatch(r"(\d{4})(-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(\.\d+)?([Zz]|[+ -]\d\d:\d\d)", text)
    if not match:
        raise ValueError
    year, day, minute, second, fraction, offset = match.groups(default="")
    leap = second == "60"
    # The year 0, which Python does not know, had the days of the year 4, and nothing has changed in either.
    date = f"{'0004' if year == '0000' else year}{day}"
    local = datetime.fromisoformat(
        f"{date}T{minute}{'59' if leap else second}{fraction}{offset.upper().replace(' ', '+')}"
    )
    try:
        return local.astimezone(UTC) + timedelta(seconds=leap)
    except OverflowError:
        return FIRST if year == "0001" else LAST


PAGE = Kind(_page, "a whole number from 1 up", {"type": "integer", "minimum": 1})
TRUE_OR_FALSE = Kind(_true, "true or false", {"type": "boolean"})
DECIMAL = matching(
    r"-?[0-9]{1,30}(\.[0-9]{1,30})?",
    "a number such as -0.05, without an exponent, of at most 30 digits before and 30 after the point",
    Decimal,
    format="decimal",
)
# A + that was not encoded comes as a space, and nothing else can be meant.
MOMENT = Kind(
    _moment,
    "a date and time with its offset, such as 2026-02-05T12:00:00Z or 2026-02-05T12:00:00.5+01:00",
    {"type": "string", "format": "date-time"},
)


# Names with their kinds ----------------------------------------------------------------------------
class Value(forms.Field):
    """A parameter's value as a form field: absent it is the default, present it is what its kind makes of it."""

    def __init__(self, kind: Kind, default: Any) -> None:
        # A list may come with commas, or as a parameter that is given several times, as client generators send it.
        super().__init__(required=False, widget=forms.SelectMultiple if kind.is_list else None)
        self.kind, self.default = kind, default

    def clean(self, given: str | list[str] | None) -> Any:
        if given is None or given == []:
            return self.default
        try:
            return self.kind.read(given if isinstance(given, str) else ",".join(given))
        except ValueError:
            raise ValidationError(self.kind.allowed) from None


class Parameter(Filter):
    """A parameter that filters nothing; `description` is for the schema."""

    def __init__(self, kind: Kind, description: str, default: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.kind, self.description, self.default = kind, description, default

    @property
    def field(self) -> forms.Field:
        return Value(self.kind, self.default)

    def filter(self, rows: QuerySet, value: Any) -> QuerySet:
        return rows


class Condition(Parameter):
    """A parameter that leaves the rows whose `field_name` stands in the relation `lookup_expr` to it."""

    filter = Filter.filter


class Parameters(FilterSet):
    """All that an address takes; by itself: nothing."""

    def check(self) -> dict[str, Any]:
        """The values by name; ParseError, an answer 400, says what is wrong."""
        wrong = [*self._unknown(), *self._repeated()]
        wrong += [f"{name} must be {allowed[0]}." for name, allowed in self.errors.items()]
        if wrong:
            raise ParseError(" ".join(wrong))
        return self.form.cleaned_data

    def _unknown(self) -> list[str]:
        unknown = [printable(name, 50) for name in self.data if name not in self.filters]
        allowed = f"What there is: {', '.join(self.filters)}." if self.filters else "This address takes none."
        return [f"There is no parameter named {unknown[0]}. {allowed}"] if unknown else []

    def _repeated(self) -> list[str]:
        once = [name for name, parameter in self.filters.items() if not cast(Parameter, parameter).kind.is_list]
        return [f"{name} may be given once." for name in once if len(self.data.getlist(name)) > 1]
