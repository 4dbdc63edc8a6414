"""The one schema: items, cleaning, the upsert and the admin all derive from these models' fields."""

from .coin import FullCoin
from .rejected import RejectedRecord
from .run import CrawlRun, Verdict

__all__ = ["CrawlRun", "FullCoin", "RejectedRecord", "Verdict"]
