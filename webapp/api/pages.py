"""Lists in pages that are joined by `next` links."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from webapp.api.writing import write

Row = TypeVar("Row")


def page_of(
    rows: models.QuerySet, fields: Sequence[models.Field], request: Request, query: dict[str, Any], *, by_key: bool
) -> dict[str, Any]:
    """The page of `rows` that `query` asks for, with the count of all rows and links to the next and previous page.

    `by_key` says that the rows are in the order of their key. Then the `next` link names the last key of this page. The
    next page begins after that key, even if rows before it have come or gone.
    """
    number, size, after = query["page"], query["page_size"], query.get("after")
    by_link = by_key and after is not None
    following = rows if after is None else rows.filter(pk__gt=after)
    start = 0 if by_link else (number - 1) * size
    found = list(following.values_list("pk", *(field.name for field in fields))[start : start + size + 1])
    # Counted after the rows are read, so that no client reads more rows than the count.
    count = (rows if by_link else following).count()
    if start and not found:
        raise NotFound(f"Page {number} is past the end: there are {count} results, {size} on a page.")
    page = found[:size]
    onward = {"page": number + 1} | ({"after": page[-1][0]} if by_key and page else {})
    back = {"page": number - 1} | ({"after": None} if by_key else {})
    return {
        "count": max(count, start + len(found)),  # some of them may be deleted by now
        "next": _link(request, onward) if len(found) > size else None,
        "previous": _link(request, back) if number > 1 else None,
        "results": write(fields, [row[1:] for row in page]),
    }


def next_link(
    found: Sequence[Row], request: Request, size: int, onward: Callable[[Row], Mapping[str, Any]]
) -> str | None:
    """The address of the next page; None if no more than `size` rows were found.

    `onward` returns the parameters of the page that begins after a row. So no row is missed or repeated, even if others
    have come or gone.
    """
    return _link(request, onward(found[size - 1])) if len(found) > size else None


def _link(request: Request, changes: Mapping[str, Any]) -> str:
    """The address of the request with changes in its query string. None removes a name."""
    query = request.query_params.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
