"""Pages that can be asked for in any order, by their number or by the number of records before them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameters, url_query_parameter

from coincrawl.meta import meta_of
from coincrawl.pagination.base import PagingError, check_from_one_up, count_in, whole_number
from coincrawl.responses import Rows


@dataclass(frozen=True)
class PageNumber:
    """Pages with numbers, up to the first empty one.

    Where the first answer counts all records, or the spider expects as many pages as last time, `window` pages are
    asked for at a time; otherwise one after the other. An answer 404 in JSON behind the first page is the end as well;
    and so is the last page once more, where a count says that all records have come.
    """

    is_numbered: ClassVar[bool] = True
    is_single: ClassVar[bool] = False

    size: int  # records in a page
    limit: int | None = None  # pages, where not all are wanted
    rows: str = ""  # the path to the records in the body; empty: they are all of it
    window: int = 8  # pages in flight
    max_records: int = 250_000  # the last belt: paging that goes beyond never ends
    parameter: str = "page"
    size_parameter: str = "per_page"  # empty: the size cannot be asked for, `size` says which one the source has
    start: int = 1  # the number of the first page
    counted: str = ""  # the path to the number of all records in the body, where there is one
    counted_header: str = "total"  # the header that has it, where there is one

    def __post_init__(self) -> None:
        check_from_one_up(self, "size", "limit", "window", "max_records")
        if not self.parameter or self.start < 0:
            raise ValueError(f"{type(self).__name__}: parameter must have a name, and start be at least 0")

    @property
    def cap(self) -> int:
        """The last page that is ever asked for."""
        return -(-self.max_records // self.size)

    def first(self, url: str, before: int = 0) -> Request:
        """The first page of the collection at `url`, which had so many records `before`."""
        return self._page(Request(url, dont_filter=True), 1, expected=max(1, before // self.size))

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The pages to ask for after the one that `request` asked for; none after an empty page.

        A page that got no answer (`response` and `answer` are None) is passed over.
        """
        page, expected = meta_of(request)["page"], meta_of(request)["expected"]
        if answer is not None and not answer.rows:
            return []
        if page == 1:
            expected = (self.expected(response, answer) if response else None) or expected
            ahead = range(2, max(2, min(1 + self.window, expected)) + 1)
        elif page + self.window <= expected:
            ahead = range(page + self.window, page + self.window + 1)
        elif page >= expected:
            ahead = range(page + 1, page + 2)
        else:
            return []  # the pages between here and the expected last are on their way
        return [
            self._page(request, number, expected) for number in ahead if number <= min(self.limit or self.cap, self.cap)
        ]

    def again(self, url: str, page: int, address: str | None) -> Request:
        """A page of the collection at `url`, whether or not it was asked for before at its `address`."""
        return self._page(Request(url, dont_filter=True), page, expected=page)

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages the source's count speaks of; None where it says nothing sensible."""
        records = None
        with suppress(PagingError):
            records = self.count(response, answer or Rows([]))
        return min(-(-records // self.size), self.limit or self.cap, self.cap) if records else None

    def count(self, response: Response, answer: Rows) -> int | None:
        """How many records there are in all, by the API's word; None without one, PagingError for nonsense in a body.

        Nonsense in a header is ignored: a proxy may have written it.
        """
        if self.counted and (count := count_in(answer, self.counted)) is not None:
            return count
        return whole_number((response.headers.get(self.counted_header) or b"").decode("latin-1").strip())

    def is_empty(self, envelope: Mapping[str, Any]) -> bool:
        """Whether a null in the place of the records means that there are none: programs in Go write it so."""
        return True

    def _page(self, request: Request, page: int, expected: int) -> Request:
        size = {self.size_parameter: str(self.size)} if self.size_parameter else {}
        url = add_or_replace_parameters(request.url, size | {self.parameter: str(page - 1 + self.start)})
        return request.replace(url=url, meta={"page": page, "expected": expected}, priority=0)


@dataclass(frozen=True)
class Offset(PageNumber):
    """Pages that are named by the number of records before them, `size` apart.

    Where the first page comes short, the source may have a smaller limit than `size`. Then one page is asked for after
    the other, each from where the one before it ended; the request's `meta["step"]` says how many the first one had.
    """

    parameter: str = "offset"
    size_parameter: str = "limit"
    start: int = 0  # the number of the first record

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        page, step = meta_of(request)["page"], meta_of(request).get("step")
        if page == 1 and answer and 0 < len(answer.rows) < self.size:
            step = len(answer.rows)
        if step is None:
            return super().next(request, response, answer)
        came = len(answer.rows) if answer else step
        if not came or page >= min(self.limit or self.cap, self.cap):
            return []
        begin = int(url_query_parameter(request.url, self.parameter) or self.start) + came
        following = self._from(self._page(request, page + 1, page + 1), begin)
        return [following.replace(meta=following.meta | {"step": step})]

    def again(self, url: str, page: int, address: str | None) -> Request:
        """A page of the collection at `url`, at its own `address` where it was asked for before."""
        request = super().again(url, page, address)
        return request.replace(url=address) if address else request

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages there are by the source's count, and by what the first one had."""
        came = len(answer.rows) if answer else 0
        pages = super().expected(response, answer)
        return -(-pages * self.size // came) if pages and 0 < came < self.size else pages

    def _page(self, request: Request, page: int, expected: int) -> Request:
        return self._from(super()._page(request, page, expected), (page - 1) * self.size + self.start)

    def _from(self, request: Request, begin: int) -> Request:
        return request.replace(url=add_or_replace_parameters(request.url, {self.parameter: str(begin)}))
