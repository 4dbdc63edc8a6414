"""The work: runs, what they could not store, the queue, the schedules and what people are told."""

from .alarm import Alarm
from .pace import SourcePace
from .queue import Verdict
from .rejected import RejectedRecord
from .run import CrawlRun
from .schedule import CrawlSchedule, Node

__all__ = ["Alarm", "CrawlRun", "CrawlSchedule", "Node", "RejectedRecord", "SourcePace", "Verdict"]
