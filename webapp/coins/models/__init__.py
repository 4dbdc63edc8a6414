"""The data. Items, cleaning, the upsert and the admin are derived from these models."""

from .coin import FullCoin

__all__ = ["FullCoin"]
