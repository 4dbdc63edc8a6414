"""How much work a page is, as a number that does not depend on the machine."""

import cProfile
import pstats
from collections.abc import Callable
from typing import Any


def calls_of(act: Callable[[], object]) -> int:
    """How many functions are called."""
    profile = cProfile.Profile()
    profile.runcall(act)
    stats: Any = pstats.Stats(profile)
    return int(stats.total_calls)
