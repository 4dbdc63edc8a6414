"""Pages that can be asked for in any order, by number or by offset."""

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
    """Numbered pages, up to the first empty one.

    If the first answer counts all records, or an earlier run had several pages, `window` pages are requested at a time.
    Otherwise each page is requested after the one before it. After page 1, a 404 in JSON is also the end. So is a copy
    of the last page, if a count says that all records have come.
    """

    is_numbered: ClassVar[bool] = True
    is_single: ClassVar[bool] = False

    size: int  # records in a page
    limit: int | None = None  # pages, if not all are wanted
    rows: str = ""  # path to the records in the body; empty if they are the whole body
    window: int = 8  # pages in flight
    max_records: int = 250_000  # after so many, paging ends in any case
    parameter: str = "page"
    size_parameter: str = "per_page"  # empty if the source has a fixed size
    start: int = 1  # number of the first page
    counted: str = ""  # path to the number of all records in the body, if there is one
    counted_header: str = "total"  # header with the number of all records, if there is one

    def __post_init__(self) -> None:
        check_from_one_up(self, "size", "limit", "window", "max_records")
        if not self.parameter or self.start < 0:
            raise ValueError(f"{type(self).__name__}: parameter must have a name, and start be at least 0")

    @property
    def max_pages(self) -> int:
        """The last page that is ever requested, whatever the limit."""
        return -(-self.max_records // self.size)

    @property
    def _last(self) -> int:
        return min(self.limit or self.max_pages, self.max_pages)

    def first(self, url: str, before: int = 0) -> Request:
        """The request for the first page of the collection at `url`. An earlier run had `before` records."""
        return self._page(Request(url, dont_filter=True), 1, expected=max(1, before // self.size))

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The requests for the pages after the requested one; none after an empty page.

        `response` and `answer` are None if the page has no answer. It is skipped then.
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
            return []  # the pages up to the expected last one have been requested
        return [self._page(request, number, expected) for number in ahead if number <= self._last]

    def again(self, url: str, page: int, address: str | None) -> Request:
        """The request for a page of the collection at `url`; `address` is its own, if it was requested before."""
        return self._page(Request(url, dont_filter=True), page, expected=page)

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages there are by the source's count; None without a valid count."""
        records = None
        with suppress(PagingError):
            records = self.count(response, answer or Rows([]))
        return min(-(-records // self.size), self._last) if records else None

    def count(self, response: Response, answer: Rows) -> int | None:
        """How many records the source has by its own count; None without a count.

        Raises PagingError if the count in the body is invalid. In a header it is ignored: a proxy may have written it.
        """
        if self.counted and (count := count_in(answer, self.counted)) is not None:
            return count
        return whole_number((response.headers.get(self.counted_header) or b"").decode("latin-1").strip())

    def is_empty(self, envelope: Mapping[str, Any]) -> bool:
        """Whether a null instead of the list means that there are no records. Programs in Go write an empty list so."""
        return True

    def _page(self, request: Request, page: int, expected: int) -> Request:
        size = {self.size_parameter: str(self.size)} if self.size_parameter else {}
        url = add_or_replace_parameters(request.url, size | {self.parameter: str(page - 1 + self.start)})
        return request.replace(url=url, meta={"page": page, "expected": expected}, priority=0)


@dataclass(frozen=True)
class Offset(PageNumber):
    """Pages that are requested by their offset: the number of records before them.

    If the first page is short, the source may have a smaller limit than `size`. Then the pages are requested one after
    the other, each from the end of the one before. The request's `meta["step"]` is the size of the first page.
    """

    parameter: str = "offset"
    size_parameter: str = "limit"
    start: int = 0  # offset of the first record

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        page, step = meta_of(request)["page"], meta_of(request).get("step")
        if page == 1 and answer and 0 < len(answer.rows) < self.size:
            step = len(answer.rows)
        if step is None:
            return super().next(request, response, answer)
        came = len(answer.rows) if answer else step
        if not came or page >= self._last:
            return []
        begin = int(url_query_parameter(request.url, self.parameter) or self.start) + came
        following = self._from(self._page(request, page + 1, page + 1), begin)
        return [following.replace(meta=following.meta | {"step": step})]

    def again(self, url: str, page: int, address: str | None) -> Request:
        request = super().again(url, page, address)
        return request.replace(url=address) if address else request

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages there are by the source's count, and by the size of the first page."""
        came = len(answer.rows) if answer else 0
        pages = super().expected(response, answer)
        return -(-pages * self.size // came) if pages and 0 < came < self.size else pages

    def _page(self, request: Request, page: int, expected: int) -> Request:
        return self._from(super()._page(request, page, expected), (page - 1) * self.size + self.start)

    def _from(self, request: Request, begin: int) -> Request:
        return request.replace(url=add_or_replace_parameters(request.url, {self.parameter: str(begin)}))
