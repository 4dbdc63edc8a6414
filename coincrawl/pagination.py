"""How to get from one page to the next. Stateless, because Scrapy retries and reorders; no Django, no engine.

A pagination is an object on the spider. It answers one question, `next(...)`: which pages to ask for now that this
one has been answered. What has been asked for and had is the spider's to remember.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameters


@dataclass(frozen=True)
class PageNumber:
    """Pages numbered from 1 up to the first empty one.

    Where the first answer's `total` header says how many records there are, or the spider expects as many pages as
    last time, `window` pages are asked for at a time; otherwise one after the other. Both are hints for speed: the end
    is the first empty page, whatever they say.
    """

    size: int  # records in a page
    limit: int | None = None  # pages, where not all are wanted
    window: int = 8  # pages in flight
    max_records: int = 250_000  # the last belt: paging that goes beyond never ends
    parameter: str = "page"
    size_parameter: str = "per_page"

    def __post_init__(self) -> None:
        for name in ("size", "limit", "window", "max_records"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"PageNumber: {name} is {value} and must be at least 1")

    @property
    def cap(self) -> int:
        """The last page that is ever asked for."""
        return -(-self.max_records // self.size)

    def first(self, url: str, expected: int = 1) -> Request:
        """The first page of the collection at `url`; so many are `expected` where no header says how many there are."""
        return self._page(Request(url, dont_filter=True), 1, expected)

    def again(self, url: str, page: int) -> Request:
        """A page of the collection at `url` by itself."""
        return self._page(Request(url, dont_filter=True), page, expected=page)

    def next(self, request: Request, response: Response | None, rows: Sequence[object] | None) -> list[Request]:
        """The pages to ask for after the one that `request` asked for; none after an empty page.

        A page that got no answer (`response` and `rows` are None) is passed over.
        """
        page, expected = request.meta["page"], request.meta["expected"]
        if rows is not None and not rows:
            return []
        if page == 1 and response is not None:
            expected = self.expected(response, expected)
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

    def expected(self, response: Response, otherwise: int = 1) -> int:
        """How many pages the `total` header speaks of; `otherwise` where it says nothing sensible."""
        total = (response.headers.get("total") or b"").decode("latin-1").strip()
        records = int(total) if total.isascii() and total.isdigit() and len(total) < 10 else 0
        return max(1, min(-(-records // self.size) or otherwise, self.limit or self.cap, self.cap))

    def _page(self, request: Request, page: int, expected: int) -> Request:
        url = add_or_replace_parameters(request.url, {self.size_parameter: str(self.size), self.parameter: str(page)})
        return request.replace(url=url, meta={"page": page, "expected": expected}, priority=0)
