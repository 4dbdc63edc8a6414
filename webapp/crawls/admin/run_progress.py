"""How far a run is that is under way, how long it will still take, and whether it shows signs of life."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.html import format_html

from webapp.coins import clock
from webapp.coins.admin.formats import link, second, waiting
from webapp.coins.numbers import exact
from webapp.coins.texts import counted
from webapp.crawls.models import CrawlRun
from webapp.crawls.models.run import LOST_AFTER
from webapp.crawls.source_age import span
from webapp.crawls.verdict import Verdict

MOST = 99  # percent; only a verdict says that a run is over


@dataclass(frozen=True)
class Progress:
    """A run at the moment `now`, measured by the last complete run of the same arguments, if there is one."""

    run: CrawlRun
    before: CrawlRun | None
    now: datetime

    @property
    def percent(self) -> int | None:
        """The share of the records of the run before, or of its pages if it had none; None if unknown."""
        share = self._share
        return None if share is None else min(MOST, int(100 * share))

    @property
    def left(self) -> timedelta | None:
        """By the pace so far, or at the beginning by the run before; None if unknown, or if it exceeds that run."""
        share, elapsed = self._share, self._elapsed
        if share is None or elapsed is None or share >= 1:
            return None
        if share > 0:
            return elapsed * ((1 - share) / share)
        usual = self.before.duration if self.before else None
        return usual - elapsed if usual and usual > elapsed else None

    @property
    def sentence(self) -> str:
        run = self.run
        if run.verdict == Verdict.PENDING:
            return format_html("It has waited in the queue {}.", waiting(run.queued_at, self.now))
        return f"{counted(run.pages, 'page')} answered, {exact(run.seen)} records seen."

    @property
    def estimate(self) -> str:
        """The time left, and what that is taken from; of a run without heartbeats, that it has none."""
        if self.run.verdict == Verdict.PENDING:
            return ""
        if silence := self.run.silence(self.now):
            told = f"{quiet(silence)}: the last one was at {second(self.run.heartbeat_at)} UTC."
            if silence > LOST_AFTER:
                return f"{told} A scrapyd or the next run of its spider marks it as lost, or you do."
            return f"{told} After {span(LOST_AFTER)} without one it is lost."
        if self.before is None:
            return "No run with these arguments has been complete before, so the time left is unknown."
        basis = link(self.before, "last complete run")
        if self.left is None:
            return format_html("It has taken as much as the {} had. How long it will still take is unknown.", basis)
        return format_html("{} left, by the {}.", about(self.left), basis)

    @property
    def _share(self) -> float | None:
        before = self.before
        if before is None:
            return None
        done, in_all = (self.run.seen, before.seen) if before.seen else (self.run.pages, before.pages)
        return done / in_all if in_all else None

    @property
    def _elapsed(self) -> timedelta | None:
        return max(self.now - self.run.started_at, timedelta()) if self.run.started_at else None


def about(left: timedelta) -> str:
    """A span in words that are no more exact than an estimate is: `About 3 minutes`."""
    seconds = left.total_seconds()
    if seconds < 60:
        return "Less than a minute"
    if seconds < 90 * 60:
        return f"About {counted(round(seconds / 60), 'minute')}"
    return f"About {counted(round(seconds / 3600), 'hour')}"


def quiet(silence: timedelta) -> str:
    """That a run has had no heartbeat for so long."""
    return f"No heartbeat for {how_long(silence)}"


def how_long(silence: timedelta) -> str:
    seconds = int(silence.total_seconds())
    return counted(seconds, "second") if seconds < 120 else span(silence)


# The moment at which a page or a list shows its runs is asked for once, and kept beside each row.
def remember_moment(runs: Iterable[CrawlRun], now: datetime) -> None:
    for run in runs:
        vars(run)["shown_at"] = now


def moment_of(run: CrawlRun) -> datetime:
    """By the database's clock."""
    if "shown_at" not in vars(run):
        remember_moment([run], clock.database_clock())
    return vars(run)["shown_at"]
