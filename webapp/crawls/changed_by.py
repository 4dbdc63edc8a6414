"""Which runs stored coins at a moment, to say by which run a coin or one of its fields was changed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models.expressions import RawSQL

from webapp.crawls.catalog import spiders_like
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import LOST_AFTER
from webapp.crawls.verdict import Verdict

SPIDERS_OF_COINS = spiders_like("markets")
BEGAN = [verdict for verdict in Verdict if verdict not in (Verdict.PENDING, Verdict.SKIPPED)]


def _rows(number: int) -> str:
    """As many rows of one parameter."""
    return ", ".join(["(%s)"] * number)


# Runs of one spider follow each other, so only the newest that had begun can be the one. With the verdict, the index
# `runs_by_verdict` finds it at once, however many runs there are.
NEWEST = f"""
    WITH spiders (spider) AS (VALUES {_rows(len(SPIDERS_OF_COINS))}),
        verdicts (verdict) AS (VALUES {_rows(len(BEGAN))}),
        moments (moment) AS (VALUES {{moments}})
    SELECT (
        SELECT run.id FROM crawls_crawlrun AS run
        WHERE run.verdict = verdicts.verdict AND run.spider {{spider_is}} spiders.spider
            AND run.started_at <= moments.moment
        ORDER BY run.spider, run.started_at DESC LIMIT 1
    ) FROM spiders CROSS JOIN verdicts CROSS JOIN moments
"""  # noqa: S608 - texts are parameters

# With `=`, PostgreSQL drops the spider from the order, and may then read the index of all runs by date: a million of
# them if none has this spider and verdict. With >= and <= the spider stays in the order, as only `runs_by_verdict` is.
SPIDER_IS = {"sqlite": "=", "postgresql": ">= spiders.spider AND run.spider <="}


def runs_storing_at(moments: Iterable[datetime]) -> dict[datetime, list[CrawlRun]]:
    """By moment, the runs of spiders of coins that were under way then, the newest first.

    A moment is a `changed_at`, also if it is rounded down to the millisecond, as those of `changes_of`. It usually has
    one run: more if runs of two spiders were under way, none if the run was deleted, or if clocks were wrong. It is one
    query, made for as many moments as a page has.
    """
    sought = [*dict.fromkeys(moments)]
    if not sought:
        return {}
    parameters = [*SPIDERS_OF_COINS, *BEGAN, *(_for_database(_last(moment)) for moment in sought)]
    spider_is = SPIDER_IS[connection.vendor]
    newest = RawSQL(NEWEST.format(moments=_rows(len(sought)), spider_is=spider_is), parameters)  # noqa: S611 - no texts
    runs = list(CrawlRun.objects.filter(pk__in=newest).order_by("-started_at", "pk").defer("log_tail"))
    return {moment: [run for run in runs if _is_under_way(run, moment)] for moment in sought}


def _for_database(moment: datetime) -> Any:
    return CrawlRun._meta.get_field("started_at").get_db_prep_value(moment, connection)


def _first(moment: datetime) -> datetime:
    """The first microsecond of its millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)


def _last(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000 + 999)


def _is_under_way(run: CrawlRun, moment: datetime) -> bool:
    """Whether the run had begun and was not over in this millisecond. SQLite dates the ends of runs no closer."""
    end = run.finished_at
    if run.verdict == Verdict.RUNNING and run.heartbeat_at:
        end = run.heartbeat_at + LOST_AFTER
    return bool(run.started_at and end and run.started_at <= _last(moment) and _first(moment) <= end)
