"""Begins a run in the database: takes its spider's lock, and reads the results of earlier runs."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scrapy.settings import BaseSettings

from coincrawl.source import Source
from coincrawl.stored import Place, place
from webapp.crawls import costs, past_runs, recording
from webapp.crawls.models import CrawlRun, SourcePace
from webapp.crawls.models.pace import Wait
from webapp.crawls.verdict import Verdict


@dataclass(frozen=True)
class Before:
    """The results of earlier complete runs of the same scope; the defaults if there are none."""

    coins: int = 0
    pages: int | None = None
    credits: int | None = None
    listed: int | None = None  # ids in the source's list of all ids
    newest_change: datetime | None = None  # in the source
    usual: Mapping[str, float] = field(default_factory=dict)  # share of records with a value, by field

    @classmethod
    def read(cls, spider: Source) -> "Before":
        usual = past_runs.usual_shares(spider.name, spider.scope)
        for name in spider.settings.getlist("OPTIONAL_FIELDS"):
            usual.pop(name, None)
        url = spider.arguments.get("url")
        newest_change = past_runs.newest_change(spider.name, url) if url else None
        if previous := past_runs.last_complete(spider.name, spider.arguments):
            return cls(previous.coins, previous.pages, previous.credits, previous.listed, newest_change, usual)
        return cls(newest_change=newest_change, usual=usual)


@dataclass(frozen=True)
class Start:
    """What a run begins with. It goes on only if the verdict of its row is `running`."""

    run: CrawlRun
    before: Before
    wait: Wait  # before the first request
    credits_spent: int  # in this month
    place: Place  # of the database's file


def beginning(spider: Source, settings: BaseSettings, key: str, max_rest: float) -> Callable[[], Start]:
    """Return a function that begins the run with this key, for the database's thread.

    The function may be called again if its result was lost. It skips the run if the source has asked for a rest of more
    than `max_rest` seconds. Raises JobError if the key is another run's.
    """
    claim, log_file = settings["JOB_CLAIM"], settings["LOG_FILE"]
    was_free = False

    def begin() -> Start:
        nonlocal was_free
        written, before = place(), Before.read(spider)
        wait = SourcePace.objects.wait(spider.url, spider.credential)
        spent = costs.credits_spent(spider.name) if spider.monthly_credits else 0
        known = CrawlRun.objects.filter(pk=key).first()
        if known and known.verdict != Verdict.PENDING and was_free:  # an earlier call has begun this run
            return Start(known, before, wait, spent, written)
        credits_known = (spider.planned_calls, before.credits, spider.expected_calls)
        was_free = known is None or (known.verdict == Verdict.PENDING and known.claim == claim)
        run = recording.begin(
            spider.name,
            spider.arguments,
            key,
            claim=claim,
            log_file=os.path.abspath(log_file) if log_file else "",
            leave_alone=wait.rest if wait.rest > max_rest else 0.0,
            monthly_credits=spider.monthly_credits,
            expected_credits=next(number for number in (*credits_known, 1) if number is not None),
        )
        return Start(run, before, wait, spent, written)

    return begin
