"""Formats values for the admin: dates, pictures, verdicts, numbers, and the columns that show them."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

from webapp.coins.admin.keys import quote
from webapp.coins.numbers import NOTHING, compact, exact

DAY = timedelta(days=1)
CLOCKS_DIFFER = timedelta(minutes=1)  # two that are right, at most
LONG_WAIT = timedelta(hours=1)  # in the queue; a run takes minutes
ZEROS = re.compile("([^₀-₉]*)([₀-₉]*)(.*)")  # the number of zeros, in what `compact` writes
LEGIBLE = Decimal("1E-6")  # the least number whose zeros after the point are easy to count

Show = Callable[[Any], str]  # formats a value
Column = Callable[[Any], str]  # formats a row's value


def second(moment: datetime | None) -> str:
    """A date to the second, for columns whose label says UTC."""
    return moment.isoformat(" ", "seconds").removesuffix("+00:00") if moment else NOTHING


def instant(moment: datetime | None) -> str:
    """A date as exact as it is stored, without trailing zeros."""
    if moment is None:
        return NOTHING
    return moment.isoformat(" ", "microseconds").removesuffix("+00:00").rstrip("0").rstrip(".") + " UTC"


def day_and_time(moment: datetime, now: datetime, clock: str = "%H:%M") -> str:
    """`28 Nov 09:36`, with the year if it is not that of `now`."""
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {moment:%b}{year} {moment:{clock}}"


def on_pointing(moment: datetime, words: str) -> SafeString:
    """The words, with the exact time on pointing."""
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), instant(moment), words)


def ago(moment: datetime | None) -> str:
    """`3 minutes ago`, or the date if that is a day or more ago; with the exact time on pointing.

    A time in the future is shown as it is, and marked.
    """
    if moment is None:
        return NOTHING
    now = timezone.now()
    if abs(now - moment) < CLOCKS_DIFFER:
        words = "just now"
    elif moment > now:
        words = second(moment)
    elif now - moment < DAY:
        words = f"{timesince(moment, now, depth=1)} ago"
    else:
        words = day_and_time(moment, now)
    return on_pointing(moment, words) + future_mark(moment)


def past_instant(moment: datetime | None) -> str:
    """A date of the past to the second, exact on pointing. One in the future is marked: its source's clock is wrong."""
    if moment is None:
        return NOTHING
    return on_pointing(moment, f"{second(moment)} UTC") + future_mark(moment)


def future_mark(moment: datetime) -> SafeString:
    is_ahead = moment - timezone.now() >= CLOCKS_DIFFER
    return mark_safe(' <em class="future">in the future</em>') if is_ahead else mark_safe("")


def due(moment: datetime, now: datetime) -> str:
    """`in 2 hours`, or `due since 2026-02-05 12:00:00 UTC`, marked. The exact time is there on pointing."""
    minute, is_late = timedelta(minutes=1), False
    if moment > now:
        words = f"in {timesince(now, moment, depth=1)}" if moment - now >= minute else "within a minute"
    else:
        is_late = now - moment >= minute
        words = f"due since {second(moment)} UTC" if is_late else "now"
    return on_pointing(moment, late(words) if is_late else words)


def waiting(since: datetime, now: datetime) -> str:
    """`for 20 hours`, with the exact time on pointing, and marked if that is long."""
    age = now - since
    words = f"for {timesince(since, now, depth=1)}" if age >= timedelta(minutes=1) else "for less than a minute"
    return on_pointing(since, late(words) if age >= LONG_WAIT else words)


def late(words: str) -> str:
    return format_html('<em class="late">{}</em>', words)


def icon(url: str | None) -> str:
    """The picture at an https address, if pictures are shown, else nothing. Its host gets no referrer."""
    if not (settings.ADMIN_PICTURES and (url or "").startswith("https://")):
        return ""
    return format_html('<img src="{}" alt="" width="20" height="20" loading="lazy" referrerpolicy="no-referrer">', url)


def picture(url: str | None) -> str:
    """A link with the picture in it."""
    if not (url or "").startswith(("http://", "https://")):
        return url or NOTHING
    return format_html('<a href="{0}" rel="noreferrer">{1} {0}</a>', url, icon(url))


def glance(number: Decimal | int | None) -> str:
    """A number at a glance, with every digit on pointing."""
    shown, digits = compact(number), exact(number)
    if shown == digits:
        return shown
    begin, zeros, rest = ZEROS.match(shown).groups()  # type: ignore[union-attr]  # it matches every text
    if not zeros:
        return format_html('<span title="{}">{}</span>', digits, shown)
    return format_html('<span title="{}">{}<span class="zeros">{}</span>{}</span>', digits, begin, zeros, rest)


def price(number: Decimal | None) -> str:
    """Every digit, unless they come after so many zeros that nobody can read them: then as at a glance."""
    return glance(number) if number and abs(number) < LEGIBLE else exact(number)


def change(percentage: Decimal | None) -> str:
    """A change in percent, with its sign, an arrow and a colour, and every digit on pointing."""
    if percentage is None:
        return NOTHING
    direction, arrow = ("up", "▲ +") if percentage > 0 else ("down", "▼ ") if percentage < 0 else ("level", "")
    is_usual = not percentage or Decimal("0.005") <= abs(percentage) < 10_000
    rounded = f"{percentage:.2f}" if is_usual else compact(percentage)
    shown = f"{arrow}{rounded} %"
    return format_html('<span class="change {}" title="{} %">{}</span>', direction, exact(percentage), shown)


def percent(percentage: Decimal | None) -> str:
    """A change in percent, with its sign, a colour and every digit."""
    if percentage is None:
        return NOTHING
    direction, sign = ("up", "+") if percentage > 0 else ("down", "") if percentage < 0 else ("level", "")
    return format_html('<span class="change {}">{}{} %</span>', direction, sign, exact(percentage))


def mark(verdict: str) -> str:
    """The verdict, with a coloured mark before it (admin.css)."""
    return format_html('<span class="verdict {0}">{0}</span>', verdict)


def duration(span: timedelta | None) -> str:
    """A time span in whole seconds: 0:01:23."""
    return NOTHING if span is None else str(timedelta(seconds=int(span.total_seconds())))


def in_words(arguments: Any) -> str:
    """`pages 4; order id_asc`, or `everything` without arguments. A value that is not a dict is shown as it is."""
    if not isinstance(arguments, dict):
        return str(arguments)
    given = (
        f"{name} {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in arguments.items()
    )
    return "; ".join(given) or "everything"


def counts(numbers: Any) -> str:
    """`coin_id 1,000, name 998`. A value that is not a dict is shown as it is."""
    if not isinstance(numbers, dict):
        return str(numbers)
    return ", ".join(f"{name} {number:,}" for name, number in sorted(numbers.items())) or NOTHING


def address_of(row: models.Model, what: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{what}", args=[quote(row.pk)])


def in_address(moment: datetime) -> str:
    """A time in UTC as the filters of lists take it, without a plus sign."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def address_of_list(model: type[models.Model], **query: str) -> str:
    """The list of a model, with these parameters in its address."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def link(to: models.Model, text: str) -> str:
    return format_html('<a href="{}">{}</a>', address_of(to), text)


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A corner without a heading is an empty cell: screen readers stop at an empty heading."""
    cells = (format_html('<th scope="col">{}</th>' if text else "<td>{}</td>", text) for text in headings)
    head = format_html_join("", "{}", ((cell,) for cell in cells))
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html(
        '<div class="table"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>', head, body
    )


def column(name: str, show: Show, label: str = "") -> Column:
    """A column of the field `name`, formatted by `show` and headed `label`. Lists can be sorted by it."""

    @admin.display(ordering=name, description=label or name.replace("_", " "))
    def value(row: models.Model) -> str:
        return show(getattr(row, name))

    value.__name__ = name
    return value


def number(name: str, label: str = "") -> Column:
    """A column of numbers at a glance, aligned to the right by its name (admin.css)."""
    return numeric(column(name, glance, label))


def numeric(value: Column) -> Column:
    """The column, aligned to the right."""
    value.__name__ = f"number_{value.__name__}"
    return value
