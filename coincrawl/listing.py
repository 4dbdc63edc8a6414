"""Coverage of a source that can also be asked for ids, and that may have a list of all its ids. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence

from scrapy.http import Request

from coincrawl.coverage import Coverage
from coincrawl.lookup import MAX_NAMED, Lookup
from coincrawl.meta import meta_of
from coincrawl.pagination import PageNumber, Pagination
from webapp.coins.texts import counted

LIST_SHARE = 0.9  # of the ids in the last complete run's list; a shorter list is incomplete
LIST_COVERS = 0.99  # of the ids on the pages; a few coins leave meanwhile, but a list with fewer is incomplete
PAGES_AFTER_LIST = 3  # at the end: the list is long, and they come while it is read
MAX_LISTED = 100_000  # ids; asking for more could cost a month's credits
NAMELESS = "not on the market, or sent without a valid id"

Fits = Callable[[Sequence[str]], bool]  # whether these ids fit into one call


class LookupCoverage(Coverage):
    """Pages, and records that are asked for by their ids.

    `ask` and `again` return calls, each a list of ids. `add_ids` takes the answer to a call.
    """

    def __init__(self, pagination: Pagination, size: int, fits: Fits, *, is_whole: bool) -> None:
        super().__init__(pagination, is_whole=is_whole)
        self.lookup = Lookup(size, fits)
        self._failed: list[str] = []  # requests other than pages that failed for good, and why

    def ask(self, ids: Collection[str]) -> list[list[str]]:
        return self.lookup.ask(ids, self.answered)

    def again(self) -> list[list[str]]:
        """The calls of the next round. Empty if all ids are settled, or if further calls do not help."""
        calls = self.lookup.again(self.answered)
        if not calls:
            self.note_answered(self.lookup.perhaps_absent)
        return calls

    def add_ids(self, request: Request, ids: Sequence[str | None]) -> list[int]:
        """Take the answer to a call: the id of each record, or None for a record without a usable id.

        Returns the indexes of the records that the run wants. The others are known records, which are only a proof.
        """
        returned = [coin_id for coin_id in ids if coin_id is not None]
        self.lookup.add(meta_of(request)["ids"], returned, len(ids) - len(returned))
        self.note_answered(returned)
        wanted = [index for index, coin_id in enumerate(ids) if coin_id not in self.lookup.known]
        self.pages += 1
        self.records += len(wanted)
        return wanted

    def give_up(self, request: Request, words: str) -> list[Request]:
        if "page" in meta_of(request):
            return super().give_up(request, words)
        self._failed.append(words)
        return []

    def _absent(self) -> list[str]:
        """The ids that the source certainly does not have."""
        return [] if self.lookup.doubts() else sorted(self.lookup.absent - self.lookup.perhaps_absent)

    def _perhaps_absent(self) -> list[str]:
        """The ids that the source does not have, or has only in records without a valid id."""
        return [] if self.lookup.doubts() else sorted(self.lookup.perhaps_absent)

    def _not_returned(self) -> dict[str, list[str]]:
        """The ids that did not come, by what is known of them."""
        known = {"not on the market": self._absent(), NAMELESS: self._perhaps_absent()}
        return {words: ids for words, ids in known.items() if ids}


class IdsCoverage(LookupCoverage):
    """Some records only, by their ids."""

    def __init__(self, pagination: Pagination, size: int, fits: Fits) -> None:
        super().__init__(pagination, size, fits, is_whole=False)

    def ask(self, ids: Collection[str]) -> list[list[str]]:
        calls = super().ask(ids)
        self.expected = self.expected or len(calls)
        return calls

    def doubts(self) -> list[str]:
        return [*self._failed, *self.lookup.doubts()]

    def proof(self) -> str:
        others = ", or was missing from two answers" if self._absent() else ""
        others += ", or may be a record without a valid id" if self._perhaps_absent() else ""
        return f"each of these coins was returned{others}"

    def notes(self) -> list[str]:
        return [f"{words}: {_some(ids)}" for words, ids in self._not_returned().items()]


class ListedCoverage(LookupCoverage):
    """The whole of a source that has a list of all its ids at the path `listed_at`.

    The list is the proof. If it is complete, problems with pages are only notes. It is to be requested once, when it
    `is_list_due`: shortly before the last page, or after the first if nothing says how many pages there are.
    """

    def __init__(self, pagination: PageNumber, size: int, fits: Fits, *, listed_at: str) -> None:
        super().__init__(pagination, size, fits, is_whole=True)
        self._list, self._numbered = listed_at, pagination
        self._coins_before = self._listed_before = 0
        self._unanswered: set[str] = set()  # ids in the list that no page had when it came
        self._odd_entries = 0  # entries of the list that repeat an id, or have no usable one
        self._list_fault = f"without {listed_at} nothing proves that this is the whole market"

    def set_last_complete(self, coins: int, listed: int | None) -> None:
        """Take the numbers of the last complete run: its coins, and the ids in its list."""
        self._coins_before, self._listed_before = coins, listed or 0

    @property
    def is_list_due(self) -> bool:
        """Whether nearly all pages that are known to exist have been requested."""
        return len(self._addresses) > self._length - PAGES_AFTER_LIST

    def add_list(self, ids: Iterable[str], entries: int) -> list[Request]:
        """Take the list: its usable ids, each once, and the number of its entries.

        Returns requests for pages that probably exist by the number of its ids: the next window of them.
        """
        self.pages += 1
        self.listed = 0
        answered = self.answered
        for coin_id in ids:
            self.listed += 1
            if coin_id not in answered:
                self._unanswered.add(coin_id)
        self._odd_entries = entries - self.listed
        requested, is_end_known = max(self._addresses, default=0), 0 in self._pages.sizes.values()
        # Some ids are not on the market: the last page that would be needed for all of them may not exist.
        length = self.listed // self._numbered.size
        if self._counts or is_end_known or not 0 < requested <= length:
            return []
        self._length = length
        ahead = self._numbered.ahead(self._url, requested, length)
        for request in ahead:
            self._note(request)
        return ahead

    def ask_unanswered(self) -> list[list[str]]:
        """The calls that ask for the ids in the list that no page had. Call this when the pages have been answered."""
        self._unanswered -= self.answered
        if self.listed is not None:
            self._list_fault = self._fault_in_list(self.listed, self.listed - len(self._unanswered))
        return self.ask(self._unanswered if (self.listed or 0) <= MAX_LISTED else ())

    @property
    def present(self) -> Collection[str] | None:
        # A coin that neither the pages nor the list have may still exist if a page was damaged, or if the source counts
        # more coins.
        return self.answered if self.is_sound and len(self.answered) >= (self.count or 0) else None

    def doubts(self) -> list[str]:
        doubts = [*filter(None, [self._list_fault, self._shortfall()]), *self._failed, *self.lookup.doubts()]
        return doubts + super().doubts() if doubts else []

    def proof(self) -> str:
        others = ", is not on the market, or may be a record without a valid id"
        if not self._perhaps_absent():
            others = " or is not on the market"
        return f"{self._list} names {self.listed:,} coins, and each was returned{others}"

    def notes(self) -> list[str]:
        notes = [] if self.doubts() else super().doubts()
        if self._odd_entries:
            odd = f"{self._odd_entries:,}"
            notes.append(f"entries of {self._list} with a repeated id, or without a valid id: {odd}")
        if self.present is None:
            damaged = "not all pages were read, or some were damaged"
            why = "the API counts more coins than came" if self.is_sound else damaged
            notes.append(f"no coin was marked missing, because {why}")
        for words, ids in self._not_returned().items():
            notes.append(f"{words}, though {self._list} names them: {counted(len(ids), 'id')}")
        return notes

    def _fault_in_list(self, listed: int, covered: int) -> str:
        """Why the list may be incomplete; empty if it seems complete. Pages had `covered` of its `listed` ids."""
        if listed > MAX_LISTED:
            return f"{self._list} names {listed:,} coins, more than the {MAX_LISTED:,} that a run asks for"
        if not listed:
            return f"{self._list} has no entry with an id"
        if covered < len(self.answered) * LIST_COVERS:
            return f"{self._list} names only {covered:,} of the {len(self.answered):,} coins that pages had"
        if listed < self._listed_before * LIST_SHARE:
            return f"{self._list} names {listed:,} coins, but the last complete run had {self._listed_before:,}"
        return ""

    def _shortfall(self) -> str:
        """That fewer coins came than there must be. Only checked if some page was damaged."""
        if self.is_sound:
            return ""
        expected = {"the last complete run had": self._coins_before}
        if count := self.count:
            expected["the pages count"] = count
        else:
            expected["by their number and size the pages have"] = self.min_records
        came = len(self.answered)
        more = (f"{source} {number:,}" for source, number in expected.items() if came < number)
        return next((f"pages and {self._list} have {counted(came, 'coin')}, but {words}" for words in more), "")


def _some(ids: Sequence[str]) -> str:
    more = len(ids) - MAX_NAMED
    return ", ".join([*ids[:MAX_NAMED], *([f"and {more:,} more"] if more > 0 else [])])
