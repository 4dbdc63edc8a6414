"""Pages of which each says where the next one is."""

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
ON_THE_WIRE = "".join(map(chr, range(0x21, 0x7F)))  # what a request line can have in it as it is


@dataclass(frozen=True)
class NextLink:
    """Pages of which each names the next, and the last names none.

    Its address is at the path `link` in the body (`next`, `links.next`, `@odata.nextLink`), or in the header `header`
    as its relation `next` (RFC 8288). It is used as it stands, and leads to the page's own origin or nowhere. Where
    there is no address but a token, that is at the path `token`, and asks for the next page as the `parameter`.
    """

    link: str = "next"
    header: str = ""  # such as Link, for an API that writes it there
    token: str = ""  # such as meta.next_token, for an API that has no addresses
    parameter: str = "cursor"  # that the token is sent as
    rows: str = "results"  # the path to the records in the body; empty: they are all of it
    counted: str = "count"  # the path to the number of all records, where there is one
    size: int | None = None  # records in a page, where they can be asked for
    size_parameter: str = "page_size"
    longest: int = 2_083  # characters of an address; more is not safe with all servers and proxies
    empty_in_a_row: int = 10  # pages; a chain of more has no end
    cap: int = 10_000  # pages; the last belt
    limit: ClassVar[None] = None
    is_numbered: ClassVar[bool] = False
    is_single: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_from_one_up(self, "size", "longest", "empty_in_a_row", "cap")
        if not (self.link or self.header or self.token) or (self.token and not self.parameter):
            raise ValueError("NextLink: link, header, or token and parameter must say where the next page is")

    def first(self, url: str, before: int = 0) -> Request:
        """The first page of the collection at `url`."""
        is_sized = self.size and self.size_parameter
        sized = add_or_replace_parameters(url, {self.size_parameter: str(self.size)}) if is_sized else url
        return Request(sized, meta={"page": 1, "empty": 0}, dont_filter=True)

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The page that this answer names; none after the last, and none where there was no answer.

        Raises PagingError where what it names is no address that can be followed.
        """
        if response is None or answer is None:
            return []
        page = meta_of(request)["page"]
        link = self._link(response, answer)
        if link is Absent and page == 1:
            self._check_that_it_is_all(answer)
        if self._is_none(link):
            return []
        empty = 0 if answer.rows else meta_of(request)["empty"] + 1
        if empty >= self.empty_in_a_row:
            raise PagingError(f"{empty} pages in a row were empty up to page {page}, so paging ended there")
        meta = {"page": page + 1, "empty": empty, "verbatim_url": True}
        return [request.replace(url=self._address(link, request, response, page), meta=meta, priority=0)]

    def expected(self, response: Response, answer: Rows | None) -> int | None:
        """How many pages there are by the count, where there is one."""
        count = self._number_of_all(answer.envelope) if answer else None
        return -(-count // len(answer.rows)) if answer and answer.rows and count else None

    def again(self, url: str, page: int, address: str | None) -> Request:
        """A page that was asked for at its `address` before."""
        return Request(address or url, meta={"page": page, "empty": 0, "verbatim_url": True}, dont_filter=True)

    def is_empty(self, envelope: Mapping[str, Any]) -> bool:
        """Whether a null in the place of the records means that there are none."""
        is_last = not self.header and self._is_none(self._in_body(envelope))
        return is_last or self._number_of_all(envelope) == 0

    def count(self, response: Response, answer: Rows) -> int | None:
        """How many records there are in all, by the API's word; None without one, PagingError for nonsense."""
        return count_in(answer, self.counted)

    def _number_of_all(self, envelope: Mapping[str, Any]) -> int | None:
        """The same, where nonsense is of no interest."""
        return whole_number(at(envelope, self.counted))

    @property
    def _where(self) -> str:
        return f"{self.header} header" if self.header else repr(self.token or self.link)

    def _link(self, response: Response, answer: Rows) -> Any:
        """What names the next page: an address, a token, or something that is neither."""
        if self.token or not self.header:
            return self._in_body(answer.envelope)
        text = ", ".join(value.decode("latin-1") for value in response.headers.getlist(self.header))
        for link in LINK.finditer(text):
            given = {name.lower(): quoted or bare for name, quoted, bare in re.findall(PARAMETER, link[2])}
            if "next" in given.get("rel", "").lower().split() and "anchor" not in given:  # it is of this page, then
                return link[1]
        if LINK.sub("", text).strip(", "):
            raise PagingError(f"the {self.header} header cannot be read: {printable(text, 200)}")
        return Absent

    def _in_body(self, envelope: Mapping[str, Any]) -> Any:
        named = at(envelope, self.token or self.link)
        return named.get("href", named) if isinstance(named, dict) else named  # as JSON:API may write a link

    def _is_none(self, named: Any) -> bool:
        """Whether this is how APIs say that there is no next page."""
        is_nothing = named is Absent or named is None or named is False or named == ""
        return is_nothing or (bool(self.token) and named in (0, "0"))

    def _check_that_it_is_all(self, answer: Rows) -> None:
        """A first page that says nothing of a next one is all there is only where a count agrees."""
        count = self._number_of_all(answer.envelope)
        if count is None or count > len(answer.rows):
            more = f"there are {count} records by its {self.counted!r}" if count else "no count says that it is all"
            raise PagingError(f"page 1 has no {self._where}, and {more}: is the pagination's link the right one?")

    def _address(self, link: Any, request: Request, response: Response, page: int) -> str:
        """The address of the page that is named so."""
        is_number = isinstance(link, Decimal) and link.is_finite() and link == int(link)
        if not (isinstance(link, str) or (self.token and is_number)):
            kind = "token" if self.token else "address"
            raise PagingError(f"page {page} has {printable(raw_json(link), 50)} for its {self._where}, no {kind}")
        if not self.token:
            return self._resolve(link, response.url, page)
        return self._with_token(link if isinstance(link, str) else str(int(link)), request.url, page)

    def _with_token(self, token: str, page_url: str, page: int) -> str:
        """The address of the next page, by the page's own and the token."""
        try:
            url = add_or_replace_parameters(page_url, {self.parameter: token})
        except UnicodeEncodeError:  # half a character
            raise PagingError(f"the token on page {page} cannot be sent: {printable(token, 200)}") from None
        if len(url) > self.longest:
            raise PagingError(
                f"with the token on page {page} the address has {len(url)} characters: longest= allows more"
            )
        if "***" in token:
            raise PagingError(f"the token on page {page} has the key in it, which goes into no address")
        return url

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


@dataclass(frozen=True)
class OnePage(NextLink):
    """All records in one answer, which names no next one. It is read twice: a list that was cut short would differ."""

    rows: str = ""
    is_single: ClassVar[bool] = True

    def next(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        return []
