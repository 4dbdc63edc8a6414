"""What a run has seen of a source's pages, and what is still unproven. Pure: answers in, requests and doubts out.

"Complete" is a positive proof. Either the source counts its records and as many different ones came, or each page from
the first to the last was answered, none of them was cut short, and the end was seen.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby, pairwise

from scrapy.http import Request, Response

from webapp.coins.texts import counted

from .pagination import NextLink, PageNumber, PagingError
from .readings import Reading, Readings
from .responses import Rows

MAX_TIMES = 2  # that a page is asked for, where it may have been cut short
MAX_PASSES = 3  # over the pages, while the source's count keeps changing
PAGES_A_LOOK = 10  # so that looking again costs a tenth at most
MAX_NAMED = 3  # pages that a doubt names; it counts the others


class Coverage:
    """The pages of one collection, in one run.

    `add` takes an answered page, `give_up` one that will not be answered; both return the requests for the pages that
    are known to follow. When none is under way, `unproven` returns what is to be asked once more, and nothing when
    nothing more can be learnt. Then `doubts` says why the pages may not be all there are, or `proof` why they are.
    """

    def __init__(self, pagination: PageNumber | NextLink, *, counts_vary: bool = False) -> None:
        self.pagination = pagination
        self.counts_vary = counts_vary  # records may be added at any time: they are what has changed since
        self.answered: set[str] = set()  # ids in all answers
        self.expected: int | None = None  # pages, by the word of page 1
        self._url = ""
        self._before = 0  # records that an earlier run had
        self._pages = Readings()
        self._addresses: dict[int, str] = {}  # of the pages that were asked for
        self._numbers: dict[str, int] = {}  # and their numbers by address
        self._broken: dict[int, str] = {}  # pages that were not answered, and why
        self._cuts: dict[int, str] = {}  # pages behind which paging ended before its end, and why
        self._is_end_read = False  # a page that no other follows was answered
        self._counts: list[int] = []  # by the words of the answers, in their order
        self._count_fault = ""
        self._times: Counter[int] = Counter()  # by page: answers
        self._passes = 1
        self._looks: dict[int, Reading] = {}  # by page: what it has to be when it is looked at again
        self._changed: set[int] = set()  # pages that were something else then

    # The walk ------------------------------------------------------------------------------------

    def begin(self, url: str, before: int = 0) -> Request:
        """The request for the first page of the collection at `url`, which had so many records `before`."""
        self._url = url
        self._before = 0 if self.counts_vary else before
        first = self.pagination.first(url, before)
        self._note(first)
        return first

    def add(self, request: Request, response: Response, answer: Rows, ids: Iterable[str]) -> list[Request]:
        """Take an answered page; `ids` are those of its records that have a usable one."""
        page = request.meta["page"]
        reading = Reading.of(len(answer.rows), ids, self._read_count(response, answer))
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
        return [] if self._pages.is_copied(page) else self._follow(request, response, answer)

    def give_up(self, request: Request, words: str) -> list[Request]:
        """Take a page that will not be answered; `words` say why."""
        self._broken[request.meta["page"]] = words
        return self.pass_over(request)

    def pass_over(self, request: Request) -> list[Request]:
        """The requests for the pages after one that has no answer yet, as far as they are known to be there."""
        return self._follow(request, None, None)

    def _follow(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The requests for the pages that follow, each once."""
        if self._cuts:
            return []
        page = request.meta["page"]
        try:
            following = self.pagination.next(request, response, answer)
        except PagingError as error:
            self._cuts[page] = str(error)
            return []
        if answer is not None and not following:
            self._is_end_read = True
        news = []
        for successor in following:
            number = successor.meta["page"]
            known = self._numbers.get(successor.url, number)
            if known != number:
                self._cuts[page] = f"the link on page {page} leads back to page {known}, so paging ended there"
            elif number not in self._addresses:
                self._note(successor)
                news.append(successor)
        return news

    def _note(self, request: Request) -> None:
        self._addresses[request.meta["page"]] = request.url
        self._numbers[request.url] = request.meta["page"]

    def _read_count(self, response: Response, answer: Rows) -> int | None:
        try:
            count = self.pagination.count(response, answer)
        except PagingError as error:
            self._count_fault = str(error)
            return None
        if count is not None:
            self._counts.append(count)
        return count

    # What is unproven ----------------------------------------------------------------------------

    def unproven(self) -> list[Request]:
        """The requests that may prove more, to be made when all before have been answered."""
        if self._is_proven_by_count():
            return []
        if requests := self.lapsed() or self._ask(filter(self._may_be_asked_again, self._early_end())):
            return requests
        if not self._pages.are_counted_alike and not self.counts_vary and self._passes < MAX_PASSES:
            return self._pass_again()
        if not (self.counts_vary or self._looks or self._is_full() or self.doubts()):
            return self._look_again()
        return []

    def lapsed(self) -> list[Request]:
        """The requests for pages that were passed over, or that a lapse of the source may have damaged."""
        if self._is_proven_by_count():
            return []
        short = self._short()
        damaged = {*self._empty_ends(), *self._doubled(), *self._pages.junk(), *(short if self._are_few(short) else [])}
        return self._ask(sorted({*self._unread(), *filter(self._may_be_asked_again, damaged)}))

    def _is_proven_by_count(self) -> bool:
        return bool(self._pages.last) and self._is_counted() and not self._pages.junk()

    def is_to_come_again(self, page: int) -> bool:
        """Whether this page, which was just answered, is of no use as it is: it is asked for once more."""
        return self._pages[page].is_junk and self._may_be_asked_again(page)

    def _unread(self) -> list[int]:
        """The pages up to the end that have no answer: paging was cut short before them.

        The end is the page behind the last. Where that is empty and the last is full, and nothing says that it is the
        last, the end is a page later: one empty page may be a fault of the source.
        """
        if not self.pagination.is_numbered:
            return []
        end = self._pages.last
        if not self._cuts:
            end += 2 if end and end + 1 in self._pages and self._is_sudden() else 1
        end = min(end, self.pagination.limit or end, self.pagination.cap)
        return [page for page in range(1, end + 1) if page not in self._pages and page not in self._broken]

    def _short(self) -> list[int]:
        """The pages before the last that have fewer records than were asked for, or in a chain than others."""
        last = self._pages.last
        short = [page for page, size in self._pages.sizes.items() if page < last and size < self._full]
        return short if self.pagination.is_numbered or self._are_few(short) else []

    def _are_few(self, short: Collection[int]) -> bool:
        """Whether most pages before the last are not among these: else the source makes its pages of such sizes."""
        return len(short) <= max(1, sum(page < self._pages.last for page in self._pages.sizes) / 2)

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

    def _is_sudden(self) -> bool:
        """Whether the last page came full, and nothing says that it is the last.

        Of a chain only the first page is expected to have records.
        """
        last = self._pages.last
        if not self.pagination.is_numbered:
            return not (last or self.counts_vary)
        return last != self.expected and self._pages.sizes.get(last, self._full) >= self._full

    @property
    def _full(self) -> int:
        """The records of a page that was not cut short."""
        if self.pagination.is_numbered:
            return self.pagination.size or 0
        return max(self._pages.sizes.values(), default=0)

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
        looks = len(pages) if self._came() < self._before else last // PAGES_A_LOOK
        self._looks = {page: self._pages[page] for page in pages[:looks] if page}
        return self._ask(self._looks)

    def _ask(self, pages: Iterable[int]) -> list[Request]:
        requests = [self.pagination.again(self._url, page, self._addresses.get(page)) for page in pages]
        for request in requests:
            self._note(request)
        return requests

    # What is proven ------------------------------------------------------------------------------

    @property
    def nameless(self) -> int:
        """Records without a usable id, on the pages as they were answered last."""
        return self._pages.nameless

    @property
    def count(self) -> int | None:
        """How many records the source has, by its last word; None where it does not count them."""
        return self._counts[-1] if self._counts else None

    @property
    def least(self) -> int:
        """How many records a source of numbered pages must have: those before the last as many as the largest."""
        sizes, last = self._pages.sizes, self._pages.last
        return (last - 1) * min(max(sizes.values()), self._full) + sizes[last] if last else 0

    @property
    def is_sound(self) -> bool:
        """Whether no page was broken, cut short or in the place of another."""
        return not (self._broken or self._oddities())

    def doubts(self) -> list[str]:
        """Why the pages that came may not be all there are; empty where they are proven to be."""
        doubts = [*self._words_about_broken(), *filter(None, [self._count_fault])]
        if self._is_counted():
            return [*doubts, *self._words_about_junk()]
        doubts += self._oddities()
        if not self._count_fault and (not self._pages.are_counted_alike or (self._counts and not self._is_full())):
            doubts.append(self._miscount())
        if changed := sorted(self._changed):
            doubts.append(f"{_pages(changed)} had other records when asked for again, and no count says how many")
        if not doubts and (twice := self._pages.surplus):
            doubts.append(f"{counted(twice, 'record')} came twice, so others may be missing")
        if not (doubts or self._is_end_read):
            doubts.append("the end of the pages was not seen")
        return doubts

    def notes(self) -> list[str]:
        """What was odd, although nothing is missing by the count."""
        return self._oddities() if self._is_counted() and not self._pages.junk() else []

    def _oddities(self) -> list[str]:
        """What ended the paging, and which pages lack records."""
        words = [*self._words_about_junk(), *[*filter(None, self._cuts.values())][:1]]
        if repeated := self._pages.repeated():
            words.append(f"page {min(repeated)} brought nothing new")
        return [*words, *self._gaps()]

    def proof(self) -> str:
        """What proves that these are all records; of use where there are no doubts."""
        last, limit = self._pages.last, self.pagination.limit
        if self._is_full():
            return "the page that was asked for came full" if limit == 1 else f"each of the {limit} pages came full"
        if self._is_counted():
            first, latest = self._counts[0], self._counts[-1]
            if self.counts_vary and first < latest:
                return (
                    f"the API counted {first:,} to {latest:,} records while they were read, and {self._came():,} came"
                )
            return f"the API counts {latest:,} records, and as many different ones came"
        if self.pagination.is_numbered:
            ended = f"{counted(last, 'page')} came, all full but the last, and no page follows"
        else:
            ended = f"{counted(last, 'page')} came, each linked to the next, and the last to none"
        looked = f"; {_pages(sorted(self._looks))} had the same records when asked for again" if self._looks else ""
        return f"{ended}, though no count says how many records there are{looked}"

    def _words_about_broken(self) -> Iterator[str]:
        for page in sorted(self._broken)[:MAX_NAMED]:
            yield self._broken[page]
        if (others := len(self._broken) - MAX_NAMED) > 0:
            yield f"{counted(others, 'more page')} stayed broken"

    def _words_about_junk(self) -> Iterator[str]:
        if junk := sorted(self._pages.junk()):
            yield f"{_pages(junk)} had no record with an id that a coin can be stored under: is `names` right?"

    def _gaps(self) -> Iterator[str]:
        """In words, the pages that lack records."""
        last, sizes = self._pages.last, self._pages.sizes
        if empty := sorted(page for page, size in sizes.items() if not size and page < last):
            yield f"{_pages(empty)} {'were' if len(empty) > 1 else 'was'} empty and page {last} was not"
        if short := sorted(page for page in self._short() if sizes[page]):
            least, most = min(sizes[page] for page in short), max(sizes[page] for page in short)
            had = f"{least}" if least == most else f"{least} to {most}"
            whose = "were asked for" if self.pagination.is_numbered else "were on others"
            yield f"{_pages(short)} had {had} records, and {self._full} {whose}"
        if unread := self._unread():
            yield f"{_pages(unread)} {'were' if len(unread) > 1 else 'was'} not read"

    def _is_full(self) -> bool:
        """Whether a number of pages was wanted and each came full: no end is claimed then."""
        limit, sizes = self.pagination.limit or 0, self._pages.sizes
        return bool(limit) and all(sizes.get(page, 0) >= self._full for page in range(1, limit + 1))

    def _is_counted(self) -> bool:
        """Whether the source counts its records, always alike, and as many different ones came."""
        if not self._counts or self._count_fault:
            return False
        if self.counts_vary:
            is_growing = all(before <= after for before, after in pairwise(self._counts))
            return is_growing and self._counts[0] <= self._came() <= self._counts[-1] and not self._short()
        return self._pages.are_counted_alike and self._came() == self._wanted()

    def _came(self) -> int:
        """Different records on the pages as they were answered last; in all answers where their number may grow."""
        return len(self.answered if self.counts_vary else self._pages.ids) + self.nameless

    def _wanted(self) -> int:
        """Of the records that the source counts, those that were asked for."""
        most = (self.pagination.limit or 0) * (self.pagination.size or 0)
        return min(self._counts[-1], most) if most else self._counts[-1]

    def _miscount(self) -> str:
        words = [f"{count:,}" for count, _ in groupby(self._counts)]
        if len(words) > 1:
            said = ", then ".join([*words[:MAX_NAMED], "..."] if len(words) > MAX_NAMED else words)
            return f"the API counted {said} records while its pages were read: others may have been passed over"
        records = counted(self._counts[-1], "record")
        return f"the API counts {records}, and its pages had {self._came():,} different ones"


def _pages(numbers: Collection[int]) -> str:
    """A few pages in words: "page 3", "pages 3, 11, 19 and 4 more"."""
    named = [str(number) for number in list(numbers)[:MAX_NAMED]]
    *before, last = [*named, f"{len(numbers) - MAX_NAMED} more"] if len(numbers) > MAX_NAMED else named
    return f"pages {', '.join(before)} and {last}" if before else f"page {last}"
