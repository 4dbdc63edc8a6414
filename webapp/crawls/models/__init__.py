"""The work: runs, what they could not store, schedules, nodes, a source's pace and the state of alarms."""

from .alarm import Alarm
from .node import Node
from .pace import SourcePace
from .rejected import RejectedRecord
from .run import CrawlRun
from .schedule import CrawlSchedule

__all__ = ["Alarm", "CrawlRun", "CrawlSchedule", "Node", "RejectedRecord", "SourcePace"]
