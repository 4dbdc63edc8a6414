"""The columns of the list of runs that show more than a field."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.text import Truncator

from webapp.coins.admin.formats import ago, duration, in_words, mark
from webapp.crawls.admin.run_progress import moment_of, quiet
from webapp.crawls.models import CrawlRun

REASON_SHOWN = 200  # characters


@admin.display(ordering="verdict")
def verdict(run: CrawlRun) -> str:
    """The verdict; if it has no heartbeat any more, this too."""
    shown, silence = mark(run.verdict), run.silence(moment_of(run))
    return format_html('{}<span class="quiet">{}</span>', shown, quiet(silence)) if silence else shown


@admin.display(description="started", ordering="began_at")
def started(run: CrawlRun) -> str:
    return ago(run.started_at)


@admin.display
def reason(run: CrawlRun) -> str:
    """Its first words, clamped to two lines (admin.css), with all of it on pointing."""
    if not run.reason:
        return ""
    shown = Truncator(run.reason).chars(REASON_SHOWN)
    return format_html('<span class="clamped" title="{}"><bdi>{}</bdi></span>', run.reason, shown)


@admin.display(description="duration")
def number_duration(run: CrawlRun) -> str:
    return duration(run.duration_at(moment_of(run)))


@admin.display(description="crawls", ordering="spider")
def what(run: CrawlRun) -> str:
    return f"{run.spider}: {Truncator(in_words(run.arguments)).chars(40)}"
