"""How to get from one page to the next. Stateless, because Scrapy retries and reorders; no Django, no engine.

A pagination is an object on the spider. It answers one question, `next(...)`: which pages to ask for now that this
one has been answered. The run's Coverage remembers what has been asked for and had. A request's `meta["page"]` is its
page's number, in a chain of links its place in it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameters

from coincrawl.responses import Absent, Rows, at
from webapp.coins.addresses import origin
from webapp.coins.texts import printable, raw_json


class PagingError(ValueError):
    """Paging cannot go on from a page: the text says why, and what to do about it."""


def _check_from_one_up(pagination: object, *names: str) -> None:
    for name in names:
        value = getattr(pagination, name)
        if value is not None and value < 1:
            raise ValueError(f"{type(pagination).__name__}: {name} is {value} and must be at least 1")


@dataclass(frozen=True)
class PageNumber:
    """Pages numbered from 1 up to the first empty one.

    Where the first answer's `total` header says how many records there are, or the spider expects as many pages as
    last time, `window` pages are asked for at a time; otherwise one after the other. The end is the first empty page:
    an answer 404 in JSON behind the first page is one too.
    """

    is_numbered: ClassVar[bool] = True

    size: int  # records in a page
    limit: int | None = None  # pages, where not all are wanted
    rows: str = ""  # the path to the records in the body; empty: they are all of it
    window: int = 8  # pages in flight
    max_records: int = 250_000  # the last belt: paging that goes beyond never ends
    parameter: str = "page"
    size_parameter: str = "per_page"

    def __post_init__(self) -> None:
        _check_from_one_up(self, "size", "limit", "window", "max_records")

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
        page, expected = request.meta["page"], request.meta["expected"]
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
        """How many pages the `total` header speaks of; None where it says nothing sensible."""
        records = self._total(response)
        return min(-(-records // self.size), self.limit or self.cap, self.cap) if records else None

    def count(self, response: Response, answer: Rows) -> int | None:
        """How many records there are in all, by the API's word in the `total` header; None without one."""
        return self._total(response)

    def is_empty(self, envelope: Mapping[str, Any]) -> bool:
        """Whether a null in the place of the records means that there are none: programs in Go write it so."""
        return True

    def _total(self, response: Response) -> int | None:
        total = (response.headers.get("total") or b"").decode("latin-1").strip()
        return int(total) if total.isascii() and total.isdigit() and len(total) < 10 else None

    def _page(self, request: Request, page: int, expected: int) -> Request:
        url = add_or_replace_parameters(request.url, {self.size_parameter: str(self.size), self.parameter: str(page)})
        return request.replace(url=url, meta={"page": page, "expected": expected}, priority=0)


PARAMETER = r';\s*([^\s=;,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s";,]*)))?'
LINK = re.compile(rf"<([^<>]*)>((?:\s*{PARAMETER})*)")
ON_THE_WIRE = "".join(map(chr, range(0x21, 0x7F)))  # what a request line can have in it as it is


@dataclass(frozen=True)
class NextLink:
    """Pages of which each names the address of the next, and the last names none.

    The address is at the path `link` in the body (`next`, `links.next`, `@odata.nextLink`), or in the header `header`
    as its relation `next` (RFC 8288). It is used as it stands, and leads to the page's own origin or nowhere.
    """

    link: str = "next"
    header: str = ""  # such as Link, for an API that writes it there
    rows: str = "results"  # the path to the records in the body; empty: they are all of it
    counted: str = "count"  # the path to the number of all records, where there is one
    size: int | None = None  # records in a page, where they can be asked for
    size_parameter: str = "page_size"
    longest: int = 2_083  # characters of an address; more is not safe with all servers and proxies
    empty_in_a_row: int = 10  # pages; a chain of more has no end
    cap: int = 10_000  # pages; the last belt
    limit: ClassVar[None] = None
    is_numbered: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_from_one_up(self, "size", "longest", "empty_in_a_row", "cap")
        if not (self.link or self.header):
            raise ValueError("NextLink: link or header must say where the address of the next page is")

    def first(self, url: str, before: int = 0) -> Request:
        """The first page of the collection at `url`."""
        sized = add_or_replace_parameters(url, {self.size_parameter: str(self.size)}) if self.size else url
        return Request(sized, meta={"page": 1, "empty": 0}, dont_filter=True)

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The page that this answer names; none after the last, and none where there was no answer.

        Raises PagingError where what it names is no address that can be followed.
        """
        if response is None or answer is None:
            return []
        page = request.meta["page"]
        link = self._link(response, answer)
        if link is Absent and page == 1:
            self._check_that_it_is_all(answer)
        if link is Absent or link is None or link is False or link == "":  # 0 is none of them
            return []
        if not isinstance(link, str):
            raise PagingError(f"page {page} has {printable(raw_json(link), 50)} for its {self._where}, no address")
        empty = 0 if answer.rows else request.meta["empty"] + 1
        if empty >= self.empty_in_a_row:
            raise PagingError(f"{empty} pages in a row were empty up to page {page}, so paging ended there")
        meta = {"page": page + 1, "empty": empty, "verbatim_url": True}
        return [request.replace(url=self._resolve(link, response.url, page), meta=meta, priority=0)]

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages there are by the count, where there is one."""
        count = self._count(answer) if answer else None
        return -(-count // len(answer.rows)) if answer and answer.rows and count else None

    def again(self, url: str, page: int, address: str | None) -> Request:
        """A page that was asked for at its `address` before."""
        return Request(address or url, meta={"page": page, "empty": 0, "verbatim_url": True}, dont_filter=True)

    def is_empty(self, envelope: Mapping[str, Any]) -> bool:
        """Whether a null in the place of the records means that there are none."""
        link = at(envelope, self.link)
        return self._number(at(envelope, self.counted)) == 0 or (not self.header and (link is Absent or not link))

    def count(self, response: Response, answer: Rows) -> int | None:
        """How many records there are in all, by the API's word; None without one, PagingError for nonsense."""
        count, said = self._count(answer), at(answer.envelope, self.counted)
        if count is None and said is not Absent and said is not None:
            raise PagingError(f"the API counts {printable(raw_json(said), 50)} records, which is no number of them")
        return count

    def _count(self, answer: Rows) -> int | None:
        return self._number(at(answer.envelope, self.counted))

    @staticmethod
    def _number(said: Any) -> int | None:
        if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 10:
            return int(said)
        is_number = isinstance(said, Decimal) and said.is_finite() and 0 <= said < 10**9
        return int(said) if is_number and said == int(said) else None

    @property
    def _where(self) -> str:
        return f"{self.header} header" if self.header else f"{self.link!r}"

    def _link(self, response: Response, answer: Rows) -> Any:
        if not self.header:
            return at(answer.envelope, self.link)
        text = ", ".join(value.decode("latin-1") for value in response.headers.getlist(self.header))
        for link in LINK.finditer(text):
            given = {name.lower(): quoted or bare for name, quoted, bare in re.findall(PARAMETER, link[2])}
            if "next" in given.get("rel", "").lower().split() and "anchor" not in given:  # it is of this page, then
                return link[1]
        if LINK.sub("", text).strip(", "):
            raise PagingError(f"the {self.header} header cannot be read: {printable(text, 200)}")
        return Absent

    def _check_that_it_is_all(self, answer: Rows) -> None:
        """A first page that says nothing of a next one is all there is only where a count agrees."""
        count = self._count(answer)
        if count is None or count > len(answer.rows):
            more = f"there are {count} records by its {self.counted!r}" if count else "no count says that it is all"
            raise PagingError(f"page 1 has no {self._where}, and {more}: is the pagination's link the right one?")

    def _resolve(self, link: str, page_url: str, page: int) -> str:
        """The address that a link means, seen from its page."""
        if len(link) > self.longest:
            raise PagingError(
                f"the link on page {page} has {len(link)} characters, and no more than {self.longest} are followed: "
                "NextLink(longest=...) allows more, where the API's servers do"
            )
        said = printable(link, 200)
        if re.search(r"[\x00-\x1f\x7f]", link.strip()):
            raise PagingError(f"the link on page {page} is no address: {said}")
        try:
            url = quote(urldefrag(urljoin(page_url, link.strip())).url, safe=ON_THE_WIRE)
            parts, target, here = urlsplit(url), origin(url), origin(page_url)
        except ValueError:  # a port that is no number, a bracket without its other, half a character
            raise PagingError(f"the link on page {page} is no address: {said}") from None
        if "@" in parts.netloc:
            raise PagingError(
                f"the link on page {page} has a user or a password in it, and neither is sent: the API should leave "
                "them out"
            )
        if "***" in link:
            raise PagingError(f"the link on page {page} has the key in it, which goes into no address: {said}")
        if parts.scheme == "http" and here[0] == "https" and target[1] == here[1] and parts.port in (None, 80, here[2]):
            # A proxy in front of the API has ended TLS, and has not told it so.
            return parts._replace(scheme="https", netloc=urlsplit(page_url).netloc).geturl()
        if target != here:
            home = urlsplit(page_url)
            raise PagingError(
                f"the link on page {page} leads to another origin and is not followed: {said}. The key goes nowhere "
                "else; if it is the same API, ask it at that address, or have it build its links for "
                f"{home.scheme}://{home.netloc}"
            )
        return url
