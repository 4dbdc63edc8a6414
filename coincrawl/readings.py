"""What the pages of one collection had, each as it was answered last. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """A page as it was answered."""

    ids: frozenset[str]  # of its records that have one
    size: int  # all its records
    nameless: int  # its records without a usable id
    twice: int  # its records whose id another one has
    count: int | None  # of all records of the source, by the word of this answer

    @classmethod
    def of(cls, size: int, ids: Iterable[str], count: int | None) -> "Reading":
        """A page of `size` records, `ids` are those of the records that have a usable one."""
        usable = list(ids)
        different = frozenset(usable)
        return cls(different, size, size - len(usable), len(usable) - len(different), count)

    @property
    def is_junk(self) -> bool:
        """Whether there are records, and none has a usable id."""
        return 0 < self.size == self.nameless


class Readings:
    """The pages that were answered, by number, and what they have in common."""

    def __init__(self) -> None:
        self._pages: dict[int, Reading] = {}
        self._holders: Counter[str] = Counter()  # by id: how many pages have it
        self._repeated: set[int] | None = None  # what `repeated` has found; it looks at every id

    def put(self, page: int, reading: Reading) -> None:
        """Take a page; what it had before no longer counts."""
        if before := self._pages.get(page):
            self._holders.subtract(before.ids)
        self._holders.update(reading.ids)
        self._repeated = None
        self._pages[page] = reading

    def __contains__(self, page: int) -> bool:
        return page in self._pages

    def __getitem__(self, page: int) -> Reading:
        return self._pages[page]

    @property
    def sizes(self) -> dict[int, int]:
        """By page: how many records it has."""
        return {page: reading.size for page, reading in self._pages.items()}

    @property
    def ids(self) -> set[str]:
        """The ids on all pages."""
        return {coin_id for coin_id, pages in self._holders.items() if pages}

    @property
    def nameless(self) -> int:
        """Records without a usable id."""
        return sum(reading.nameless for reading in self._pages.values())

    @property
    def surplus(self) -> int:
        """Records whose id another record has."""
        return sum(self.sizes.values()) - len(self.ids) - self.nameless

    @property
    def last(self) -> int:
        """The last page with records that are not all on pages before it; 0 where there is none."""
        repeated = self.repeated()
        return max((page for page, size in self.sizes.items() if size and page not in repeated), default=0)

    @property
    def are_counted_alike(self) -> bool:
        """Whether the answers that count the source's records agree on their number."""
        return len({reading.count for reading in self._pages.values()} - {None}) <= 1

    def repeated(self) -> set[int]:
        """The pages that have nothing but ids that are on pages before them."""
        if self._repeated is None:
            self._repeated, seen = set(), set[str]()
            for page, reading in sorted(self._pages.items()):
                if reading.ids and seen.issuperset(reading.ids):
                    self._repeated.add(page)
                seen |= reading.ids
        return self._repeated

    def shared(self) -> list[int]:
        """The pages with ids that are on another page too, or twice on the page."""
        return [
            page
            for page, reading in self._pages.items()
            if reading.twice or any(self._holders[coin_id] > 1 for coin_id in reading.ids)
        ]

    def is_copied(self, page: int) -> bool:
        """Whether all ids of this page, and there are some, are on other pages as well."""
        ids = self._pages[page].ids
        return bool(ids) and all(self._holders[coin_id] > 1 for coin_id in ids)

    def junk(self) -> list[int]:
        """The pages with records, none of which has a usable id."""
        return [page for page, reading in self._pages.items() if reading.is_junk]
