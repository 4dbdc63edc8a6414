"""Chips: what limits the rows of a list, each with a link that removes it."""

from collections.abc import Iterator
from typing import NamedTuple, cast

from django.contrib.admin.views.main import SEARCH_VAR, ChangeList

from webapp.coins.admin.filters import LimitFilter, RowFilter


class Chip(NamedTuple):
    """A limit in words, and the address of the list without it."""

    words: str
    address: str


def filters_of(changelist: ChangeList) -> list[RowFilter | LimitFilter]:
    return cast(list[RowFilter | LimitFilter], changelist.filter_specs)


def in_use(changelist: ChangeList) -> Iterator[tuple[list[str], str]]:
    """The search and the filters in use: the parameters of each, and what it is in words."""
    if changelist.query.strip():
        yield [SEARCH_VAR], f"search: {changelist.query.strip()}"
    for spec in filters_of(changelist):
        yield from spec.in_use()


def chips(changelist: ChangeList) -> list[Chip]:
    return [Chip(words, changelist.get_query_string(remove=names)) for names, words in in_use(changelist)]


def address_without_limits(changelist: ChangeList, *kept: str) -> str:
    """The list without limits but `kept`, in its order and with its columns."""
    names = [SEARCH_VAR, *(name for spec in filters_of(changelist) for name in spec.parameters())]
    return changelist.get_query_string(remove=[name for name in names if name not in kept])
