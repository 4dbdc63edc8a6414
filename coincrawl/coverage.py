"""Which pages to ask for, and which to ask for again. Pure: answers in, requests out."""

from collections import Counter
from collections.abc import Iterable

from scrapy.http import Request, Response

from coincrawl.meta import meta_of
from coincrawl.pagination import Pagination, PagingError
from coincrawl.readings import Reading, Readings
from coincrawl.responses import Rows
from coincrawl.seen import Seen

MAX_READS = 2  # of a page that may have been cut short
MAX_PASSES = 3  # over all pages, while the source's count keeps changing
PAGES_A_CHECK = 10  # a check costs at most a tenth more requests


class Coverage(Seen):
    """The pages of one collection, in one run.

    `add` takes an answered page, `give_up` a page that failed for good. Both return the requests for the pages that
    follow. When all requests have been answered, `unproven` returns the requests that may complete the proof; it
    returns none when no further request can help.
    """

    def __init__(self, pagination: Pagination, *, is_whole: bool = True, is_incremental: bool = False) -> None:
        super().__init__(pagination, is_whole=is_whole, is_incremental=is_incremental)
        self._url = ""
        self._records_before = 0  # in the last complete run
        self._addresses: dict[int, str] = {}  # by page that was asked for
        self._numbers: dict[str, int] = {}  # pages, by address
        self._reads: Counter[int] = Counter()  # answers, by page
        self._passes = 1
        self._length = 1  # pages that are known to exist

    # The walk -------------------------------------------------------------------------------------

    def begin(self, url: str, before: int = 0) -> Request:
        """The request for the first page of the collection at `url`. The last complete run had `before` records."""
        self._url = url
        self._records_before = 0 if self.is_incremental else before
        first = self.pagination.first(url, before)
        self._note(first)
        self._length = meta_of(first).get("expected", 1)
        return first

    def add(self, request: Request, response: Response, answer: Rows, ids: Iterable[str]) -> list[Request]:
        """Take an answered page. `ids` are the usable ids of its records."""
        page = meta_of(request)["page"]
        reading = Reading.of(len(answer.rows), ids, self._read_count(response, answer))
        self.pages += 1
        if page == 1 and (expected := self.pagination.expected(response, answer)):
            self.expected = self._length = expected
        if page in self._checked and {*reading.ids} != {*self._checked[page].ids}:
            self._changed.add(page)
        self._pages.put(page, reading)
        self._reads[page] += 1
        self._broken.pop(page, None)
        self._ended_early.pop(page, None)
        if reading.is_unusable and not self.answered:  # the next pages will be like this one
            self._ended_early[page] = ""  # one doubt names all unusable pages
        elif reading.size and page >= self.pagination.max_pages != self.pagination.limit:
            self._ended_early[page] = f"paging had no end by page {page} and was stopped there"
        if not self.is_asked_again(page):
            self.records += reading.size
        return [] if self._pages.is_copied(page) else self._follow(request, response, answer) or self._check_end(page)

    def give_up(self, request: Request, words: str) -> list[Request]:
        """Take a page that failed for good; `words` say why."""
        self._broken[meta_of(request)["page"]] = words
        return self.pass_over(request)

    def pass_over(self, request: Request) -> list[Request]:
        """The requests for the pages after an unanswered one, if they are known to exist."""
        return self._follow(request, None, None)

    def is_needed(self, request: Request) -> bool:
        """Whether a request that has waited for its turn is still of use: the pages may have ended before its page."""
        meta, last = meta_of(request), self._pages.last
        if not meta.get("is_ahead") or (self._counts and meta["page"] <= (self.expected or 0)):
            return True
        is_past_end = any(last < page < meta["page"] for page in self._pages.sizes)  # it was empty, or a copy of others
        return not is_past_end or meta["page"] in self._unread()

    def drop(self, request: Request) -> None:
        """Take a page that was not requested after all. It can be requested later."""
        page = meta_of(request)["page"]
        self._numbers.pop(self._addresses.pop(page), None)

    def _follow(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The requests for the pages that follow. Each page is requested once."""
        if self._ended_early:
            return []
        page = meta_of(request)["page"]
        try:
            following = self.pagination.next(request, response, answer)
        except PagingError as error:
            self._ended_early[page] = str(error)
            return []
        if answer is not None and not following:
            self._is_end_seen = True
        new = []
        for successor in following:
            number = meta_of(successor)["page"]
            known = self._numbers.get(successor.url, number)
            if known != number:
                self._ended_early[page] = f"the link on page {page} leads back to page {known}, so paging ended there"
            elif number not in self._addresses:
                self._note(successor)
                new.append(successor)
        return new

    def _note(self, request: Request) -> None:
        page = meta_of(request)["page"]
        self._addresses[page], self._numbers[request.url] = request.url, page

    def _read_count(self, response: Response, answer: Rows) -> int | None:
        try:
            count = self.pagination.count(response, answer)
        except PagingError as error:
            self._count_fault = str(error)
            return None
        if count is not None:
            self._counts.append(count)
        return count

    # What is unproven -----------------------------------------------------------------------------

    def unproven(self) -> list[Request]:
        """The requests that may complete the proof. Call this when all earlier requests have been answered."""
        if self._is_proven_by_count():
            return []
        again = filter(self._can_ask_again, sorted({*self._short(), *self._early_end()}))
        if requests := self.repairs() or self._ask(again):
            return requests
        if not self._pages.counts_agree and not self.is_incremental and self._passes < MAX_PASSES:
            return self._start_next_pass()
        if not (self.is_incremental or self._checked or self._is_limit_reached() or self.doubts()):
            return self._check_again()
        return []

    def repairs(self) -> list[Request]:
        """The requests for pages that were skipped, and for those that a fault of the source may have damaged.

        If most pages are short, they are not asked for again: the source probably has a smaller page limit, and asking
        again would double the cost.
        """
        if self._is_proven_by_count():
            return []
        short = self._short()
        damaged = {*self._doubtful_ends(), *self._overlapping(), *self._pages.unusable()}
        damaged.update(short if self._are_few(short) else [])
        return self._ask(sorted({*self._unread(), *filter(self._can_ask_again, damaged)}))

    def is_asked_again(self, page: int) -> bool:
        """Whether the answer to this page is unusable, and the page is asked for again."""
        return self._pages[page].is_unusable and self._can_ask_again(page)

    def _is_proven_by_count(self) -> bool:
        return bool(self._pages.last) and self._matches_count() and not self._pages.unusable()

    def _doubtful_ends(self) -> list[int]:
        """The empty pages that look like the end, but may be a fault of the source."""
        expected = (self.expected or 0) if self.pagination.is_numbered else 0
        unexpected = self._pages.last + 1 if self._is_end_unexpected() else 0
        empty = (page for page, size in self._pages.sizes.items() if not size)
        return [page for page in empty if page <= expected or page == unexpected]

    def _early_end(self) -> list[int]:
        """The last page, if fewer records came than the source counts, or than the last complete run had."""
        sizes = self._pages.sizes
        end = self._pages.last if self.pagination.is_numbered else max(sizes, default=1)
        is_full = self.pagination.is_numbered and sizes.get(end, self._full_size) >= self._full_size
        is_early = self._received() < (min(self._counts) if self._counts else self._records_before)
        return [end] if is_early and not (is_full or self._broken) else []

    def _overlapping(self) -> list[int]:
        """The pages with records that are also on another page, or twice on the same page.

        If `a` moved from page 1 to page 2 and was read twice, `b` may have moved the other way and was never read.
        """
        if not self.pagination.is_numbered:
            return []
        shared = self._pages.shared()
        # If many pages overlap, the source's order is not stable. Then asking again does not help.
        are_few = len(shared) <= max(2, len(self._pages.sizes) // PAGES_A_CHECK)
        return shared if are_few else [page for page in shared if self._pages.is_copied(page)]

    def _can_ask_again(self, page: int) -> bool:
        return page in self._pages and page not in self._broken and self._reads[page] < MAX_READS

    def _check_end(self, page: int) -> list[Request]:
        """The requests that show whether a page where the end may be is empty by a fault: nothing else is left to ask.

        Faults elsewhere are repaired later, when the source may have recovered.
        """
        if not (self.pagination.is_numbered and page > self._length and self._can_ask_again(page)):
            return []
        unread = (number for number in self._unread() if number not in self._addresses)
        return self._ask([page, *unread]) if page in self._doubtful_ends() else []

    def _start_next_pass(self) -> list[Request]:
        """Ask again for the pages that were read before the count changed.

        A removed record moves all later ones up: the first record of page 3 moves to page 2, which was already read.
        """
        self._passes += 1
        if self.pagination.is_numbered:
            return self._ask(page for page in self._pages.sizes if self._pages[page].count != self._counts[-1])
        self._pages = Readings(self.answered)
        for of_this_pass in (self._addresses, self._numbers, self._reads, self._ended_early):
            of_this_pass.clear()
        self._is_end_seen = False
        return [self.begin(self._url)]

    def _check_again(self) -> list[Request]:
        """Ask again for some pages, if the source does not count its records.

        A page that was cut short, or whose records have moved, is unlikely to come twice with the same records. More
        pages get more checks. All three are made if the last complete run had more records.
        """
        last = self._pages.last
        pages = [last, (last + 1) // 2, 1]
        is_smaller = self._received() < self._records_before
        checks = len(pages) if is_smaller else last // PAGES_A_CHECK or int(self.pagination.is_single)
        self._checked = {page: self._pages[page] for page in pages[:checks] if page}
        return self._ask(self._checked)

    def _ask(self, pages: Iterable[int]) -> list[Request]:
        requests = [self.pagination.again(self._url, page, self._addresses.get(page)) for page in pages]
        for request in requests:
            self._note(request)
        return requests
