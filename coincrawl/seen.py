"""What a run has seen of a source's pages, and what that proves. Pure: no request is made here.

A run is "complete" only with a proof. There are two. Either the source counts its records, and as many different ones
came. Or each page from the first to the last was answered, no page was cut short, and the end was seen.
"""

from collections.abc import Collection, Iterable, Iterator, Set
from itertools import groupby, pairwise

from coincrawl.pagination import Pagination
from coincrawl.readings import Reading, Readings
from webapp.coins.texts import counted

MAX_NAMED = 3  # pages that a doubt names; the others are only counted


class Seen:
    """What a run has seen of the pages of one collection.

    `doubts` says why records may be missing. If it is empty, `proof` says why the collection is complete.
    """

    def __init__(self, pagination: Pagination, *, is_whole: bool = True, is_incremental: bool = False) -> None:
        self.pagination = pagination
        self.is_whole = is_whole  # the run asks for the whole source
        self.is_incremental = is_incremental  # the run asks only for changes, and their number may grow meanwhile
        self.pages = 0  # answers with records, of any kind
        self.records = 0  # in all answers, except those to pages that are asked for again
        self.listed: int | None = None  # ids in the source's list of all ids; None without a list
        self.expected = pagination.limit  # pages: the limit, or what the count on page 1 means
        self._notes: list[str] = []
        self._pages = Readings()
        self._broken: dict[int, str] = {}  # pages that failed for good, and why
        self._ended_early: dict[int, str] = {}  # pages after which paging could not go on, and why
        self._is_end_seen = False  # a page that no other follows was answered
        self._counts: list[int] = []  # of the source's records, one per answer that has a count
        self._count_fault = ""
        self._checked: dict[int, Reading] = {}  # pages that were asked for again as a check, as they were before
        self._changed: set[int] = set()  # checked pages that had other records the second time

    @property
    def without_id(self) -> int:
        """Records without a usable id, in the last answer to each page."""
        return self._pages.without_id

    @property
    def answered(self) -> Set[str]:
        """The ids in all answers."""
        return self._pages.answered

    def note_answered(self, ids: Iterable[str]) -> None:
        """Take ids of an answer that is not to a page."""
        self._pages.note(ids)

    @property
    def present(self) -> Collection[str] | None:
        """The ids of all coins that the source has; None if it may have others.

        A record without an id may be any coin. Only a complete run uses this.
        """
        return self.answered if self.is_whole and not self.without_id else None

    @property
    def count(self) -> int | None:
        """How many records the source counted last; None if it does not count them."""
        return self._counts[-1] if self._counts else None

    @property
    def min_records(self) -> int:
        """How many records a source of numbered pages has at least: all pages but the last are full."""
        sizes, last = self._pages.sizes, self._pages.last
        return (last - 1) * min(max(sizes.values()), self._full_size) + sizes[last] if last else 0

    @property
    def is_sound(self) -> bool:
        """Whether no page was broken, short, empty, skipped or a copy of others."""
        return not (self._broken or self._oddities())

    def doubts(self) -> list[str]:
        """Why records may be missing. Empty if the collection is proven to be complete."""
        doubts = [*self._words_about_broken(), *filter(None, [self._count_fault])]
        if self._matches_count():
            return [*doubts, *self._words_about_unusable()]
        doubts += self._oddities()
        is_miscounted = not self._pages.counts_agree or (self._counts and not self._is_limit_reached())
        if is_miscounted and not self._count_fault:
            doubts.append(self._miscount())
        if changed := sorted(self._changed):
            doubts.append(f"{named(changed)} had other records when asked for again, and no count says how many")
        if not doubts and (duplicates := self._pages.duplicates):
            doubts.append(f"{counted(duplicates, 'record')} came twice, so others may be missing")
        if not (doubts or self._is_end_seen):
            doubts.append("the end of the pages was not seen")
        return doubts

    def notes(self) -> list[str]:
        """What else is worth knowing, such as odd pages although the count proves that no record is missing."""
        notes = []
        if self._matches_count() and not self._pages.unusable():
            # Some sources answer with the last page again for every page after it. That is not odd.
            notes += self._oddities({page for page in self._pages.repeated() if page < self._pages.last})
        if self.is_whole and self.without_id:
            notes.append("no coin was marked missing, because some records have no id that a coin can be stored under")
        return notes + self._notes

    def add_note(self, words: str) -> None:
        self._notes.append(words)

    def proof(self) -> str:
        """What proves that the collection is complete. Only valid without doubts."""
        last, limit = self._pages.last, self.pagination.limit
        if self._is_limit_reached():
            return "the page that was asked for came full" if limit == 1 else f"each of the {limit} pages came full"
        if self._matches_count():
            first, latest, came = self._counts[0], self._counts[-1], self._received()
            if self.is_incremental and first < latest:
                return f"the API counted {first:,} to {latest:,} records while they were read, and {came:,} came"
            return f"the API counts {latest:,} records, and as many different ones came"
        if self.pagination.is_single:
            ended = "the source has all its records in one answer"
        elif self.pagination.is_numbered:
            ended = f"{counted(last, 'page')} came, all full but the last, and no page follows"
        else:
            ended = f"{counted(last, 'page')} came, each linked to the next, and the last to none"
        checked = f"; {named(sorted(self._checked))} had the same records when asked for again" if self._checked else ""
        return f"{ended}, though no count says how many records there are{checked}"

    # Facts ----------------------------------------------------------------------------------------

    def _is_limit_reached(self) -> bool:
        """Whether the run asks for a number of pages only, and each of them came full."""
        limit, sizes = self.pagination.limit or 0, self._pages.sizes
        return bool(limit) and all(sizes.get(page, 0) >= self._full_size for page in range(1, limit + 1))

    def _matches_count(self) -> bool:
        """Whether all counts of the source agree, and as many different records came."""
        if not self._counts or self._count_fault:
            return False
        if self.is_incremental:
            is_growing = all(before <= after for before, after in pairwise(self._counts))
            return is_growing and self._counts[0] <= self._received() <= self._counts[-1] and not self._short()
        return self._pages.counts_agree and self._received() == self._requested()

    def _received(self) -> int:
        """How many different records came: in the last answer to each page, in an incremental run in all answers."""
        return (len(self.answered) if self.is_incremental else self._pages.different) + self.without_id

    def _requested(self) -> int:
        """How many of the records that the source counts the run asks for."""
        most = (self.pagination.limit or 0) * (self.pagination.size or 0)
        return min(self._counts[-1], most) if most else self._counts[-1]

    @property
    def _full_size(self) -> int:
        if self.pagination.is_numbered:
            return self.pagination.size or 0
        return max(self._pages.sizes.values(), default=0)

    def _is_end_unexpected(self) -> bool:
        """Whether the last page is full, and nothing says that it is the last.

        A chain of links ends unexpectedly if it has no records at all, unless the run is incremental.
        """
        last = self._pages.last
        if not self.pagination.is_numbered:
            return not (last or self.is_incremental)
        return last != self.expected and self._pages.sizes.get(last, self._full_size) >= self._full_size

    def _unread(self) -> list[int]:
        """The pages up to the end that were not answered.

        The end is the empty page after the last one. If the end is unexpected, the page after it is needed as well: one
        empty page may be a fault of the source.
        """
        if not self.pagination.is_numbered:
            return []
        end = self._pages.last
        if not self._ended_early:
            end += 2 if end and end + 1 in self._pages and self._is_end_unexpected() else 1
        end = min(end, self.pagination.limit or end, self.pagination.max_pages)
        return [page for page in range(1, end + 1) if page not in self._pages and page not in self._broken]

    def _short(self) -> list[int]:
        """The pages before the last with fewer records than were asked for; in a chain, with fewer than others."""
        last = self._pages.last
        short = [page for page, size in self._pages.sizes.items() if page < last and size < self._full_size]
        return short if self.pagination.is_numbered or self._are_few(short) else []

    def _are_few(self, short: Collection[int]) -> bool:
        """Whether at most half of the pages before the last are short. If more are, the source's pages are smaller."""
        last = self._pages.last
        return len(short) <= max(1, sum(page < last for page in self._pages.sizes) / 2)

    # In words -------------------------------------------------------------------------------------

    def _oddities(self, repeated: Collection[int] | None = None) -> list[str]:
        """Why paging ended early, and which pages lack records. `repeated` are the pages with nothing new."""
        words = [*self._words_about_unusable(), *[*filter(None, self._ended_early.values())][:1]]
        if repeated := self._pages.repeated() if repeated is None else repeated:
            words.append(f"page {min(repeated)} brought nothing new")
        return [*words, *self._gaps()]

    def _words_about_broken(self) -> Iterator[str]:
        for page in sorted(self._broken)[:MAX_NAMED]:
            yield self._broken[page]
        if (others := len(self._broken) - MAX_NAMED) > 0:
            yield f"{counted(others, 'more page')} stayed broken"

    def _words_about_unusable(self) -> Iterator[str]:
        if unusable := sorted(self._pages.unusable()):
            yield f"{named(unusable)} had no record with an id that a coin can be stored under: is `names` right?"

    def _gaps(self) -> Iterator[str]:
        """The pages that lack records, in words."""
        last, sizes = self._pages.last, self._pages.sizes
        if empty := sorted(page for page, size in sizes.items() if not size and page < last):
            yield f"{named(empty)} {'were' if len(empty) > 1 else 'was'} empty and page {last} was not"
        if short := sorted(page for page in self._short() if sizes[page]):
            fewest, most = min(sizes[page] for page in short), max(sizes[page] for page in short)
            had = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            whose = "were asked for" if self.pagination.is_numbered else "were on others"
            yield f"{named(short)} had {had} records, and {self._full_size} {whose}"
        if unread := self._unread():
            yield f"{named(unread)} {'were' if len(unread) > 1 else 'was'} not read"

    def _miscount(self) -> str:
        words = [f"{count:,}" for count, _ in groupby(self._counts)]
        if len(words) > 1:
            said = ", then ".join([*words[:MAX_NAMED], "..."] if len(words) > MAX_NAMED else words)
            return f"the API counted {said} records while its pages were read: others may have been missed"
        records = counted(self._counts[-1], "record")
        return f"the API counts {records}, and its pages had {self._received():,} different ones"


def named(numbers: Collection[int]) -> str:
    """A few pages in words: "page 3", "pages 3, 11, 19 and 4 more"."""
    named = [str(number) for number in list(numbers)[:MAX_NAMED]]
    *before, last = [*named, f"{len(numbers) - MAX_NAMED} more"] if len(numbers) > MAX_NAMED else named
    return f"pages {', '.join(before)} and {last}" if before else f"page {last}"
