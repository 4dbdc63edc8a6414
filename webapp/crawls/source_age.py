"""Sources that stand still or fall behind: they answer, and their data gets older."""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Max, Q, QuerySet
from django.utils.timesince import timesince

from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlRun
from webapp.crawls.problem import Problem
from webapp.crawls.verdict import Verdict

SAMPLE = 250  # coins; of fewer, none may have been traded for weeks
USUAL_TIMES = 3
DATES_COMPARED = 10_000  # three weeks of a source that is crawled every three minutes


def old_sources() -> Iterator[Problem]:
    """A problem for each spider whose source has data that is too old.

    It is too old if its age at the end of the last run was more than SOURCE_MAX_AGE_HOURS, and more than USUAL_TIMES
    its usual age. Runs of a few coins do not count.
    """
    limit = settings.SOURCE_MAX_AGE_HOURS * 3600
    if not limit:
        return
    for spider in SPIDERS:
        of_many = CrawlRun.objects.filter(Q(is_whole=True) | Q(seen__gte=SAMPLE), spider=spider)
        dated = of_many.filter(newest_update__isnull=False, finished_at__isnull=False)
        last = dated.filter(verdict__in=(Verdict.COMPLETE, Verdict.PARTIAL)).order_by("-began_at").first()
        age = last and last.age_of_data
        if not last or not age or age.total_seconds() <= limit:
            continue
        usual = usual_age(ages_before(dated.filter(verdict=Verdict.COMPLETE), last), limit)
        if usual is None or age.total_seconds() > USUAL_TIMES * usual:
            before = f" Before that it was usually {span(timedelta(seconds=usual))} old." if usual is not None else ""
            yield Problem(
                f"The source of {spider} answers, but its data is old: the newest last_updated "
                f"({last.newest_update:%F %T} UTC) was {span(age)} old when the last run ended.{before} "
                "Check the source, or raise SOURCE_MAX_AGE_HOURS if this is normal.",
                last,
            )


def ages_before(complete: QuerySet[CrawlRun], last: CrawlRun) -> list[float]:
    """How many seconds old this source's data became before newer data came, the oldest first.

    Each newest date counts once, however many runs have seen it; that of the `last` run does not count.
    """
    if "url" in last.arguments:
        complete = complete.filter(arguments__url=last.arguments["url"])
    others = complete.exclude(newest_update=last.newest_update).values("newest_update")
    dates = others.annotate(end=Max("finished_at")).order_by("-end").values_list("end", "newest_update")
    return [(end - newest).total_seconds() for end, newest in reversed(dates[:DATES_COMPARED])]


def usual_age(ages: Iterable[float], limit: float) -> float | None:
    """The first quartile of the ages that were not too old, compared with those before them; None without any age.

    So a source that falls behind, at once or slowly, fails its check until it catches up.
    """
    usual: list[float] = []  # sorted
    for age in ages:
        if not usual or age <= max(limit, USUAL_TIMES * first_quartile(usual)):
            insort(usual, age)
    return first_quartile(usual) if usual else None


def first_quartile(ordered: Sequence[float]) -> float:
    """The first quartile of sorted numbers."""
    return ordered[(len(ordered) - 1) // 4]


def span(age: timedelta) -> str:
    """A span of time, such as 4 weeks, 2 days; `less than a minute` also if it is negative, as by a wrong clock."""
    since = datetime(2000, 1, 1, tzinfo=UTC)
    return timesince(since, since + age) if age >= timedelta(minutes=1) else "less than a minute"
