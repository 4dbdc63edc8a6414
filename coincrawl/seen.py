"""What a run has seen of a source's pages, and what that proves. Pure: nothing is asked here.

"Complete" is a positive proof. Either the source counts its records and as many different ones came, or each page from
the first to the last was answered, none of them was cut short, and the end was seen.
"""

from collections.abc import Collection, Iterator
from itertools import groupby, pairwise

from coincrawl.pagination import Pagination
from coincrawl.readings import Reading, Readings
from webapp.coins.texts import counted

MAX_NAMED = 3  # pages that a doubt names; it counts the others


class Seen:
    """What the pages of one collection had, in one run.

    `doubts` says why these may not be all records there are. Where it is empty, `proof` says why they are.
    """

    def __init__(self, pagination: Pagination, *, is_whole: bool = True, is_incremental: bool = False) -> None:
        self.pagination = pagination
        self.is_whole = is_whole  # the run asks for the whole source
        self.is_incremental = is_incremental  # records may be added at any time: they are what has changed since
        self.pages = 0  # answers with records, of any kind
        self.records = 0  # in all answers, without those that are asked for once more
        self.answered: set[str] = set()  # ids in all answers
        self.listed: int | None = None  # ids that the source's list of all names, where it has one and it came
        self.expected = pagination.limit  # pages; where no limit says it, by the count on page 1
        self._remarks: list[str] = []  # what the run has to say about what it asks for
        self._pages = Readings()
        self._broken: dict[int, str] = {}  # pages that were not answered, and why
        self._cuts: dict[int, str] = {}  # pages behind which paging ended before its end, and why
        self._is_end_read = False  # a page that no other follows was answered
        self._counts: list[int] = []  # by the words of the answers, in their order
        self._count_fault = ""
        self._looks: dict[int, Reading] = {}  # by page: what it has to be when it is looked at again
        self._changed: set[int] = set()  # pages that were something else then

    @property
    def nameless(self) -> int:
        """Records without a usable id, on the pages as they were answered last."""
        return self._pages.nameless

    @property
    def present(self) -> set[str] | None:
        """The ids of all coins that the source has; None where it may have others.

        A record without an id may be any of them. Where a page did not come as it should, the run is not complete.
        """
        return self.answered if self.is_whole and not self.nameless else None

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
            doubts.append(f"{named(changed)} had other records when asked for again, and no count says how many")
        if not doubts and (twice := self._pages.surplus):
            doubts.append(f"{counted(twice, 'record')} came twice, so others may be missing")
        if not (doubts or self._is_end_read):
            doubts.append("the end of the pages was not seen")
        return doubts

    def notes(self) -> list[str]:
        """What else is worth knowing, such as what was odd although nothing is missing by the count."""
        notes = []
        if self._is_counted() and not self._pages.junk():
            # A last page that also answers for those behind it is not odd: by the count it was the last.
            notes += self._oddities({page for page in self._pages.repeated() if page < self._pages.last})
        if self.is_whole and self.nameless:
            notes.append("no coin was marked missing, because some records have no id that a coin can be stored under")
        return notes + self._remarks

    def remark(self, words: str) -> None:
        """Add a note."""
        self._remarks.append(words)

    def proof(self) -> str:
        """What proves that these are all records; of use where there are no doubts."""
        last, limit = self._pages.last, self.pagination.limit
        if self._is_full():
            return "the page that was asked for came full" if limit == 1 else f"each of the {limit} pages came full"
        if self._is_counted():
            first, latest = self._counts[0], self._counts[-1]
            if self.is_incremental and first < latest:
                return (
                    f"the API counted {first:,} to {latest:,} records while they were read, and {self._came():,} came"
                )
            return f"the API counts {latest:,} records, and as many different ones came"
        if self.pagination.is_single:
            ended = "the source has all its records in one answer"
        elif self.pagination.is_numbered:
            ended = f"{counted(last, 'page')} came, all full but the last, and no page follows"
        else:
            ended = f"{counted(last, 'page')} came, each linked to the next, and the last to none"
        looked = f"; {named(sorted(self._looks))} had the same records when asked for again" if self._looks else ""
        return f"{ended}, though no count says how many records there are{looked}"

    # Facts ----------------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        """Whether a number of pages was wanted and each came full: no end is claimed then."""
        limit, sizes = self.pagination.limit or 0, self._pages.sizes
        return bool(limit) and all(sizes.get(page, 0) >= self._full for page in range(1, limit + 1))

    def _is_counted(self) -> bool:
        """Whether the source counts its records, always alike, and as many different ones came."""
        if not self._counts or self._count_fault:
            return False
        if self.is_incremental:
            is_growing = all(before <= after for before, after in pairwise(self._counts))
            return is_growing and self._counts[0] <= self._came() <= self._counts[-1] and not self._short()
        return self._pages.are_counted_alike and self._came() == self._wanted()

    def _came(self) -> int:
        """Different records on the pages as they were answered last; in all answers where their number may grow."""
        return len(self.answered if self.is_incremental else self._pages.ids) + self.nameless

    def _wanted(self) -> int:
        """Of the records that the source counts, those that were asked for."""
        most = (self.pagination.limit or 0) * (self.pagination.size or 0)
        return min(self._counts[-1], most) if most else self._counts[-1]

    @property
    def _full(self) -> int:
        """The records of a page that was not cut short."""
        if self.pagination.is_numbered:
            return self.pagination.size or 0
        return max(self._pages.sizes.values(), default=0)

    def _is_sudden(self) -> bool:
        """Whether the last page came full, and nothing says that it is the last.

        Of a chain only the first page is expected to have records.
        """
        last = self._pages.last
        if not self.pagination.is_numbered:
            return not (last or self.is_incremental)
        return last != self.expected and self._pages.sizes.get(last, self._full) >= self._full

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
        last = self._pages.last
        return len(short) <= max(1, sum(page < last for page in self._pages.sizes) / 2)

    # In words -------------------------------------------------------------------------------------

    def _oddities(self, repeated: Collection[int] | None = None) -> list[str]:
        """What ended the paging, and which pages lack records; `repeated` are those that brought nothing new."""
        words = [*self._words_about_junk(), *[*filter(None, self._cuts.values())][:1]]
        if repeated := self._pages.repeated() if repeated is None else repeated:
            words.append(f"page {min(repeated)} brought nothing new")
        return [*words, *self._gaps()]

    def _words_about_broken(self) -> Iterator[str]:
        for page in sorted(self._broken)[:MAX_NAMED]:
            yield self._broken[page]
        if (others := len(self._broken) - MAX_NAMED) > 0:
            yield f"{counted(others, 'more page')} stayed broken"

    def _words_about_junk(self) -> Iterator[str]:
        if junk := sorted(self._pages.junk()):
            yield f"{named(junk)} had no record with an id that a coin can be stored under: is `names` right?"

    def _gaps(self) -> Iterator[str]:
        """In words, the pages that lack records."""
        last, sizes = self._pages.last, self._pages.sizes
        if empty := sorted(page for page, size in sizes.items() if not size and page < last):
            yield f"{named(empty)} {'were' if len(empty) > 1 else 'was'} empty and page {last} was not"
        if short := sorted(page for page in self._short() if sizes[page]):
            least, most = min(sizes[page] for page in short), max(sizes[page] for page in short)
            had = f"{least}" if least == most else f"{least} to {most}"
            whose = "were asked for" if self.pagination.is_numbered else "were on others"
            yield f"{named(short)} had {had} records, and {self._full} {whose}"
        if unread := self._unread():
            yield f"{named(unread)} {'were' if len(unread) > 1 else 'was'} not read"

    def _miscount(self) -> str:
        words = [f"{count:,}" for count, _ in groupby(self._counts)]
        if len(words) > 1:
            said = ", then ".join([*words[:MAX_NAMED], "..."] if len(words) > MAX_NAMED else words)
            return f"the API counted {said} records while its pages were read: others may have been passed over"
        records = counted(self._counts[-1], "record")
        return f"the API counts {records}, and its pages had {self._came():,} different ones"


def named(numbers: Collection[int]) -> str:
    """A few pages in words: "page 3", "pages 3, 11, 19 and 4 more"."""
    named = [str(number) for number in list(numbers)[:MAX_NAMED]]
    *before, last = [*named, f"{len(numbers) - MAX_NAMED} more"] if len(numbers) > MAX_NAMED else named
    return f"pages {', '.join(before)} and {last}" if before else f"page {last}"
