"""Lists of any length: how many rows they count, and where they end."""

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from webapp.coins.admin.row_list import RowList


class BoundedPaginator(Paginator):
    """Counts LIMIT rows at most, because a database needs seconds to count a million. A list of more ends there."""

    LIMIT = 50_000
    # The first column of the default order, which is descending, if each filter has an index of the filter's column and
    # this one. Rows are then counted in that order, so that SQLite uses this index. It might choose another one, and
    # read every row.
    column = ""

    @cached_property
    def counted(self) -> int:
        """The number of rows, up to one more than LIMIT."""
        rows: QuerySet = self.object_list  # type: ignore[assignment]  # a paginator takes any list
        order = [f"-{self.column}"] if self.column else []
        return rows.order_by(*order).values(self.column or "pk")[: self.LIMIT + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, self.LIMIT)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows."""
        return self.counted > self.LIMIT

    @property
    def limit_in_words(self) -> str:
        return f"{self.LIMIT:,}"

    def validate_number(self, number: Any) -> int:
        """The last page stands for those behind it that the list does not show."""
        return super().validate_number(min(int(number), self.num_pages) if self.is_cut else number)


class BoundedList(RowList):
    """A list with a BoundedPaginator. It has its default order if there are too many rows to sort them by another."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.result_count:
            self.queryset = self.result_list = self.queryset.none()  # else it would be looked for again
        if not self.paginator.is_cut:
            return
        names = self.opts.verbose_name_plural
        if self.page_num > self.paginator.num_pages:
            self.page_num = self.paginator.num_pages
            self.notes += (f"The list ends here. Filter by time to see the other {names}.",)
        if self.params.pop(ORDER_VAR, None):
            self.queryset = self.queryset.order_by(*self.get_ordering(request, self.queryset))
            self.paginator.object_list = self.queryset
            self.result_list = self.paginator.page(self.page_num).object_list
            self.notes += (
                f"More than {self.paginator.limit_in_words} {names} are only sorted by time. "
                "Filter by time to sort them by another column.",
            )
