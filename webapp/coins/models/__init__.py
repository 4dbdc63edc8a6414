"""The one schema: items, cleaning, the upsert and the admin all derive from these models' fields."""

from .alarm import Alarm
from .coin import FullCoin
from .pace import SourcePace
from .queue import Verdict
from .rejected import RejectedRecord
from .run import CrawlRun
from .schedule import CrawlSchedule, Node

__all__ = ["Alarm", "CrawlRun", "CrawlSchedule", "FullCoin", "Node", "RejectedRecord", "SourcePace", "Verdict"]
