"""How old the copy is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from operator import attrgetter

from django.conf import settings

from webapp.crawls import past_runs
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Copy:
    """At the moment `now`. The run that its age goes by is looked up once, when it is needed."""

    now: datetime

    @cached_property
    def last_complete(self) -> CrawlRun | None:
        """The complete run of a whole source that ended last. A narrower one proves nothing of what it did not ask."""
        newest: list[CrawlRun] = []
        for spider in SPIDERS:
            ended = past_runs.whole_runs(spider).filter(verdict=Verdict.COMPLETE, finished_at__isnull=False)
            newest += ended[:1]  # runs of one spider never overlap: the last to begin is the last to end
        return max(newest, key=attrgetter("finished_at"), default=None)

    @property
    def is_fresh(self) -> bool | None:
        """Whether that run ended at most DATA_MAX_AGE_HOURS ago; None if the setting says that age does not matter."""
        if not settings.DATA_MAX_AGE_HOURS:
            return None
        run = self.last_complete
        return bool(run and run.finished_at and (self.now - run.finished_at) / HOUR <= settings.DATA_MAX_AGE_HOURS)
