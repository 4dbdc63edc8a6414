"""What a run has seen of a source's pages, and what is still unproven. Pure: answers in, requests and doubts out.

"Complete" is a positive proof. Either the source counts its records and as many different ones came, or each page from
the first to the last was answered, none of them was cut short, and the end was seen.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from scrapy.http import Request, Response

from .pagination import NextLink, PageNumber, PagingError
from .responses import Rows

MAX_TIMES = 2  # that a page is asked for, where it may have been cut short
MAX_PASSES = 3  # over the pages, while the source's count keeps changing
PAGES_A_LOOK = 10  # so that looking again costs a tenth at most
MAX_NAMED = 3  # pages that a doubt names; it counts the others


@dataclass(frozen=True)
class Reading:
    """A page as it was answered last."""

    ids: frozenset[str]  # of its records that have one
    size: int  # all its records
    nameless: int  # its records without a usable id
    twice: int  # its records whose id another one has
    count: int | None  # of all records of the source, by the word of this answer


class Coverage:
    """The pages of one collection, in one run.

    `add` takes an answered page, `give_up` one that will not be answered; both return the requests for the pages that
    are known to follow. When none is under way, `unproven` returns what is to be asked once more, and nothing when
    nothing more can be learnt. Then `doubts` says why the pages may not be all there are, or `proof` why they are.
    """

    def __init__(self, pagination: PageNumber | NextLink, *, counts_vary: bool = False) -> None:
        self.pagination = pagination
        self.counts_vary = counts_vary  # records may be added at any time: they are what has changed since
        self.answered: set[str] = set()  # ids on all pages
        self.expected: int | None = None  # pages, by the first answer
        self._url = ""
        self._readings: dict[int, Reading] = {}
        self._addresses: dict[int, str] = {}  # of the pages that were asked for
        self._numbers: dict[str, int] = {}  # and their numbers by address
        self._broken: dict[int, str] = {}  # pages that were not answered, and why
        self._had: Counter[str] = Counter()  # by id: the pages that have it, as they were answered last
        self._cut = ""  # why paging ended before its end: nothing is missing where a count agrees
        self._junk = 0  # the page that ended it because its records have no id; it may be asked for again
        self._is_chain_read = False  # a page without a next one was answered
        self._counts: list[int] = []  # by the words of the answers, in their order
        self._count_fault = ""
        self._times: Counter[int] = Counter()  # by page: answers
        self._passes = 1
        self._looks: dict[int, Reading] = {}  # by page: what it has to be when it is looked at again
        self._changed: list[int] = []  # pages that were something else then

    # The walk ------------------------------------------------------------------------------------

    def begin(self, url: str, before: int = 0) -> Request:
        """The request for the first page of the collection at `url`, which had so many records `before`."""
        self._url = url
        first = self.pagination.first(url, before)
        self._note(first)
        return first

    def add(self, request: Request, response: Response, answer: Rows, ids: Iterable[str]) -> list[Request]:
        """Take an answered page, of whose records some have these usable `ids`, one for each of them."""
        page, size, ids = request.meta["page"], len(answer.rows), list(ids)
        different = frozenset(ids)
        count = self._count(response, answer)
        reading = Reading(different, size, size - len(ids), len(ids) - len(different), count)
        if page == 1 and (expected := self.pagination.expected(response, answer)):
            self.expected = expected
        if page in self._looks and reading.ids != self._looks[page].ids:
            self._changed.append(page)
        self.answered |= reading.ids
        if page in self._readings:
            self._had.subtract(self._readings[page].ids)
        self._had.update(reading.ids)
        self._readings[page] = reading
        self._times[page] += 1
        self._broken.pop(page, None)
        if self._junk == page:
            self._cut, self._junk = "", 0
        if size and not ids:
            self._junk = page
            self._cut = f"no record on page {page} has an id that a coin can be stored under: is `names` right?"
        elif size and page >= self.pagination.cap:
            self._cut = f"paging had no end at page {page}, and is cut there"
        return [] if self._is_repeated(page) else self._follow(request, response, answer)

    def give_up(self, request: Request, words: str) -> list[Request]:
        """Take a page that will not be answered; `words` say why."""
        self._broken[request.meta["page"]] = words
        return self.pass_over(request)

    def pass_over(self, request: Request) -> list[Request]:
        """The requests for the pages after one that has no answer yet, as far as they are known to be there."""
        return self._follow(request, None, None)

    def _follow(self, request: Request, response: Response | None, answer: Rows | None) -> list[Request]:
        """The requests for the pages that follow, each once."""
        if self._cut:
            return []
        page = request.meta["page"]
        try:
            following = self.pagination.next(request, response, answer)
        except PagingError as error:
            self._cut = str(error)
            return []
        if answer is not None and not following:
            self._is_chain_read = True
        news = []
        for successor in following:
            number = successor.meta["page"]
            known = self._numbers.get(successor.url, number)
            if known != number:
                self._cut = f"the link on page {page} leads back to page {known}, so paging ended there"
            elif number not in self._addresses:
                self._note(successor)
                news.append(successor)
        return news

    def _note(self, request: Request) -> None:
        self._addresses[request.meta["page"]] = request.url
        self._numbers[request.url] = request.meta["page"]

    def _count(self, response: Response, answer: Rows) -> int | None:
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
        if self.last and self._is_counted():
            return []
        odd = [*self._short(), *self._doubled(), *([self._junk] if self._junk else [])]
        if pages := sorted({*self._unread(), *filter(self._may_be_asked_again, odd)}):
            return self._ask(pages)
        if self._is_moving() and not self.counts_vary and self._passes < MAX_PASSES:
            return self._pass_again()
        if not (self._counts or self.counts_vary or self._looks or self._is_full() or self.doubts()):
            return self._look_again()
        return []

    def _unread(self) -> list[int]:
        """The pages up to the one behind the last that nobody has asked for: what is before them was cut short."""
        if not self.pagination.is_numbered:
            return []
        is_cut = self._cut or (self.last and self._is_repeated(self.last))
        behind = self.last + (not is_cut)
        end = min(behind, self.pagination.limit or behind, self.pagination.cap)
        return [page for page in range(1, end + 1) if page not in self._readings and page not in self._broken]

    def _short(self) -> list[int]:
        """The pages that a lapse of the source may have cut short, the sudden end of it all among them."""
        last, full, expected = self.last, self._full, self.expected or 0
        sizes = {page: reading.size for page, reading in self._readings.items()}
        short = [page for page, size in sizes.items() if page < last and size < full]
        if not self.pagination.is_numbered:
            # Where many pages differ, that is how the source does it.
            is_odd = len(short) <= max(1, len(sizes) // PAGES_A_LOOK)
            return [1] if not (last or self.counts_vary) else short if is_odd else []
        if self._counts and sizes.get(last, full) < full:
            short.append(last)
        is_sudden = last != self.expected and sizes.get(last, full) >= full
        return short + [
            page for page, size in sizes.items() if not size and (page <= expected or (is_sudden and page == last + 1))
        ]

    @property
    def _full(self) -> int:
        """The records of a page that was not cut short."""
        if self.pagination.is_numbered:
            return self.pagination.size or 0
        return max((reading.size for reading in self._readings.values()), default=0)

    def _is_repeated(self, page: int) -> bool:
        """Whether all records of this page, and there are some, are on others as well."""
        ids = self._readings[page].ids
        return bool(ids) and all(self._had[coin_id] > 1 for coin_id in ids)

    def _doubled(self) -> list[int]:
        """The pages with records that are on another page too, or twice on one: others may stand nowhere."""
        if not self.pagination.is_numbered:
            return []
        pages = self._readings.items()
        whole = [page for page, _ in pages if self._is_repeated(page)]
        doubled = [page for page, read in pages if read.twice or any(self._had[coin_id] > 1 for coin_id in read.ids)]
        # Where many pages have some, the order is not stable, and asking again is of no use.
        return doubled if len(doubled) <= max(2, len(pages) // PAGES_A_LOOK) else whole

    def _may_be_asked_again(self, page: int) -> bool:
        return page in self._readings and page not in self._broken and self._times[page] < MAX_TIMES

    def _pass_again(self) -> list[Request]:
        """Once more, the pages that were read before the count changed: what went drew others onto them."""
        self._passes += 1
        if self.pagination.is_numbered:
            return self._ask(page for page, reading in self._readings.items() if reading.count != self._counts[-1])
        for of_this_pass in (self._readings, self._addresses, self._numbers, self._times, self._had):
            of_this_pass.clear()
        self._cut, self._is_chain_read = "", False
        return [self.begin(self._url)]

    def _look_again(self) -> list[Request]:
        """Where nothing counts the records: a page that was cut short, or moved, would not come twice alike."""
        pages = [self.last, (self.last + 1) // 2, 1][: self.last // PAGES_A_LOOK]
        self._looks = {page: self._readings[page] for page in pages}
        return self._ask(pages)

    def _ask(self, pages: Iterable[int]) -> list[Request]:
        requests = [self.pagination.again(self._url, page, self._addresses.get(page)) for page in pages]
        for request in requests:
            self._note(request)
        return requests

    # What is proven ------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """The last page that had records; 0 where none had."""
        return max((page for page, reading in self._readings.items() if reading.size), default=0)

    @property
    def nameless(self) -> int:
        """Records without a usable id, on the pages as they were answered last."""
        return sum(reading.nameless for reading in self._readings.values())

    @property
    def is_sound(self) -> bool:
        """Whether no page was broken, cut short or in the place of another."""
        return not (self._broken or self._oddities())

    def doubts(self) -> list[str]:
        """Why the pages that came may not be all there are; empty where they are proven to be."""
        doubts = [*self._words_about_broken(), *filter(None, [self._count_fault])]
        if self._is_counted():
            return doubts
        doubts += self._oddities()
        if self._is_moving() or (self._counts and not self._is_full()):
            doubts.append(self._miscount())
        if self._changed:
            doubts.append(f"{_pages(self._changed)} had other records when asked for again, and no count says how many")
        twice = sum(reading.size for reading in self._readings.values()) - len(self._had_ids()) - self.nameless
        if not doubts and twice:
            doubts.append(f"{twice:,} record{'s' if twice > 1 else ''} came twice, so others may be missing")
        if not (doubts or self._is_full() or self._is_end_seen()):
            doubts.append("the end of the pages was not seen")
        return doubts

    def notes(self) -> list[str]:
        """What was odd, although nothing is missing by the count."""
        return self._oddities() if self._is_counted() else []

    def _oddities(self) -> list[str]:
        """What ended the paging, and which pages lack records."""
        seen: set[str] = set()
        words = [self._cut] if self._cut else []
        for page, reading in sorted(self._readings.items()):
            if reading.ids and seen.issuperset(reading.ids):
                words.append(f"page {page} brought nothing new, so paging ended there")
                break
            seen |= reading.ids
        return words if self._is_full() else [*words, *self._gaps()]

    def proof(self) -> str:
        """What proves that these are all records; of use where there are no doubts."""
        if self._is_full():
            limit = self.pagination.limit
            return "the page that was asked for came full" if limit == 1 else f"each of the {limit} pages came full"
        if self._is_counted():
            return f"the API counts {self._counts[-1]:,} records, and as many different ones came"
        if self.pagination.is_numbered:
            ended = f"{self.last} pages came, all full but the last, and no page follows"
        else:
            ended = f"{self.last} pages came, each linked to the next, and the last to none"
        looked = f"; {_pages(sorted(self._looks))} had the same records when asked for again" if self._looks else ""
        return f"{ended}, though no count says how many records there are{looked}"

    def _words_about_broken(self) -> Iterator[str]:
        for page in sorted(self._broken)[:MAX_NAMED]:
            yield self._broken[page]
        if (others := len(self._broken) - MAX_NAMED) > 0:
            yield f"{others} more pages stayed broken"

    def _gaps(self) -> Iterator[str]:
        """In words, the pages before the end that lack records."""
        last, sizes = self.last, {page: reading.size for page, reading in self._readings.items()}
        if empty := sorted(page for page, size in sizes.items() if not size and page < last):
            yield f"{_pages(empty)} {'were' if len(empty) > 1 else 'was'} empty and page {last} was not"
        if short := sorted(page for page in self._short() if page < last and sizes[page]):
            least, most = min(sizes[page] for page in short), max(sizes[page] for page in short)
            had = f"{least}" if least == most else f"{least} to {most}"
            whose = "were asked for" if self.pagination.is_numbered else "were on others"
            yield f"{_pages(short)} had {had} records, and {self._full} {whose}"
        if unread := self._unread():
            yield f"{_pages(unread)} did not come"

    def _is_full(self) -> bool:
        """Whether a number of pages was wanted and each came full: no end is claimed then."""
        limit, full = self.pagination.limit, self._full
        pages = (self._readings.get(page) for page in range(1, (limit or 0) + 1))
        return bool(limit) and all(reading and reading.size >= full for reading in pages)

    def _is_end_seen(self) -> bool:
        if not self.pagination.is_numbered:
            return self._is_chain_read
        behind = self._readings.get(self.last + 1)
        return self.last == self.pagination.limit or (behind is not None and not behind.size)

    def _is_counted(self) -> bool:
        """Whether the source counts its records, always alike, and as many different ones came."""
        if not self._counts or self._count_fault:
            return False
        if self.counts_vary:
            is_growing = all(before <= after for before, after in pairwise(self._counts))
            return is_growing and self._counts[0] <= self._came() <= self._counts[-1] and not self._short()
        return not self._is_moving() and self._came() == self._wanted()

    def _is_moving(self) -> bool:
        return len({reading.count for reading in self._readings.values() if reading.count is not None}) > 1

    def _came(self) -> int:
        """Different records on the pages as they were answered last; on all answers where their number may grow."""
        return len(self.answered if self.counts_vary else self._had_ids()) + self.nameless

    def _had_ids(self) -> set[str]:
        """The ids on the pages as they were answered last."""
        return set[str]().union(*(reading.ids for reading in self._readings.values()))

    def _wanted(self) -> int:
        """Of the records that the source counts, those that were asked for."""
        most = (self.pagination.limit or 0) * (self.pagination.size or 0)
        return min(self._counts[-1], most) if most else self._counts[-1]

    def _miscount(self) -> str:
        words = [f"{count:,}" for count, _ in groupby(self._counts)]
        counted = ", then ".join([*words[:MAX_NAMED], "..."] if len(words) > MAX_NAMED else words)
        if len(words) > 1:
            return f"the API counted {counted} records while its pages were read: others may have been passed over"
        return f"the API counts {counted} records, and its pages had {self._came():,} different ones"


def _pages(numbers: Collection[int]) -> str:
    """A few pages in words: "page 3", "pages 3, 11, 19 and 4 more"."""
    named = [str(number) for number in list(numbers)[:MAX_NAMED]]
    *before, last = [*named, f"{len(numbers) - MAX_NAMED} more"] if len(numbers) > MAX_NAMED else named
    return f"pages {', '.join(before)} and {last}" if before else f"page {last}"
