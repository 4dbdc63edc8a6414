"""Asks for records by their ids, until it is known which of them the source has. Pure.

An answer without a record does not yet prove that the source lacks it: the answer may be incomplete. So each call also
asks for some known records, which the source has sent before. If all of these come back, the answer is trusted.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from webapp.coins.texts import counted

KNOWN_IN_A_CALL = 10  # known records that a call also asks for
MIN_ROUNDS = 2
MAX_POOR_ROUNDS = 3  # then no further round is made
POOR = 0.1  # a round is poor if it returns a smaller share of its ids
MAX_NAMED = 10  # ids in a sentence


class Lookup:
    """Makes rounds of calls. Each round asks for the ids that no answer had so far.

    `size` is the most ids in a call, and `fits` says whether a list of ids fits into one call. `ask` returns the calls
    of the first round, `add` takes the answer to a call, and `again` returns the calls of the next round. If there are
    none, `absent` are the ids that the source does not have, unless there are `doubts`.
    """

    def __init__(self, size: int, fits: Callable[[Sequence[str]], bool]) -> None:
        self.absent: set[str] = set()  # ids that were asked for and did not come
        # Absent ids for which some answer had a record without an id: it may be theirs.
        self.perhaps_absent: set[str] = set()
        self.known: set[str] = set()  # ids that each call of this round also asks for
        self._size, self._fits = size, fits
        self._with_comma: list[str] = []  # ids that `ids=` cannot ask for
        self._untrusted: set[str] = set()  # absent ids whose answer lacks a known record, or has a foreign one
        self._is_foreign = False  # an answer of this round had records that were not asked for
        self._asked = self._received = self._rounds = self._poor_rounds = 0
        self._is_trusted = False  # all answers of the last round with known records had all of these

    def ask(self, ids: Iterable[str], known: Collection[str] = ()) -> list[list[str]]:
        """The calls of a round, each a list of ids. `known` are ids of records that the source has sent before."""
        askable: list[str] = []
        for coin_id in sorted(ids):
            (self._with_comma if "," in coin_id else askable).append(coin_id)
        self._rounds += 1
        self._asked, self._received, self._is_foreign = len(askable), 0, False
        self.absent, self._untrusted = set(), set()
        asked = set(askable)
        candidates = sorted(coin_id for coin_id in known if coin_id not in asked)
        every = len(candidates) // KNOWN_IN_A_CALL or 1
        some = [coin_id for coin_id in candidates[self._rounds % every :: every] if "," not in coin_id]
        self.known = set(some[:KNOWN_IN_A_CALL])
        calls: list[list[str]] = []
        for coin_id in askable:
            if not calls or len(calls[-1]) == self._size or not self._fits([*calls[-1], coin_id]):
                calls.append(sorted(self.known))
            calls[-1].append(coin_id)
        return calls

    def add(self, call: Collection[str], returned: Collection[str], without_id: int) -> None:
        """Take the answer to a call: its ids, and the number of its records without an id.

        An answer with records that were not asked for proves nothing.
        """
        is_foreign = not set(returned) <= set(call)
        missing = set(call).difference(returned, self.known)
        self._is_foreign |= is_foreign
        self._received += len(set(returned).intersection(call) - self.known)
        self.absent |= missing
        self.perhaps_absent.difference_update(returned)
        if without_id:
            self.perhaps_absent |= missing
        if is_foreign or not self.known <= set(returned):
            self._untrusted |= missing

    def again(self, known: Collection[str] = ()) -> list[list[str]]:
        """The calls of the next round. Empty if all ids are settled, or if the last rounds returned too little."""
        self._poor_rounds += self._received < self._asked * POOR
        # A source may send only the known records and leave others out. So a trusted round is followed by one without
        # known records: a source that has some of the ids must then send them.
        if self.known:
            self._is_trusted = not self._untrusted
        elif self._received:
            self._is_trusted = False
        is_hopeless = not known and self._rounds >= MIN_ROUNDS
        if not self.absent or self._is_settled() or is_hopeless or self._poor_rounds >= MAX_POOR_ROUNDS:
            return []
        return self.ask(self.absent, () if self._is_trusted else known)

    def _is_settled(self) -> bool:
        """Whether the absent ids did not come together with all known records, and did not come alone either."""
        return self._is_trusted and not (self.known or self._received or self._untrusted)

    def doubts(self) -> list[str]:
        """Why the source may have some of the absent ids."""
        doubts = []
        if self._with_comma:
            doubts.append(
                f"{_ids(self._with_comma)} cannot be asked for by ids=, because of a comma: "
                f"{' '.join(self._with_comma[:MAX_NAMED])}"
            )
        if self._is_foreign and self.absent:
            doubts.append(f"{_ids(self.absent)} had no answer, but the answers have coins that were not asked for")
        elif self._untrusted and self.known:
            doubts.append(
                f"{_ids(self._untrusted)} had no answer, but the same answers lack coins that are known to be there"
            )
        elif self.absent and not self._is_settled():
            doubts.append(f"{_ids(self.absent)} had no answer in {counted(self._rounds, 'round')} of asking")
        return doubts


def _ids(ids: Collection[str]) -> str:
    return counted(len(ids), "id")
