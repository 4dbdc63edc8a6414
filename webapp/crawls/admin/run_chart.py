"""The chart of runs above their list: how long they took, and what they got."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

from django.utils.html import format_html, format_html_join

from webapp.coins.admin.formats import address_of, day_and_time, duration, on_pointing, second
from webapp.coins.numbers import exact
from webapp.crawls.models import CrawlRun

RUNS_SHOWN = 100
# Of the fields of a run, those that the chart needs.
NEEDED = ("verdict", "started_at", "heartbeat_at", "finished_at", "seen", "created", "rejected")
# In units of the drawing. It is as wide as its place, and a unit is a pixel high.
SLOT, BAR = 8, 6.4  # widths
STRIP, GAP = 50.0, 8.0  # heights; admin.css has that of a strip for its label
FEWEST = 30  # slots, so that a few runs are no walls
CUT = 4.0  # the height of the gap in a bar that is cut off
OUTLIER = 10  # times as much as nine of ten runs have at most


@dataclass(frozen=True)
class Measure:
    """What a row of bars shows."""

    label: str
    value: Callable[[CrawlRun, datetime], float]
    words: Callable[[float], str]
    style: str = ""  # a class of its bars; without one they have the colours of the verdicts


def _seconds(run: CrawlRun, now: datetime) -> float:
    return (run.duration_at(now) or timedelta()).total_seconds()


def _whole(number: float) -> str:
    return exact(int(number))


MEASURES = (
    Measure("Duration", _seconds, lambda seconds: duration(timedelta(seconds=seconds))),
    Measure("Seen", lambda run, now: run.seen, _whole, "seen"),
    Measure("New", lambda run, now: run.created, _whole, "new"),
    Measure("Rejected", lambda run, now: run.rejected, _whole, "rejected"),
)


@dataclass(frozen=True)
class Strip:
    """A row of bars with a scale of its own, which ends below outliers: a first crawl would flatten all others."""

    measure: Measure
    values: Sequence[float]

    @cached_property
    def top(self) -> float:
        """The greatest value that is no outlier."""
        some = sorted(value for value in self.values if value > 0)
        most = OUTLIER * some[9 * (len(some) - 1) // 10] if some else 0
        return max((value for value in some if value <= most), default=0)

    @property
    def label(self) -> str:
        words, beyond = self.measure.words, [value for value in self.values if value > self.top]
        cut = f"{len(beyond)} cut off: {words(max(beyond))}" if beyond else ""
        return format_html(
            '<li>{}<span class="quiet">up to {}</span><span class="quiet">{}</span></li>',
            self.measure.label,
            words(self.top),
            cut,
        )

    def bars(self, place: int, verdict: str, x: float, bottom: float) -> str:
        """The bar of one run. One that is cut off has a gap below its end."""
        value, top = self.values[place], self.top
        whole = STRIP - GAP
        if value > top:
            heights = [(bottom, whole - 2 * CUT), (bottom - whole + CUT, CUT)]
        else:
            # Where bars are cut off, the others stay below the gap.
            room = whole - 2 * CUT if max(self.values) > top else whole
            heights = [(bottom, max(1.5, room * value / top))] if value > 0 else []
        style = self.measure.style or verdict
        bars = ((style, f"{x:.1f}", f"{y - height:.1f}", BAR, f"{height:.1f}") for y, height in heights)
        return format_html_join("", '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"></rect>', bars)


def chart(runs: Sequence[CrawlRun], now: datetime) -> str:
    """The runs that have started, the newest first, as bars from left to right; empty without any.

    Each run is a link. The keyboard skips them, because the list below has the same.
    """
    shown = [run for run in reversed(runs) if run.started_at]
    if not shown:
        return ""
    every = [Strip(measure, [measure.value(run, now) for run in shown]) for measure in MEASURES]
    strips = [every[0], *(strip for strip in every[1:] if strip.top)]
    empty = ", ".join(strip.measure.label for strip in every if strip not in strips)
    slots = max(len(shown), FEWEST)
    height = len(strips) * STRIP
    columns = (
        (address_of(run), words(run, now), _column(strips, run, place, slots - len(shown) + place))
        for place, run in enumerate(shown)
    )
    title = f"The last {len(shown)} runs" if len(shown) > 1 else "The last run"
    return format_html(
        '<figure class="run-chart"><figcaption>{}{}</figcaption><ul>{}</ul>'
        '<svg viewBox="0 0 {} {}" height="{}" preserveAspectRatio="none" role="group" aria-label="{}">{}</svg>'
        '<p class="axis{}">{}</p></figure>',
        title,
        f". {empty}: 0 in all of them." if empty else "",
        format_html_join("", "{}", ((strip.label,) for strip in strips)),
        slots * SLOT,
        height,
        height,
        title,
        format_html_join("", '<a href="{0}" tabindex="-1" aria-label="{1}"><title>{1}</title>{2}</a>', columns),
        " short" if len(shown) < slots else "",
        _axis(shown, now),
    )


def _axis(shown: Sequence[CrawlRun], now: datetime) -> str:
    """When the first and the last of them started: all that are shown have."""
    ends = dict.fromkeys(cast(datetime, run.started_at) for run in (shown[0], shown[-1]))
    return format_html_join(" ", "{}", ((on_pointing(one, f"{day_and_time(one, now)} UTC"),) for one in ends))


def _column(strips: Sequence[Strip], run: CrawlRun, place: int, slot: int) -> str:
    x = slot * SLOT + (SLOT - BAR) / 2
    bars = ((strip.bars(place, run.verdict, x, (row + 1) * STRIP),) for row, strip in enumerate(strips))
    return format_html(
        '<rect class="slot" x="{}" y="0" width="{}" height="{}"></rect>{}',
        slot * SLOT,
        SLOT,
        len(strips) * STRIP,
        format_html_join("", "{}", bars),
    )


def words(run: CrawlRun, now: datetime) -> str:
    """What a bar says to a pointer and to screen readers."""
    counts = f"{exact(run.seen)} seen, {exact(run.created)} new, {exact(run.rejected)} rejected"
    return f"{run.verdict}, {second(run.started_at)} UTC, {duration(run.duration_at(now))}: {counts}"
