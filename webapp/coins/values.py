"""Writes values of model fields for programs: the read API and exports write them alike."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

from django.db import models

from webapp.coins.numbers import plain

T = TypeVar("T")


def instant(moment: datetime) -> str:
    """A date in UTC, as exact as it is stored: 2026-02-05T12:00:00.5Z."""
    return moment.isoformat().removesuffix("+00:00") + "Z"


WRITERS: Mapping[type[models.Field], Callable[[Any], Any]] = {
    models.DecimalField: plain,
    models.DateTimeField: instant,
}


def by_type(field: models.Field, choices: Mapping[type[models.Field], T], default: T) -> T:
    """The choice for the type of a field. A relation has the type of the key that it holds."""
    while field.is_relation:
        field = cast(models.ForeignKey, field).target_field
    return next((choice for kind, choice in choices.items() if isinstance(field, kind)), default)
