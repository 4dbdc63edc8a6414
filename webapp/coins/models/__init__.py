"""The data: the one schema that items, cleaning, the upsert and the admin derive from."""

from .coin import FullCoin

__all__ = ["FullCoin"]
