"""How old the copy is: when a run last proved that it had seen all of its source."""

from datetime import datetime
from typing import cast

from django.conf import settings
from django.db.models import Q

from .catalog import SPIDERS
from .models import CrawlRun, Verdict


def last_complete() -> CrawlRun | None:
    """The complete run of a whole source that ended last: a narrower one says nothing of what it did not ask for."""
    # Runs of one spider never overlap: the last to begin, which an index finds, is the last to end.
    newest = (_newest(spider, entry.narrowing) for spider, entry in SPIDERS.items())
    return max((run for run in newest if run), key=_end, default=None)


def is_fresh(now: datetime) -> bool | None:
    """Whether that run ended at most DATA_MAX_AGE_HOURS ago; None where the setting says that age does not matter."""
    if not settings.DATA_MAX_AGE_HOURS:
        return None
    run = last_complete()
    return run is not None and (now - _end(run)).total_seconds() <= settings.DATA_MAX_AGE_HOURS * 3600


def _newest(spider: str, narrowing: tuple[str, ...]) -> CrawlRun | None:
    ended = CrawlRun.objects.filter(spider=spider, verdict=Verdict.COMPLETE, finished_at__isnull=False)
    whole = ended.filter(*(~Q(arguments__has_key=name) for name in narrowing))
    return whole.order_by("-started_at").first()


def _end(run: CrawlRun) -> datetime:
    return cast(datetime, run.finished_at)  # it has ended
