"""How much is measured: everything, or what fits into two minutes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    coins: int  # of the market
    rounds: int
    article_rounds: int  # of those, because the article's method is slow


FULL = Scale(coins=18_000, rounds=3, article_rounds=1)
QUICK = Scale(coins=1_000, rounds=1, article_rounds=1)
