"""A run beside the complete run before it, with links to the coins and records behind the numbers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q
from django.utils.html import format_html

from webapp.coins.admin.formats import address_of_list, duration, in_address, link, mark, second, table
from webapp.coins.models import FullCoin
from webapp.coins.numbers import NOTHING, exact
from webapp.crawls.admin.coin_filters import WITH_HIDDEN
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.verdict import Verdict

COUNTS = (("Pages", "pages"), ("Requests", "requests"), ("Credits", "credits"), ("Seen", "seen"))
# By the field of a coin that dates it: what the list of coins finds.
NEW, CHANGED, MISSING = "first_seen_at", "changed_at", "missing_since"
UPDATED, NEWLY_MISSING, REJECTED = "Updated", "Newly missing", "Rejected"
# Below these labels, where the list has other rows than the run counted.
OF_UPDATED = "The link shows those that have not changed again."
OF_MISSING = "Those that are still missing."
OF_REJECTED = "The list has each kept record once, with the last run that had it."


class Row(NamedTuple):
    label: str
    this: str
    before: str
    difference: str = ""


def beside(run: CrawlRun, before: CrawlRun | None, now: datetime) -> str:
    """A table with both, or with this run alone if none was complete before it.

    While the run is under way it has no differences: they would be those of a part and a whole.
    """
    is_over = run.verdict != Verdict.RUNNING
    runs = [run, before] if before else [run]
    missing = _newly_missing(runs) if is_over else {}
    rows = [_row(label, name, runs) for label, name in COUNTS]
    rows += [_linked("New", "created", NEW, runs), _linked(UPDATED, "updated", CHANGED, runs)]
    if missing:
        links = [link_to_coins(one, MISSING, missing[one.pk]) for one in runs]
        rows.append(_of(NEWLY_MISSING, links, [missing[one.pk] for one in runs]))
    listed = _listed(runs)
    rows.append(_of(REJECTED, [_rejected(one, listed[one.pk]) for one in runs], [one.rejected for one in runs]))
    verdicts = [mark(one.verdict) for one in runs]
    spans = [one.duration_at(now) for one in runs]
    head = [
        _of("Verdict", verdicts),
        Row("Started (UTC)", second(run.started_at), link(before, second(before.started_at)) if before else NOTHING),
        Row("Duration", *_two([duration(span) for span in spans]), _longer(spans)),
    ]
    headings = ["", "This run" if is_over else "This run so far"]
    headings += ["The complete run before" if before else "No complete run before", "Difference"]
    columns = len(headings) if is_over and before else 3
    remarks = {NEWLY_MISSING: OF_MISSING}
    if stores_coins(run) and any(one.updated for one in runs):
        remarks[UPDATED] = OF_UPDATED
    if any(listed[one.pk] != one.rejected for one in runs):
        remarks[REJECTED] = OF_REJECTED
    lines = [row._replace(label=_with_remark(row.label, remarks.get(row.label, ""))) for row in (*head, *rows)]
    return table(headings[:columns], [line[:columns] for line in lines])


def _with_remark(label: str, remark: str) -> str:
    return format_html('{}<span class="quiet">{}</span>', label, remark) if remark else label


def stores_coins(run: CrawlRun) -> bool:
    """Whether its counts are of coins, and not of past prices."""
    return run.spider not in SPIDERS or SPIDERS[run.spider].is_of_coins


def link_to_coins(run: CrawlRun, field: str, number: int) -> str:
    """The number, as a link to the coins whose `field` lies between the run's start and its end."""
    if not number or not run.started_at or not stores_coins(run):
        return exact(number)
    span = {f"{field}_min": in_address(run.started_at)}
    if run.finished_at:
        span[f"{field}_max"] = in_address(run.finished_at)
    if field == CHANGED:  # a new coin and one that is gone have changed, too
        span |= {f"{NEW}_max": in_address(run.started_at), "market": "on the market"}
    return format_html('<a href="{}">{}</a>', address_of_list(FullCoin, **span, **WITH_HIDDEN), exact(number))


def _listed(runs: list[CrawlRun]) -> Mapping[str, int]:
    """By run: how many rejected records it was the last to have. Those that have come again belong to a later run."""
    counts = RejectedRecord.objects.filter(run__in=runs).order_by().values_list("run").annotate(Count("pk"))
    return {run.pk: 0 for run in runs} | dict(counts)


def _rejected(run: CrawlRun, listed: int) -> str:
    """The number, as a link to its records, also to those that are resolved by now; or both numbers, if they differ."""
    if not listed:
        return exact(run.rejected)
    address = address_of_list(RejectedRecord, run=run.pk, status="All")
    if listed == run.rejected:
        return format_html('<a href="{}">{}</a>', address, exact(listed))
    return format_html('{}; <a href="{}">{} in the list</a>', exact(run.rejected), address, exact(listed))


def _newly_missing(runs: list[CrawlRun]) -> Mapping[str, int]:
    """By run: how many coins are missing since it. Empty if none of them has looked: it was narrowed to a part."""
    if not stores_coins(runs[0]) or not any(run.missing for run in runs):
        return {}
    spans = {
        f"of_{place}": Count("pk", filter=Q(missing_since__gte=run.started_at, missing_since__lte=run.finished_at))
        for place, run in enumerate(runs)
        if run.started_at and run.finished_at
    }
    found = FullCoin.objects.filter(missing_since__isnull=False).aggregate(**spans) if spans else {}
    return {run.pk: found.get(f"of_{place}", 0) for place, run in enumerate(runs)}


def _row(label: str, name: str, runs: list[CrawlRun]) -> Row:
    numbers = [getattr(run, name) for run in runs]
    return _of(label, [exact(number) for number in numbers], numbers)


def _linked(label: str, name: str, field: str, runs: list[CrawlRun]) -> Row:
    numbers = [getattr(run, name) for run in runs]
    return _of(label, [link_to_coins(run, field, getattr(run, name)) for run in runs], numbers)


def _of(label: str, shown: list[str], numbers: list[int] | None = None) -> Row:
    difference = f"{numbers[0] - numbers[1]:+,}" if numbers and len(numbers) == 2 else ""
    return Row(label, *_two(shown), "0" if difference == "+0" else difference)


def _two(shown: list[str]) -> tuple[str, str]:
    return shown[0], shown[1] if len(shown) == 2 else NOTHING


def _longer(spans: list[timedelta | None]) -> str:
    if len(spans) < 2 or spans[0] is None or spans[1] is None:
        return ""
    difference = spans[0] - spans[1]
    return f"{'-' if difference < timedelta() else '+'}{duration(abs(difference))}"
