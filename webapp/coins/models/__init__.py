"""The data. Items, cleaning, the upsert and the admin are derived from these models."""

from .coin import FullCoin
from .price import ArchivedDay, CoveredSpan, Price, PriceAbsence, PriceBar, PriceDay, PriceHour, PriceSeries

__all__ = [
    "ArchivedDay",
    "CoveredSpan",
    "FullCoin",
    "Price",
    "PriceAbsence",
    "PriceBar",
    "PriceDay",
    "PriceHour",
    "PriceSeries",
]
