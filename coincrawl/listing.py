"""What a run has seen of a source that also answers to ids, and that may list all ids that it has. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence

from scrapy.http import Request

from coincrawl.coverage import Coverage
from coincrawl.lookup import Lookup
from coincrawl.meta import meta_of
from coincrawl.pagination import Pagination
from webapp.coins.texts import counted

LIST_SHARE = 0.9  # of the ids that the list had in the last complete run; a shorter one is not the whole list
LIST_COVERS = 0.99  # of the ids that pages had; some leave meanwhile, but a shorter list is not the whole one
MAX_LISTED = 100_000  # ids; more than that would cost a month's credits to ask for

Fits = Callable[[Sequence[str]], bool]  # whether these ids can be in one call


class LookupCoverage(Coverage):
    """Pages, and records that are asked for by their ids.

    `ask` and `again` return the calls to make, each with its ids; `add_ids` takes an answer.
    """

    def __init__(self, pagination: Pagination, size: int, fits: Fits, *, is_whole: bool) -> None:
        super().__init__(pagination, is_whole=is_whole)
        self.lookup = Lookup(size, fits)
        self._failed: list[str] = []  # what was not answered besides pages, and why

    def ask(self, ids: Collection[str]) -> list[list[str]]:
        """The calls that ask for these ids."""
        return self.lookup.ask(ids, self.answered)

    def again(self) -> list[list[str]]:
        """The calls of the next round; none where every id is settled, or where asking is of no more use."""
        calls = self.lookup.again(self.answered)
        if not calls:
            self.answered.update(self.lookup.perhaps_absent)
        return calls

    def add_ids(self, request: Request, ids: Sequence[str | None]) -> list[int]:
        """Take the answer to a call: the id of each of its records, None where it has no usable one.

        Returns the places of the records that the run wants: the known ones are asked for as a proof alone.
        """
        returned = [coin_id for coin_id in ids if coin_id is not None]
        self.lookup.add(meta_of(request)["ids"], returned, len(ids) - len(returned))
        self.answered.update(returned)
        wanted = [place for place, coin_id in enumerate(ids) if coin_id not in self.lookup.known]
        self.pages += 1
        self.records += len(wanted)
        return wanted

    def give_up(self, request: Request, words: str) -> list[Request]:
        if "page" in meta_of(request):
            return super().give_up(request, words)
        self._failed.append(words)
        return []

    def _absent(self) -> list[str]:
        """The ids that the source was asked for and does not have."""
        return [] if self.lookup.doubts() else sorted(self.lookup.absent)


class IdsCoverage(LookupCoverage):
    """Only some records, by their ids: it is proven when the source has answered for each."""

    def __init__(self, pagination: Pagination, size: int, fits: Fits) -> None:
        super().__init__(pagination, size, fits, is_whole=False)

    def ask(self, ids: Collection[str]) -> list[list[str]]:
        calls = super().ask(ids)
        self.expected = self.expected or len(calls)
        return calls

    def doubts(self) -> list[str]:
        return [*self._failed, *self.lookup.doubts()]

    def proof(self) -> str:
        others = ", or was in neither of two answers" if self.lookup.absent else ""
        return f"each of these coins was returned{others}"

    def notes(self) -> list[str]:
        absent = self._absent()
        return [f"not on the market: {', '.join(absent[:10])}"] if absent else []


class ListedCoverage(LookupCoverage):
    """The whole of a source whose list, at the path `listed_at`, names every id that it has.

    The list is the proof. Where it holds, trouble with pages is only worth a note.
    """

    def __init__(self, pagination: Pagination, size: int, fits: Fits, *, listed_at: str) -> None:
        super().__init__(pagination, size, fits, is_whole=True)
        self._list = listed_at
        self._coins_before = self._listed_before = 0
        self._unanswered: set[str] = set()  # ids that the list names and no page had
        self._odd_entries = 0  # of the list: they repeat an id, or have none that a coin can be stored under
        self._list_fault = f"without {listed_at} nothing proves that this is the whole market"

    def compare_with(self, coins: int, listed: int | None) -> None:
        """Take what the last complete run had: so many coins, and so many ids in its list."""
        self._coins_before, self._listed_before = coins, listed or 0

    def add_list(self, ids: Iterable[str], entries: int) -> None:
        """Take the list: the usable ids in it, and how many entries it has."""
        listed = set(ids)
        self.pages += 1
        self.listed, self._unanswered, self._odd_entries = len(listed), listed - self.answered, entries - len(listed)
        self._list_fault = self._fault_in_list(self.listed, self.listed - len(self._unanswered))

    def ask_unanswered(self) -> list[list[str]]:
        """The calls that ask for the ids that the list names and no page had."""
        return self.ask(self._unanswered if (self.listed or 0) <= MAX_LISTED else ())

    @property
    def present(self) -> set[str] | None:
        # What pages and list both lack may still be there, where a page did not come as it should, or where the source
        # counts more.
        return self.answered if self.is_sound and len(self.answered) >= (self.count or 0) else None

    def doubts(self) -> list[str]:
        doubts = [*filter(None, [self._list_fault, self._shortfall()]), *self._failed, *self.lookup.doubts()]
        return doubts + super().doubts() if doubts else []

    def proof(self) -> str:
        return f"{self._list} names {self.listed:,} coins, and each was returned or is not on the market"

    def notes(self) -> list[str]:
        notes = [] if self.doubts() else super().doubts()
        if self._odd_entries:
            odd = f"{self._odd_entries:,}"
            notes.append(f"entries of {self._list} that repeat an id, or have none that can be one: {odd}")
        if self.present is None:
            why = "the API counts more coins than came" if self.is_sound else "not all pages came as they should"
            notes.append(f"no coin was marked missing, because {why}")
        if absent := self._absent():
            notes.append(f"not on the market, though {self._list} names them: {counted(len(absent), 'id')}")
        return notes

    def _fault_in_list(self, listed: int, covered: int) -> str:
        """Why the list does not name the whole market; empty where nothing speaks against it.

        It has `listed` ids, of which pages had `covered`.
        """
        if listed > MAX_LISTED:
            return f"{self._list} names {listed:,} coins, which is not believed"
        if not listed:
            return f"{self._list} has no entry with an id"
        if covered < len(self.answered) * LIST_COVERS:
            return f"{self._list} names only {covered:,} of the {len(self.answered):,} coins that pages had"
        if listed < self._listed_before * LIST_SHARE:
            return f"{self._list} names {listed:,} coins, where the last complete run had {self._listed_before:,}"
        return ""

    def _shortfall(self) -> str:
        """Where pages did not come as they should: that fewer coins came than there must be."""
        if self.is_sound:
            return ""
        known = {"the last complete run": self._coins_before}
        if count := self.count:
            known["the pages' own count"] = count
        else:
            known["the pages' number and size"] = self.least
        came = len(self.answered)
        more = (f"{number:,} by {source}" for source, number in known.items() if came < number)
        return next((f"pages and {self._list} have {counted(came, 'coin')}, of {words}" for words in more), "")
