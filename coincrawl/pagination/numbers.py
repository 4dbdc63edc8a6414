"""Pages that can be asked for in any order, by number or by offset."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameters, url_query_parameter

from coincrawl.meta import Meta, meta_of
from coincrawl.pagination.base import PagingError, check_from_one_up, count_in, whole_number
from coincrawl.responses import Rows


@dataclass(frozen=True)
class PageNumber:
    """Numbered pages, up to the first empty one.

    Up to the last page that is known to exist, and one page beyond it, `window` pages are requested at a time. It is
    known from the source's count, from an earlier run, or from the limit. Beyond it, the window grows with each full
    page: of a source of unknown length, at most half as many pages again are requested as it has, and at most a window.
    After page 1, a 404 in JSON is also the end. So is a copy of the last page, if a count says that all records have
    come.
    """

    is_numbered: ClassVar[bool] = True
    is_single: ClassVar[bool] = False

    size: int  # records in a page
    limit: int | None = None  # pages, if not all are wanted
    rows: str = ""  # path to the records in the body; empty if they are the whole body
    window: int = 20  # pages in flight: 500 calls a minute, each of which takes two seconds, are 17
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
        return self._page(Request(url, dont_filter=True), 1, expected=before // self.size or self.limit or 1)

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The requests for the pages after the requested one; none after an empty page. Some may be known already.

        `response` and `answer` are None if the page has no answer. It is skipped then.
        """
        page, expected = meta_of(request)["page"], meta_of(request)["expected"]
        if answer is not None and not answer.rows:
            return []
        if page == 1 and response:
            expected = self.expected(response, answer) or expected
        # Up to the expected page, the page before this one has requested all but the last of the window. Beyond it, the
        # window grows, and a page before this one may have been the end: then the coverage knows which are new.
        known = self._reach(page - 1, expected) if 1 < page < expected else page
        is_short = page >= expected and answer is not None and len(answer.rows) < self.size  # so it may be the last
        reach = page + 1 if is_short else self._reach(page, expected)
        ahead = range(known + 1, min(reach, self._last) + 1)
        return [self._page(request, number, expected, is_ahead=number > page + 1) for number in ahead]

    def ahead(self, url: str, after: int, expected: int) -> list[Request]:
        """The requests for a window of pages after page `after`, if `expected` pages turn out to exist."""
        request, last = Request(url, dont_filter=True), min(self._reach(after, expected), self._last)
        return [self._page(request, number, expected, is_ahead=True) for number in range(after + 1, last + 1)]

    def _reach(self, page: int, expected: int) -> int:
        """The last page that may be requested when this one has been answered."""
        if page < expected:
            return min(page + self.window, expected + 1)
        return page + min(self.window, 1 + (page + 1 - expected) // 2)

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

    def _page(self, request: Request, page: int, expected: int, *, is_ahead: bool = False) -> Request:
        size = {self.size_parameter: str(self.size)} if self.size_parameter else {}
        url = add_or_replace_parameters(request.url, size | {self.parameter: str(page - 1 + self.start)})
        meta = Meta(page=page, expected=expected, is_ahead=is_ahead)
        return request.replace(url=url, meta={**meta}, priority=0)


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

    def _page(self, request: Request, page: int, expected: int, *, is_ahead: bool = False) -> Request:
        numbered = super()._page(request, page, expected, is_ahead=is_ahead)
        return self._from(numbered, (page - 1) * self.size + self.start)

    def _from(self, request: Request, begin: int) -> Request:
        return request.replace(url=add_or_replace_parameters(request.url, {self.parameter: str(begin)}))
