"""What is done to many rows, in parts. Each has a transaction of its own, so that crawls do not wait long."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar

from webapp.coins.availability import UNAVAILABLE, StoppedHalfway, impatient_transaction
from webapp.coins.texts import are

MAX_SECONDS = 15  # after which no other part begins; proxies wait for 30
LOCK_SECONDS = 10  # that a part waits for another process

K = TypeVar("K")
T = TypeVar("T")
Message = tuple[str, int]  # and its level


def in_parts(
    keys: Sequence[K], size: int, do: Callable[[Sequence[K]], Sequence[T]], told: Callable[[Sequence[T], str], Message]
) -> Message:
    """Do it to the rows with these keys, `size` at once. Returns what `told` makes of the results.

    `told` also gets a sentence on those that are left, which is empty if there are none. If the database fails, this
    raises StoppedHalfway with the same words, because no message can be stored while it is locked or away.
    """
    done: list[T] = []
    until = monotonic() + MAX_SECONDS
    for start in range(0, len(keys), size):
        number = len(keys) - start
        left = f"{number:,} {are(number)} left"
        if monotonic() > until:
            return told(done, f"{left}, because this took long: do it again.")
        try:
            with impatient_transaction(LOCK_SECONDS):
                part = do(keys[start : start + size])
        except UNAVAILABLE as error:
            words, _ = told(done, f"{left}: do it again.")
            raise StoppedHalfway(words) from error
        done += part
    return told(done, "")
