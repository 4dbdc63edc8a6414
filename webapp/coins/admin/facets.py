"""How many rows a list would have with each choice of its filters."""

from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import cast

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Q, QuerySet

from webapp.coins.admin.filters import TableFilter


def facets(changelist: ChangeList) -> Mapping[str, Mapping[str, int]]:
    """By parameter of a TableFilter and by choice: the rows that the list would have with it and the other filters.

    One pass over the rows counts all of them. Django's own counts would be a query for each filter.
    """
    tables = [spec for spec in changelist.filter_specs if isinstance(spec, TableFilter)]
    if not tables:
        return {}
    rows = changelist.root_queryset
    for spec in changelist.filter_specs:
        if spec not in tables:
            rows = cast(QuerySet, spec.queryset(spec.request, rows))
    rows, _ = changelist.model_admin.get_search_results(tables[0].request, rows, changelist.query)
    names: dict[str, tuple[str, str]] = {}
    counts: dict[str, Count] = {}
    for spec in tables:
        others = reduce(and_, (other.condition for other in tables if other is not spec), Q())
        for choice, condition in spec.counted.items():
            name = f"count_{len(names)}"
            names[name] = str(spec.parameter_name), choice
            counts[name] = Count("pk", filter=others & condition)
    found: dict[str, dict[str, int]] = {str(spec.parameter_name): {} for spec in tables}
    for name, number in rows.order_by().aggregate(**counts).items():
        parameter, choice = names[name]
        found[parameter][choice] = number
    return found
