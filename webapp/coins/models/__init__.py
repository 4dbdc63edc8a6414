"""The data. Items, cleaning, the upsert and the admin are derived from these models."""

from .coin import FullCoin
from .lists import ChosenColumns, NamedView
from .price import ArchivedDay, CoveredSpan, Price, PriceAbsence, PriceBar, PriceDay, PriceHour, PriceSeries
from .review import CoinReview

__all__ = [
    "ArchivedDay",
    "ChosenColumns",
    "CoinReview",
    "CoveredSpan",
    "FullCoin",
    "NamedView",
    "Price",
    "PriceAbsence",
    "PriceBar",
    "PriceDay",
    "PriceHour",
    "PriceSeries",
]
