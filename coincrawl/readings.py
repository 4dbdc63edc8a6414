"""What the pages of one collection contain, by the last answer to each. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    ids: tuple[str, ...]  # different ones
    size: int  # records
    without_id: int  # records without a usable id
    duplicates: int  # records that repeat an id of this page
    count: int | None  # of all records of the source, as this answer gives it

    @classmethod
    def of(cls, size: int, ids: Iterable[str], count: int | None) -> "Reading":
        """A page of `size` records; `ids` are their usable ids."""
        usable = list(ids)
        different = tuple(dict.fromkeys(usable))
        return cls(different, size, size - len(usable), len(usable) - len(different), count)

    @property
    def is_unusable(self) -> bool:
        """Whether the page has records, but none with a usable id."""
        return 0 < self.size == self.without_id


class Readings:
    """The answered pages, by number, and how they compare. `answered` are ids that other answers had."""

    def __init__(self, answered: Iterable[str] = ()) -> None:
        self._pages: dict[int, Reading] = {}
        # By id in any answer: how many pages have it. 0 if only other answers have it, or earlier ones to a page.
        self._holders = Counter(dict.fromkeys(answered, 0))
        self._repeated: set[int] | None = None  # the result of `repeated`, which compares ids

    def put(self, page: int, reading: Reading) -> None:
        """Add a page. It replaces an earlier reading of the same page."""
        if before := self._pages.get(page):
            self._holders.subtract(before.ids)
        self._holders.update(reading.ids)
        self._repeated = None
        self._pages[page] = reading

    def note(self, ids: Iterable[str]) -> None:
        """Add ids of an answer that is not to a page."""
        for coin_id in ids:
            self._holders.setdefault(coin_id, 0)

    def __contains__(self, page: int) -> bool:
        return page in self._pages

    def __getitem__(self, page: int) -> Reading:
        return self._pages[page]

    @property
    def sizes(self) -> dict[int, int]:
        return {page: reading.size for page, reading in self._pages.items()}

    @property
    def answered(self) -> Set[str]:
        """The ids in all answers."""
        return self._holders.keys()

    @property
    def different(self) -> int:
        """How many ids the pages have."""
        return sum(map(bool, self._holders.values()))

    @property
    def without_id(self) -> int:
        return sum(reading.without_id for reading in self._pages.values())

    @property
    def duplicates(self) -> int:
        """Records that repeat the id of another record."""
        return sum(self.sizes.values()) - self.different - self.without_id

    @property
    def last(self) -> int:
        """The last page with a record that no page before it has; 0 if there is none."""
        repeated = self.repeated()
        return max((page for page, size in self.sizes.items() if size and page not in repeated), default=0)

    @property
    def counts_agree(self) -> bool:
        """Whether all counts of the source's records are the same."""
        return len({reading.count for reading in self._pages.values()} - {None}) <= 1

    def repeated(self) -> set[int]:
        """The pages whose ids are all on pages before them."""
        if self._repeated is None:
            copied = [page for page in self._pages if self.is_copied(page)]
            self._repeated = self._repeated_of(copied) if copied else set()
        return self._repeated

    def _repeated_of(self, copied: Collection[int]) -> set[int]:
        repeated, seen = set(), set[str]()
        for page in sorted(self._pages):
            if page in copied and seen.issuperset(self._pages[page].ids):
                repeated.add(page)
            seen.update(self._pages[page].ids)
        return repeated

    def shared(self) -> list[int]:
        """The pages with ids that are on another page too, or twice on the page."""
        return [
            page
            for page, reading in self._pages.items()
            if reading.duplicates or any(self._holders[coin_id] > 1 for coin_id in reading.ids)
        ]

    def is_copied(self, page: int) -> bool:
        """Whether the page has ids, and all of them are on other pages as well."""
        ids = self._pages[page].ids
        return bool(ids) and all(self._holders[coin_id] > 1 for coin_id in ids)

    def unusable(self) -> list[int]:
        return [page for page, reading in self._pages.items() if reading.is_unusable]
