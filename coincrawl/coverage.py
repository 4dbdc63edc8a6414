"""Which pages to ask for, and which once more. Pure: answers in, requests out."""

from collections import Counter
from collections.abc import Iterable

from scrapy.http import Request, Response

from coincrawl.meta import meta_of
from coincrawl.pagination import Pagination, PagingError
from coincrawl.readings import Reading, Readings
from coincrawl.responses import Rows
from coincrawl.seen import Seen

MAX_TIMES = 2  # that a page is asked for, where it may have been cut short
MAX_PASSES = 3  # over the pages, while the source's count keeps changing
PAGES_A_LOOK = 10  # so that looking again costs a tenth at most


class Coverage(Seen):
    """The pages of one collection, in one run.

    `add` takes an answered page, `give_up` one that will not be answered; both return the requests for the pages that
    are known to follow. When none is under way, `unproven` returns what is to be asked once more, and nothing when
    nothing more can be learnt.
    """

    def __init__(self, pagination: Pagination, *, is_whole: bool = True, is_incremental: bool = False) -> None:
        super().__init__(pagination, is_whole=is_whole, is_incremental=is_incremental)
        self._url = ""
        self._before = 0  # records that an earlier run had
        self._addresses: dict[int, str] = {}  # of the pages that were asked for
        self._numbers: dict[str, int] = {}  # and their numbers by address
        self._times: Counter[int] = Counter()  # by page: answers
        self._passes = 1

    # The walk -------------------------------------------------------------------------------------

    def begin(self, url: str, before: int = 0) -> Request:
        """The request for the first page of the collection at `url`, which had so many records `before`."""
        self._url = url
        self._before = 0 if self.is_incremental else before
        first = self.pagination.first(url, before)
        self._note(first)
        return first

    def add(self, request: Request, response: Response, answer: Rows, ids: Iterable[str]) -> list[Request]:
        """Take an answered page; `ids` are those of its records that have a usable one."""
        page = meta_of(request)["page"]
        reading = Reading.of(len(answer.rows), ids, self._read_count(response, answer))
        self.pages += 1
        if page == 1 and (expected := self.pagination.expected(response, answer)):
            self.expected = expected
        if page in self._looks and reading.ids != self._looks[page].ids:
            self._changed.add(page)
        self.answered |= reading.ids
        self._pages.put(page, reading)
        self._times[page] += 1
        self._broken.pop(page, None)
        self._cuts.pop(page, None)
        if reading.is_junk and not self.answered:  # so it will be with all others
            self._cuts[page] = ""  # what there is to say is said of all such pages together
        elif reading.size and page >= self.pagination.cap != self.pagination.limit:
            self._cuts[page] = f"paging had no end at page {page}, and is cut there"
        if not self.is_to_come_again(page):
            self.records += reading.size
        return [] if self._pages.is_copied(page) else self._follow(request, response, answer)

    def give_up(self, request: Request, words: str) -> list[Request]:
        """Take a page that will not be answered; `words` say why."""
        self._broken[meta_of(request)["page"]] = words
        return self.pass_over(request)

    def pass_over(self, request: Request) -> list[Request]:
        """The requests for the pages after one that has no answer yet, as far as they are known to be there."""
        return self._follow(request, None, None)

    def _follow(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The requests for the pages that follow, each once."""
        if self._cuts:
            return []
        page = meta_of(request)["page"]
        try:
            following = self.pagination.next(request, response, answer)
        except PagingError as error:
            self._cuts[page] = str(error)
            return []
        if answer is not None and not following:
            self._is_end_read = True
        news = []
        for successor in following:
            number = meta_of(successor)["page"]
            known = self._numbers.get(successor.url, number)
            if known != number:
                self._cuts[page] = f"the link on page {page} leads back to page {known}, so paging ended there"
            elif number not in self._addresses:
                self._note(successor)
                news.append(successor)
        return news

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
        """The requests that may prove more, to be made when all before have been answered."""
        if self._is_proven_by_count():
            return []
        once_more = filter(self._may_be_asked_again, sorted({*self._short(), *self._early_end()}))
        if requests := self.lapsed() or self._ask(once_more):
            return requests
        if not self._pages.are_counted_alike and not self.is_incremental and self._passes < MAX_PASSES:
            return self._pass_again()
        if not (self.is_incremental or self._looks or self._is_full() or self.doubts()):
            return self._look_again()
        return []

    def lapsed(self) -> list[Request]:
        """The requests for pages that were passed over, or that a lapse of the source may have damaged.

        Where most pages are short, the source has perhaps a smaller limit, and asking again would double the cost.
        """
        if self._is_proven_by_count():
            return []
        short = self._short()
        damaged = {*self._empty_ends(), *self._doubled(), *self._pages.junk(), *(short if self._are_few(short) else [])}
        return self._ask(sorted({*self._unread(), *filter(self._may_be_asked_again, damaged)}))

    def is_to_come_again(self, page: int) -> bool:
        """Whether this page, which was just answered, is of no use as it is: it is asked for once more."""
        return self._pages[page].is_junk and self._may_be_asked_again(page)

    def _is_proven_by_count(self) -> bool:
        return bool(self._pages.last) and self._is_counted() and not self._pages.junk()

    def _empty_ends(self) -> list[int]:
        """The empty pages that look like the end, and may be a fault of the source instead."""
        expected = (self.expected or 0) if self.pagination.is_numbered else 0
        sudden = self._pages.last + 1 if self._is_sudden() else 0
        return [page for page, size in self._pages.sizes.items() if not size and (page <= expected or page == sudden)]

    def _early_end(self) -> list[int]:
        """The last page, where fewer records came than are counted, or than an earlier run had."""
        sizes = self._pages.sizes
        end = self._pages.last if self.pagination.is_numbered else max(sizes, default=1)
        is_full = self.pagination.is_numbered and sizes.get(end, self._full) >= self._full
        is_early = self._came() < (min(self._counts) if self._counts else self._before)
        return [end] if is_early and not (is_full or self._broken) else []

    def _doubled(self) -> list[int]:
        """The pages with records that are on another page too, or twice on one: others may stand nowhere."""
        if not self.pagination.is_numbered:
            return []
        shared = self._pages.shared()
        # Where many pages have some, the order is not stable, and asking again is of no use.
        is_odd = len(shared) <= max(2, len(self._pages.sizes) // PAGES_A_LOOK)
        return shared if is_odd else [page for page in shared if self._pages.is_copied(page)]

    def _may_be_asked_again(self, page: int) -> bool:
        return page in self._pages and page not in self._broken and self._times[page] < MAX_TIMES

    def _pass_again(self) -> list[Request]:
        """Once more, the pages that were read before the count changed: what went drew others onto them."""
        self._passes += 1
        if self.pagination.is_numbered:
            return self._ask(page for page in self._pages.sizes if self._pages[page].count != self._counts[-1])
        self._pages = Readings()
        for of_this_pass in (self._addresses, self._numbers, self._times, self._cuts):
            of_this_pass.clear()
        self._is_end_read = False
        return [self.begin(self._url)]

    def _look_again(self) -> list[Request]:
        """Where nothing counts the records: a page that was cut short, or moved, would not come twice alike.

        The more pages there are, the more looks; and as many as make sense where an earlier run had more records.
        """
        last = self._pages.last
        pages = [last, (last + 1) // 2, 1]
        looks = len(pages) if self._came() < self._before else last // PAGES_A_LOOK or int(self.pagination.is_single)
        self._looks = {page: self._pages[page] for page in pages[:looks] if page}
        return self._ask(self._looks)

    def _ask(self, pages: Iterable[int]) -> list[Request]:
        requests = [self.pagination.again(self._url, page, self._addresses.get(page)) for page in pages]
        for request in requests:
            self._note(request)
        return requests
