"""Lists in pages that are joined by `next` links."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from django.db import models
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

Row = TypeVar("Row")
Columns = Iterable[str | models.Expression]


class Found(NamedTuple):
    """Rows of a page, each with its key first, and one more if there is a next page. `total` counts all pages' rows."""

    rows: list[tuple[Any, ...]]
    total: int


class Page:
    """The page of `rows` that `query` asks for.

    `by_key` says that the rows are in the order of their key. Then the `next` link names the last key of this page. The
    next page begins after that key, even if rows before it have come or gone.
    """

    def __init__(self, rows: models.QuerySet, request: Request, query: dict[str, Any], *, by_key: bool) -> None:
        self.request, self.by_key = request, by_key
        self.number, self.size, after = query["page"], query["page_size"], query.get("after")
        by_link = by_key and after is not None
        self.following = rows if after is None else rows.filter(pk__gt=after)
        self.counted = rows if by_link else self.following
        self.start = 0 if by_link else (self.number - 1) * self.size

    def read(self, columns: Columns) -> Found:
        """These columns of the page, and the count, by two queries. Raises NotFound if the page is past the end."""
        page = self.following[self.start : self.start + self.size + 1]
        if self.start:  # databases skip keys faster than whole rows
            page = self.following.filter(pk__in=page.values("pk"))
        rows = list(page.values_list("pk", *columns))
        # Counted after the rows are read, so that no client reads more rows than the count.
        count = self.counted.count()
        if self.start and not rows:
            raise NotFound(f"Page {self.number} is past the end: there are {count} results, {self.size} on a page.")
        return Found(rows, max(count, self.start + len(rows)))  # some of them may be deleted by now

    def body(self, found: Found, results: list[dict[str, Any]]) -> dict[str, Any]:
        """The count of all rows, links to the next and previous page, and the written rows."""
        is_last = len(found.rows) <= self.size
        onward = {"page": self.number + 1}
        back: dict[str, Any] = {"page": self.number - 1}
        if self.by_key:
            onward |= {} if is_last else {"after": found.rows[self.size - 1][0]}
            back |= {"after": None}
        return {
            "count": found.total,
            "next": None if is_last else _link(self.request, onward),
            "previous": _link(self.request, back) if self.number > 1 else None,
            "results": results,
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
