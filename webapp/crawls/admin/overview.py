"""The front page of the admin: whether the data can be trusted now, in a sentence for each check of the monitoring."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join

from webapp.coins.admin.formats import address_of_list, ago, due, in_words, link
from webapp.coins.models import FullCoin
from webapp.coins.numbers import exact
from webapp.coins.texts import counted
from webapp.crawls import costs, past_runs
from webapp.crawls.admin.coin_filters import WITH_HIDDEN
from webapp.crawls.admin.run_progress import Progress, how_long
from webapp.crawls.admin.runs import mark_alone
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, RejectedRecord
from webapp.crawls.models.run import LOST_AFTER
from webapp.crawls.monitoring import CHECKS, NO_NODE
from webapp.crawls.source_age import span
from webapp.crawls.state import DAY, State
from webapp.crawls.verdict import Verdict

SLOTS_SHOWN = 3
GOOD, UNSURE, BAD = "good", "unsure", "bad"
ENDED_BADLY = (Verdict.FAILED, Verdict.LOST)
WORRYING = (*ENDED_BADLY, Verdict.PARTIAL, Verdict.INTERRUPTED)
# An order is a number of a column, and each person has columns of their own.
NEWEST_FIRST = {"columns": "coin,current_price,last_updated", "o": "-3"}


@dataclass(frozen=True)
class Sentence:
    """What a check says, how good that is, and the page that shows more."""

    state: str
    words: str
    address: str


class Overview:
    def __init__(self) -> None:
        self.state = State.check()
        self.runs = self.state.last_runs
        self.schedules = list(CrawlSchedule.objects.filter(enabled=True).order_by("next_run_at", "name"))

    @property
    def sentences(self) -> Iterator[Sentence]:
        """In the order of the checks. A check that fails says what the watcher says."""
        for check in CHECKS:
            if check == "prices" and not settings.PRICE_HISTORY:
                continue
            sentence: Sentence = getattr(self, f"_{check}")()
            problem = self.state.problems.get(check, "")
            address = address_of_list(Node) if problem.startswith(NO_NODE) else sentence.address
            yield Sentence(BAD, problem, address) if problem else sentence

    def _data(self) -> Sentence:
        run = self.state.last_complete
        if run is None:
            return Sentence(UNSURE, "No run of a whole source has been complete yet.", address_of_list(CrawlRun))
        coins = counted(self.state.coins - self.state.missing, "coin")
        words = format_html("All {}, proven complete {}.", coins, ago(run.finished_at))
        return Sentence(GOOD, words, address_of_list(CrawlRun, verdict=Verdict.COMPLETE))

    def _source(self) -> Sentence:
        newest = self.state.last_updated
        if newest is None:
            return Sentence(UNSURE, "No coin says when it was last updated.", address_of_list(FullCoin))
        words = f"The newest data of the source is {span(self.state.now - newest)} old."
        return Sentence(GOOD, words, address_of_list(FullCoin, **NEWEST_FIRST))

    def _schedule(self) -> Sentence:
        if not self.schedules:
            return Sentence(UNSURE, "No schedule is enabled: runs are started by hand.", address_of_list(CrawlSchedule))
        are = "is" if len(self.schedules) == 1 else "are"
        words = f"{counted(len(self.schedules), 'schedule')} {are} enabled, and a scrapyd is alive."
        return Sentence(GOOD, words, address_of_list(CrawlSchedule))

    def _runs(self) -> Sentence:
        verdicts = Counter(run.verdict for run in self.runs)
        if not verdicts:
            return Sentence(UNSURE, "No run has begun yet.", address_of_list(CrawlRun))
        words = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common())
        silences = [silence for run in self.runs if (silence := run.silence(self.state.now))]
        if silences:
            of = "1 run has" if len(silences) == 1 else f"{len(silences)} runs have"
            words += f". {of} had no heartbeat for {how_long(max(silences))}"
        if self._last_ended() in ENDED_BADLY or any(silence > LOST_AFTER for silence in silences):
            state = BAD
        else:
            state = UNSURE if silences or verdicts.keys() & {*WORRYING} else GOOD
        return Sentence(state, f"Of the last {counted(len(self.runs), 'run')}: {words}.", address_of_list(CrawlRun))

    def _last_ended(self) -> str:
        """The verdict of the last run that is over and was not skipped; empty without one."""
        over = (run.verdict for run in self.runs if run.verdict not in (Verdict.RUNNING, Verdict.SKIPPED))
        return next(over, "")

    def _rejected(self) -> Sentence:
        number, address = self.state.rejected, address_of_list(RejectedRecord)
        if not number:
            return Sentence(GOOD, "No rejected record needs a person.", address)
        words = f"{counted(number, 'rejected record')} {'needs' if number == 1 else 'need'} a person."
        return Sentence(UNSURE, words, address)

    def _prices(self) -> Sentence:
        done = "rolled up and archived" if settings.ARCHIVE_URL else "rolled up"
        return Sentence(GOOD, f"Prices over time are {done} in time.", address_of_list(FullCoin))

    # The other parts of the page ---------------------------------------------------------------
    @property
    def marks(self) -> str:
        """The last runs, the oldest on the left."""
        return format_html_join("", "{}", ((mark_alone(run),) for run in reversed(self.runs)))

    @cached_property
    def under_way(self) -> list[dict[str, Any]]:
        """The runs that are running or queued, with their progress."""
        return [
            {
                "run": link(run, f"{run.spider}: {in_words(run.arguments)[:80]}"),
                "progress": Progress(run, _run_before(run), self.state.now),
            }
            for run in self.state.under_way
        ]

    @property
    def next_slots(self) -> list[dict[str, Any]]:
        return [
            {"schedule": link(schedule, schedule.name), "slot": due(schedule.next_run_at, self.state.now)}
            for schedule in self.schedules
            if schedule.next_run_at
        ][:SLOTS_SHOWN]

    @property
    def budget(self) -> costs.Budget | None:
        """None if the plan does not count credits."""
        return costs.Budget.of(self.schedules, self.state.now) if settings.COINGECKO_MONTHLY_CREDITS else None

    @property
    def is_first_day(self) -> bool:
        """Whether no coin was stored before yesterday."""
        return self.state.new_since_yesterday == self.state.coins

    @property
    def since_yesterday(self) -> list[dict[str, Any]]:
        """New, changed and missing coins, with links to them."""
        since = (self.state.now - DAY).isoformat()
        counts = (
            (self.state.new_since_yesterday, "new", "first_seen_at"),
            (self.state.changed_since_yesterday, "changed", "changed_at"),
            (self.state.missing_since_yesterday, "missing", "missing_since"),
        )
        return [
            {
                "number": exact(number),
                "words": words,
                "address": address_of_list(FullCoin, **{f"{field}_min": since} | WITH_HIDDEN),
            }
            for number, words, field in counts
        ]


def _run_before(run: CrawlRun) -> CrawlRun | None:
    """What the progress of a run is measured by; a job that waits has none yet."""
    return past_runs.last_complete(run.spider, run.arguments) if run.verdict == Verdict.RUNNING else None
