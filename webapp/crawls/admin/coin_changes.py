"""When the fields of a coin last changed, and by which runs: said once, and where a group or a field differs."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import cast

from django.utils import timezone
from django.utils.html import format_html, format_html_join

from webapp.coins.admin.formats import ago, day_and_time, instant, link
from webapp.coins.changes import changes_of
from webapp.coins.models import FullCoin
from webapp.crawls.changed_by import runs_storing_at
from webapp.crawls.models import CrawlRun

SEVERAL = "More than one run was under way then, and it is not recorded which of them it was."


@dataclass(frozen=True)
class Changes:
    """Says the date that most fields share once for the coin, and others above their groups or beside their fields.

    Nothing is said of a field that has never had a value.
    """

    coin: FullCoin
    groups: Collection[Collection[str]]  # names of fields
    may_view_runs: bool

    @cached_property
    def _moments(self) -> dict[str, datetime | None]:
        return {name: moment for name, moment in changes_of(self.coin).items() if not self._is_unset(name, moment)}

    def _is_unset(self, name: str, moment: datetime | None) -> bool:
        """Whether it has had no value since the coin was first stored, or since dates are recorded."""
        return getattr(self.coin, name) is None and (moment is None or moment <= self.coin.first_seen_at)

    @cached_property
    def _runs(self) -> dict[datetime, list[CrawlRun]]:
        return runs_storing_at(moment for moment in self._moments.values() if moment)

    @cached_property
    def _shared(self) -> dict[str, datetime | None]:
        """By field, the date that is said above its group, or for the coin."""
        return {name: self._most_common(names) or self._usual for names in self.groups for name in names}

    @cached_property
    def _usual(self) -> datetime | None:
        """The date that is said for the coin."""
        return self._most_common(self._moments)

    @property
    def of_the_coin(self) -> str:
        """What is said above all groups."""
        return self._said(self._usual, self._moments)

    def _most_common(self, names: Iterable[str]) -> datetime | None:
        """The first one of those that most fields share; None if no two share one."""
        counted = Counter(moment for name in names if (moment := self._moments.get(name)))
        return next((moment for moment, number in counted.most_common(1) if number > 1), None)

    def above(self, names: Collection[str]) -> str:
        """What is said above a group; empty if nothing else holds than for the coin."""
        moment = self._most_common(names)
        return "" if moment == self._usual else self._said(moment, names)

    def _said(self, moment: datetime | None, names: Iterable[str]) -> str:
        """Of all of these fields, or of all but those that say something else."""
        if moment is None:
            return ""
        stamped = {self._moments[name] for name in names if name in self._moments}
        others = "" if stamped == {moment} else ", where no other date is given"
        return format_html('<span class="changed">Changed {}{}</span>', self._when(moment), others)

    def beside(self, name: str) -> str:
        """What is said beside a field's value; empty for a field that is not stamped, such as the key."""
        if name not in self._moments:
            return ""
        moment, shared = self._moments[name], self._shared.get(name)
        if moment == shared:
            return ""
        said = self._when(moment) if moment else "date not known"
        return format_html('<span class="changed">{}</span>', said)

    def _when(self, moment: datetime) -> str:
        names = [self._named(run) for run in self._runs[moment]]
        if not names:
            return ago(moment)
        if len(names) == 1:
            return format_html("{}, run {}", ago(moment), names[0])
        together = format_html_join(" or ", "{}", ((name,) for name in names))
        return format_html('{}, <span title="{}">by one of these runs:</span> {}', ago(moment), SEVERAL, together)

    def _named(self, run: CrawlRun) -> str:
        """A run by its start, with the spider and the second on pointing."""
        began = cast(datetime, run.started_at)  # of a run that has stored something
        title = f"{run.spider}, {instant(began)}"
        shown = format_html('<span title="{}">{}</span>', title, day_and_time(began, timezone.now()))
        return link(run, shown) if self.may_view_runs else shown
