"""Records that are asked for by their ids, until the source has answered for each. Pure.

An answer without a record proves that the source does not have it only where the same answer has records that the
source is known to have. So each call asks for some of those as well.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from webapp.coins.texts import counted

KNOWN_IN_A_CALL = 10  # records; a source that sends fewer than that at once leaves others out
MIN_ROUNDS = 2  # in which a record is asked for
MAX_POOR_ROUNDS = 3  # before asking is given up
POOR = 0.1  # of the ids that a round asks for; one that brings fewer is poor
MAX_NAMED = 10  # ids in a sentence


class Lookup:
    """Asks in rounds of calls, each round for what no answer had so far.

    `size` is how many ids a call may have, and `fits` says whether these can be in one call. `ask` returns the calls
    of the first round, `add` takes the answer to each, and `again` returns the calls of the next round: none where no
    further one is of use. Then `absent` are the ids that the source does not have, unless `doubts` says why not.
    """

    def __init__(self, size: int, fits: Callable[[Sequence[str]], bool]) -> None:
        self.absent: set[str] = set()  # in no answer, although asked for
        self.perhaps_absent: set[str] = set()  # of those: the answer had a record without an id, which may be theirs
        self.known: set[str] = set()  # records that each call of this round asks for as well
        self._size, self._fits = size, fits
        self._unaskable: list[str] = []
        self._unbelieved: set[str] = set()  # of those absent: the answer did not have all known records
        self._is_foreign = False  # an answer of this round had other records than were asked for
        self._asked = self._came = self._rounds = self._poor_rounds = 0
        self._is_believed = False  # the last round beside known records had all of them in all its answers

    def ask(self, ids: Iterable[str], known: Collection[str] = ()) -> list[list[str]]:
        """The calls of a round, each with its ids. `known` are ids of records that the source has sent before."""
        askable: list[str] = []
        for coin_id in sorted(ids):
            (self._unaskable if "," in coin_id else askable).append(coin_id)
        self._rounds += 1
        self._asked, self._came, self._is_foreign = len(askable), 0, False
        self.absent, self.perhaps_absent, self._unbelieved = set(), set(), set()
        candidates = sorted(set(known).difference(askable))
        every = len(candidates) // KNOWN_IN_A_CALL or 1
        some = [coin_id for coin_id in candidates[self._rounds % every :: every] if "," not in coin_id]
        self.known = set(some[:KNOWN_IN_A_CALL])
        calls: list[list[str]] = []
        for coin_id in askable:
            if not calls or len(calls[-1]) == self._size or not self._fits([*calls[-1], coin_id]):
                calls.append(sorted(self.known))
            calls[-1].append(coin_id)
        return calls

    def add(self, call: Collection[str], returned: Collection[str], nameless: int) -> None:
        """Take the answer to a call: the ids that it has, and how many records without one.

        An answer with other records than were asked for proves nothing.
        """
        is_foreign = not set(returned) <= set(call)
        missing = set(call).difference(returned, self.known)
        self._is_foreign |= is_foreign
        self._came += len(set(returned).intersection(call) - self.known)
        self.absent |= missing
        if nameless:
            self.perhaps_absent |= missing
        if is_foreign or not self.known <= set(returned):
            self._unbelieved |= missing

    def again(self, known: Collection[str] = ()) -> list[list[str]]:
        """The calls of the next round; none where every id is settled, or where asking has been of little use."""
        self._poor_rounds += self._came < self._asked * POOR
        # A source may send all known records and yet leave others out: alone it would have to send some of those.
        if self.known:
            self._is_believed = not self._unbelieved
        elif self._came:
            self._is_believed = False
        is_hopeless = not known and self._rounds >= MIN_ROUNDS
        if not self.absent or self._is_settled() or is_hopeless or self._poor_rounds >= MAX_POOR_ROUNDS:
            return []
        return self.ask(self.absent, () if self._is_believed else known)

    def _is_settled(self) -> bool:
        """Whether what is absent was in no answer beside known records, and alone brought nothing."""
        return self._is_believed and not (self.known or self._came or self._unbelieved)

    def doubts(self) -> list[str]:
        """Why the source may have what is said to be absent."""
        doubts = []
        if self._unaskable:
            doubts.append(
                f"{_ids(self._unaskable)} cannot be asked for by ids=, because of a comma: "
                f"{' '.join(self._unaskable[:MAX_NAMED])}"
            )
        if self._is_foreign and self.absent:
            doubts.append(f"{_ids(self.absent)} had no answer, but the answers have coins that were not asked for")
        elif self._unbelieved and self.known:
            doubts.append(
                f"{_ids(self._unbelieved)} had no answer, but the same answers lack coins that are known to be there"
            )
        elif self.absent and not self._is_settled():
            doubts.append(f"{_ids(self.absent)} had no answer in {counted(self._rounds, 'round')} of asking")
        return doubts


def _ids(ids: Collection[str]) -> str:
    return counted(len(ids), "id")
