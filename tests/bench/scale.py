"""How much is measured: everything, or what fits into two minutes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    coins: int  # of the market
    rounds: int  # of crawls by each method
    article_rounds: int  # of those, because the article's method is slow
    sizes: tuple[int, int, int]  # markets, for what a coin costs
    size_rounds: int
    window: float  # seconds, in which the API allows 30 calls
    limit_rounds: int
    starts: int  # crawls of one coin, for what start-up takes
    start_rounds: int
    feature_rounds: int
    site_coins: int  # and days of prices, and runs: what the site's database has
    site_days: int
    site_runs: int


FULL = Scale(
    coins=18_000,
    rounds=3,
    article_rounds=1,
    sizes=(2_000, 20_000, 200_000),
    size_rounds=3,
    window=6,
    limit_rounds=1,
    starts=5,
    start_rounds=10,
    feature_rounds=4,
    site_coins=20_000,
    site_days=30,
    site_runs=100_000,
)
QUICK = Scale(
    coins=750,
    rounds=1,
    article_rounds=1,
    sizes=(500, 1_000, 2_000),
    size_rounds=1,
    window=3,
    limit_rounds=1,
    starts=1,
    start_rounds=1,
    feature_rounds=1,
    site_coins=1_000,
    site_days=3,
    site_runs=1_000,
)
