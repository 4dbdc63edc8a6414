"""Pages that name the next one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from scrapy.http import Request, Response
from w3lib.url import add_or_replace_parameters

from coincrawl.meta import meta_of
from coincrawl.pagination.base import PagingError, check_from_one_up, count_in, whole_number
from coincrawl.paths import Absent, at
from coincrawl.responses import Rows
from webapp.coins.texts import printable, raw_json
from webapp.crawls.addresses import origin

PARAMETER = r';\s*([^\s=;,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s";,]*)))?'
LINK = re.compile(rf"<([^<>]*)>((?:\s*{PARAMETER})*)")
ON_THE_WIRE = "".join(map(chr, range(0x21, 0x7F)))  # characters that a request line can have unescaped


@dataclass(frozen=True)
class NextLink:
    """A chain of pages. Each one names the next; the last one names none.

    The address of the next page is at the path `link` in the body (`next`, `links.next`, `@odata.nextLink`), or in the
    header `header` with the relation `next` (RFC 8288). It is used unchanged, and only if it has the origin of its
    page. If the API sends a token instead, it is at the path `token`, and is sent back as the `parameter`.
    """

    link: str = "next"
    header: str = ""  # such as Link
    token: str = ""  # such as meta.next_token
    parameter: str = "cursor"  # the query parameter for the token
    rows: str = "results"  # path to the records in the body; empty if they are the whole body
    counted: str = "count"  # path to the number of all records, if there is one
    size: int | None = None  # records in a page, if requests can set it
    size_parameter: str = "page_size"
    max_length: int = 2_083  # characters of an address; not all servers and proxies accept more
    max_empty: int = 10  # empty pages in a row
    max_pages: int = 10_000
    limit: ClassVar[None] = None
    is_numbered: ClassVar[bool] = False
    is_single: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_from_one_up(self, "size", "max_length", "max_empty", "max_pages")
        if not (self.link or self.header or self.token) or (self.token and not self.parameter):
            raise ValueError("NextLink: link, header, or token and parameter must say where the next page is")

    def first(self, url: str, before: int = 0) -> Request:
        is_sized = self.size and self.size_parameter
        sized = add_or_replace_parameters(url, {self.size_parameter: str(self.size)}) if is_sized else url
        return Request(sized, meta={"page": 1, "empty": 0}, dont_filter=True)

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The request for the page that this answer names; none after the last page, and none without an answer.

        Raises PagingError if the address cannot be followed.
        """
        if response is None or answer is None:
            return []
        page = meta_of(request)["page"]
        link = self._link(response, answer)
        if link is Absent and page == 1:
            self._check_only_page(answer)
        if self._is_none(link):
            return []
        empty = 0 if answer.rows else meta_of(request)["empty"] + 1
        if empty >= self.max_empty:
            raise PagingError(f"{empty} pages in a row were empty up to page {page}, so paging ended there")
        meta = {"page": page + 1, "empty": empty, "verbatim_url": True}
        return [request.replace(url=self._address(link, request, response, page), meta=meta, priority=0)]

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages there are by the count; None without a count."""
        count = self._number_of_all(answer.envelope) if answer else None
        return -(-count // len(answer.rows)) if answer and answer.rows and count else None

    def again(self, url: str, page: int, address: str | None) -> Request:
        """The request for a page that was requested before, at its `address`."""
        return Request(address or url, meta={"page": page, "empty": 0, "verbatim_url": True}, dont_filter=True)

    def is_empty(self, envelope: Mapping[str, Any]) -> bool:
        """Whether a null instead of the list means that there are no records."""
        is_last = not self.header and self._is_none(self._in_body(envelope))
        return is_last or self._number_of_all(envelope) == 0

    def count(self, response: Response, answer: Rows) -> int | None:
        """How many records the source has by its own count; None without one. Raises PagingError if it is invalid."""
        return count_in(answer, self.counted)

    def _number_of_all(self, envelope: Mapping[str, Any]) -> int | None:
        """The same, but None if the count is invalid."""
        return whole_number(at(envelope, self.counted))

    @property
    def _where(self) -> str:
        return f"{self.header} header" if self.header else repr(self.token or self.link)

    def _link(self, response: Response, answer: Rows) -> Any:
        """The address or token of the next page, as it was sent: it may be neither."""
        if self.token or not self.header:
            return self._in_body(answer.envelope)
        text = ", ".join(value.decode("latin-1") for value in response.headers.getlist(self.header))
        for link in LINK.finditer(text):
            given = {name.lower(): quoted or bare for name, quoted, bare in re.findall(PARAMETER, link[2])}
            # A link with an anchor is one of another page.
            if "next" in given.get("rel", "").lower().split() and "anchor" not in given:
                return link[1]
        if LINK.sub("", text).strip(", "):
            raise PagingError(f"the {self.header} header cannot be read: {printable(text, 200)}")
        return Absent

    def _in_body(self, envelope: Mapping[str, Any]) -> Any:
        named = at(envelope, self.token or self.link)
        return named.get("href", named) if isinstance(named, dict) else named  # a link of JSON:API may be an object

    def _is_none(self, named: Any) -> bool:
        """Whether this value means that there is no next page."""
        is_nothing = named is Absent or named is None or named is False or named == ""
        return is_nothing or (bool(self.token) and named in (0, "0"))

    def _check_only_page(self, answer: Rows) -> None:
        """Raises PagingError if page 1 names no next page, and no count says that it has all records."""
        count = self._number_of_all(answer.envelope)
        if count is None or count > len(answer.rows):
            more = f"there are {count} records by its {self.counted!r}" if count else "no count says that it is all"
            raise PagingError(f"page 1 has no {self._where}, and {more}: is the pagination's link the right one?")

    def _address(self, link: Any, request: Request, response: Response, page: int) -> str:
        is_number = isinstance(link, Decimal) and link.is_finite() and link == int(link)
        if not (isinstance(link, str) or (self.token and is_number)):
            kind, value = "a token" if self.token else "an address", printable(raw_json(link), 50)
            raise PagingError(f"page {page} has {value} as its {self._where}, which is not {kind}")
        if not self.token:
            return self._resolve(link, response.url, page)
        return self._with_token(link if isinstance(link, str) else str(int(link)), request.url, page)

    def _with_token(self, token: str, page_url: str, page: int) -> str:
        try:
            url = add_or_replace_parameters(page_url, {self.parameter: token})
        except UnicodeEncodeError:  # half of a surrogate pair
            raise PagingError(f"the token on page {page} cannot be sent: {printable(token, 200)}") from None
        if len(url) > self.max_length:
            raise PagingError(
                f"with the token on page {page} the address has {len(url)} characters: max_length= allows more"
            )
        if "***" in token:
            raise PagingError(f"the token on page {page} has the key in it, which is never part of an address")
        return url

    def _resolve(self, link: str, page_url: str, page: int) -> str:
        """The absolute address of a link. Raises PagingError if it must not be followed."""
        if len(link) > self.max_length:
            raise PagingError(
                f"the link on page {page} has {len(link)} characters, and no more than {self.max_length} are followed: "
                "NextLink(max_length=...) allows more, if the API's servers do"
            )
        said = printable(link, 200)
        if re.search(r"[\x00-\x1f\x7f]", link.strip()):
            raise PagingError(f"the link on page {page} is not an address: {said}")
        try:
            url = quote(urldefrag(urljoin(page_url, link.strip())).url, safe=ON_THE_WIRE)
            parts, target, here = urlsplit(url), origin(url), origin(page_url)
        except ValueError:  # an invalid port, an unmatched bracket, half of a surrogate pair
            raise PagingError(f"the link on page {page} is not an address: {said}") from None
        if "@" in parts.netloc:
            raise PagingError(
                f"the link on page {page} has a user or a password in it, and is not followed: the API should leave "
                "them out"
            )
        if "***" in link:
            raise PagingError(f"the link on page {page} has the key in it, which is never part of an address: {said}")
        if parts.scheme == "http" and here[0] == "https" and target[1] == here[1] and parts.port in (None, 80, here[2]):
            # A proxy in front of the API ends TLS, so the API does not know that its address begins with https.
            return parts._replace(scheme="https", netloc=urlsplit(page_url).netloc).geturl()
        if target != here:
            home = urlsplit(page_url)
            raise PagingError(
                f"the link on page {page} leads to another origin and is not followed: {said}. The key is sent to its "
                "own source only. If it is the same API, use that address, or make the API build its links for "
                f"{home.scheme}://{home.netloc}"
            )
        return url


@dataclass(frozen=True)
class OnePage(NextLink):
    """All records in one answer. It is read twice, because a list that was cut short would differ the second time."""

    rows: str = ""
    is_single: ClassVar[bool] = True

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        return []
