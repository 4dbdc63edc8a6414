"""The chart of runs above their list: how long they took, and what they got."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils.html import format_html, format_html_join

from webapp.coins.admin.formats import address_of, duration, second
from webapp.coins.numbers import exact
from webapp.crawls.models import CrawlRun

RUNS_SHOWN = 100
# Of the fields of a run, those that the chart needs.
NEEDED = ("verdict", "started_at", "heartbeat_at", "finished_at", "seen", "created", "rejected")
# In units of the drawing. It is as wide as its place, and admin.css gives it its height in pixels.
SLOT, BAR = 8, 6.4  # widths
STRIP, GAP = 44, 6  # heights
FEWEST = 30  # slots, so that a few runs are no walls


@dataclass(frozen=True)
class Strip:
    """A row of bars with a scale of its own."""

    label: str
    value: Callable[[CrawlRun], float]
    words: Callable[[float], str]
    style: str = ""  # a class of its bars; without one they have the colours of the verdicts


STRIPS = (
    Strip(
        "Duration", lambda run: (run.duration or timedelta()).total_seconds(), lambda s: duration(timedelta(seconds=s))
    ),
    Strip("Seen", lambda run: run.seen, lambda number: exact(int(number)), "seen"),
    Strip("New", lambda run: run.created, lambda number: exact(int(number)), "new"),
    Strip("Rejected", lambda run: run.rejected, lambda number: exact(int(number)), "rejected"),
)


def chart(runs: Sequence[CrawlRun]) -> str:
    """The runs that have started, the newest first, as bars from left to right; empty without any.

    Each run is a link. The keyboard skips them, because the list below has the same.
    """
    shown = [run for run in reversed(runs) if run.started_at]
    if not shown:
        return ""
    tops = [max(strip.value(run) for run in shown) for strip in STRIPS]
    slots = max(len(shown), FEWEST)
    columns = format_html_join(
        "", "{}", ((_column(run, slots - len(shown) + place, tops),) for place, run in enumerate(shown))
    )
    labels = format_html_join(
        "",
        '<li>{} <span class="quiet">up to {}</span></li>',
        ((strip.label, strip.words(top)) for strip, top in zip(STRIPS, tops, strict=True)),
    )
    title = f"The last {len(shown)} runs" if len(shown) > 1 else "The last run"
    return format_html(
        '<figure class="run-chart"><figcaption>{}, from {} to {} UTC</figcaption><ul>{}</ul>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="group" aria-label="{}">{}</svg></figure>',
        title,
        second(shown[0].started_at),
        second(shown[-1].started_at),
        labels,
        slots * SLOT,
        len(STRIPS) * STRIP,
        title,
        columns,
    )


def _column(run: CrawlRun, slot: int, tops: Sequence[float]) -> str:
    bars = []
    for number, (strip, top) in enumerate(zip(STRIPS, tops, strict=True)):
        value = strip.value(run)
        height = max(1.5, (STRIP - GAP) * value / top) if value > 0 else 0
        bars.append(_bar(slot, (number + 1) * STRIP - height, height, strip.style or run.verdict))
    return format_html(
        '<a href="{0}" tabindex="-1" aria-label="{1}"><title>{1}</title>'
        '<rect class="slot" x="{2}" y="0" width="{3}" height="{4}"></rect>{5}</a>',
        address_of(run),
        words(run),
        slot * SLOT,
        SLOT,
        len(STRIPS) * STRIP,
        format_html_join("", "{}", ((bar,) for bar in bars)),
    )


def _bar(slot: int, y: float, height: float, style: str) -> str:
    return format_html(
        '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"></rect>',
        style,
        f"{slot * SLOT + (SLOT - BAR) / 2:.1f}",
        f"{y:.1f}",
        BAR,
        f"{height:.1f}",
    )


def words(run: CrawlRun) -> str:
    """What a bar says to a pointer and to screen readers."""
    counts = f"{exact(run.seen)} seen, {exact(run.created)} new, {exact(run.rejected)} rejected"
    return f"{run.verdict}, {second(run.started_at)} UTC, {duration(run.duration)}: {counts}"
