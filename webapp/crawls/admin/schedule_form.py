"""The form of a schedule: its arguments as a person writes them, and errors at the field they belong to."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from webapp.coins import clock
from webapp.coins.admin.formats import table
from webapp.crawls.catalog import SPIDERS, ArgumentError, SpiderEntry, as_texts, parse_arguments
from webapp.crawls.models import CrawlSchedule

SLOTS_SHOWN = 5


class ArgumentsField(forms.Field):
    """A `name=value` a line. Cleaned, it is the texts by name."""

    widget = forms.Textarea(attrs={"rows": 5, "cols": 60, "spellcheck": "false", "class": "arguments"})

    def prepare_value(self, value: Any) -> str:
        """The lines. Invalid arguments are shown as they are, to be corrected."""
        if value is None:
            return ""
        texts = _texts(value)
        return str(value) if texts is None else "\n".join(f"{name}={text}" for name, text in texts.items())

    def to_python(self, value: str | None) -> dict[str, str]:
        texts: dict[str, str] = {}
        for line in (value or "").splitlines():
            name, sign, text = (part.strip() for part in line.partition("="))
            if not (name or sign):
                continue
            if not (name and sign and text):
                raise ValidationError(f"The line {line.strip()!r} must be name=value.")
            if name in texts:
                raise ValidationError(f"{name} is given twice.")
            texts[name] = text
        return texts

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(_texts(initial), data)


def _texts(arguments: Any) -> dict[str, str] | None:
    """None if they are invalid, which a row that was written by hand may be."""
    try:
        return as_texts(arguments)
    except (AttributeError, TypeError):
        return None


def help_on_time_zones() -> str:
    """With suggestions for the field, which refers to them."""
    zones = format_html_join("", '<option value="{}">', ((zone,) for zone in sorted(available_timezones())))
    words = "The time zone of the crontab: UTC, or a name such as Europe/Berlin."
    return format_html('{}<datalist id="time-zones">{}</datalist>', words, zones)


def help_on_arguments() -> str:
    spiders = format_html_join(
        "",
        "<details><summary>{}</summary><ul>{}</ul></details>",
        ((f"Arguments of {name}", _help_on(entry)) for name, entry in SPIDERS.items()),
    )
    return format_html(
        "One name=value on each line, as after <code>scrapy crawl -a</code>. Without any, it crawls the whole source."
        "{}",
        spiders,
    )


def _help_on(entry: SpiderEntry) -> str:
    lines = []
    for name, argument in entry.arguments.items():
        remarks = [argument.allowed]
        if name in entry.defaults:
            remarks.append(f"not needed if {entry.defaults[name]} is set")
        if name in entry.required:
            remarks.append(f"one of {', '.join(entry.required)} is required")
        if others := [other for one, other in entry.exclusive if one == name]:
            remarks.append(f"not together with {', '.join(others)}")
        lines.append((f"{name}=", "; ".join(remarks)))
    if not lines:
        return mark_safe("<li>no arguments</li>")
    return format_html_join("", "<li><code>{}</code> {}</li>", lines)


def in_its_zone(slots: Iterable[datetime], schedule: CrawlSchedule) -> str:
    """A table of slots in UTC, and in the schedule's time zone."""
    zones = dict.fromkeys(["UTC", schedule.time_zone])
    return table(zones, ([f"{slot.astimezone(ZoneInfo(zone)):%a %F %T}" for zone in zones] for slot in slots))


class ScheduleForm(forms.ModelForm):
    """The model rejects invalid values, at their field, so no field here has choices of its own."""

    spider = forms.CharField(widget=forms.Select)
    arguments = ArgumentsField(required=False, help_text=help_on_arguments())

    class Meta:
        model = CrawlSchedule
        fields = ("name", "spider", "arguments", "crontab", "time_zone", "enabled")
        widgets = {"time_zone": forms.TextInput(attrs={"spellcheck": "false", "list": "time-zones"})}
        help_texts = {
            "crontab": mark_safe(
                "Minute, hour, day of month, month, day of week. A sixth field may name seconds. "
                "<code>*/10 * * * *</code>: every ten minutes. <code>0 */6 * * *</code>: every six hours. "
                "<code>30 4 * * mon</code>: on Mondays at 4:30."
            ),
            "time_zone": help_on_time_zones(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "spider" in self.fields:  # not if the page is read only
            known = {name: f"{name}: {entry.summary}" for name, entry in SPIDERS.items()}
            unknown = {self.instance.spider} - known.keys() - {""}  # to be shown as it is, not as another
            choices = [*known.items(), *((name, name) for name in unknown)]
            self.fields["spider"].widget.choices = choices

    def full_clean(self) -> None:
        """Begin at the first field that is wrong. Show what the crontab means if another one is."""
        super().full_clean()
        if wrong := [name for name in self.fields if name in self.errors]:
            self.fields[wrong[0]].widget.attrs["autofocus"] = True
        if self.errors and not self.errors.keys() & {"crontab", "time_zone"}:
            slots = self.instance.timetable().upcoming(clock.database_clock(), SLOTS_SHOWN)
            field = self["crontab"]
            field.help_text = format_html(
                "{}<p>Its next slots:</p>{}", field.help_text, in_its_zone(slots, self.instance)
            )

    def clean(self) -> None:
        """Make the arguments values. The model says next which are invalid."""
        super().clean()  # which also checks that names are unique
        texts = self.cleaned_data.get("arguments", {})  # none if a line is wrong: the old ones are not at fault
        with suppress(ArgumentError):
            self.cleaned_data["arguments"] = parse_arguments(self.cleaned_data.get("spider", ""), texts)
