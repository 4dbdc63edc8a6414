"""CoinGecko's rules for `/coins/{id}/market_chart`: what it demands and how dense its answer is."""

import math
from collections.abc import Mapping

from fake_api import answers
from fake_api.exchange import Answer
from fake_api.market import Market

MAX_FREE_DAYS = 365
MAX_HOURLY_DAYS = 100


def market_chart(market: Market, coin_id: str, params: Mapping[str, str], *, paid: bool) -> Answer:
    """The answer to a request for a coin's chart, in a currency that has been checked."""
    if not market.knows(coin_id):
        return answers.NO_SUCH_COIN
    if not params.get("days"):
        return answers.NO_DAYS
    days = _days(params["days"])
    if days is None:
        return answers.WRONG_DAYS
    if days > MAX_FREE_DAYS and not paid:
        return answers.beyond_the_plan(market.now)
    interval = params.get("interval")
    if interval == "5m":
        return answers.ENTERPRISE_ONLY
    if interval not in ("hourly", "daily"):
        interval = "5m" if days <= 1 else "hourly" if days <= 90 else "daily"
    elif interval == "hourly":
        days = min(days, MAX_HOURLY_DAYS)
    decimals = params.get("precision", "")
    precision = int(decimals) if decimals.isdecimal() else None
    return answers.data(market.market_chart(coin_id, days, interval, precision))


def _days(text: str) -> float | None:
    """A number of days above 0, which may have a fraction; infinity for "max"; None for any other text."""
    if text == "max":
        return math.inf
    try:
        days = float(text)
    except ValueError:
        return None
    return days if 0 < days < math.inf else None
