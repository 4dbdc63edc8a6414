"""The end of a run's log, which can be narrowed to warnings and errors without a script (admin.css)."""

import re
from collections import Counter
from collections.abc import Iterator

from django.utils.html import format_html, format_html_join

from webapp.coins.numbers import NOTHING, exact

# As Scrapy's LOG_FORMAT writes it. What follows without such a beginning, as a traceback does, belongs to its line.
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[[^\]\n]*\] (DEBUG|INFO|WARNING|ERROR|CRITICAL):")
ERRORS = ("error", "critical")
WARNINGS = ("warning", *ERRORS)


def log(tail: str) -> str:
    """It shows its last lines first: admin.css scrolls it to the end."""
    if not tail:
        return NOTHING
    entries = [*_entries(tail)]
    counts = Counter(level for level, _ in entries if level)
    lines = format_html_join("", "{}", ((_entry(level, text),) for level, text in entries))
    shown = format_html('<div class="log" tabindex="0" role="region" aria-label="Log"><pre>{}</pre></div>', lines)
    if not counts:  # another format
        return shown
    choices = (
        ("all", "all", counts.total()),
        ("warnings", "warnings and errors", sum(counts[level] for level in WARNINGS)),
        ("errors", "errors", sum(counts[level] for level in ERRORS)),
    )
    inputs = format_html_join(
        "",
        '<label><input type="radio" name="log-level" id="log-{0}" value="{0}"{3}> {1} ({2})</label>',
        ((value, label, exact(number), " checked" if value == "all" else "") for value, label, number in choices),
    )
    return format_html(
        '<div class="log-by-level"><div class="levels" role="radiogroup" aria-label="Lines shown">{}</div>{}</div>',
        inputs,
        shown,
    )


def _entries(tail: str) -> Iterator[tuple[str, str]]:
    """The level, and the lines with their ends. The level is empty for lines whose beginning is cut off."""
    level, lines = "", list[str]()
    for line in tail.splitlines(keepends=True):
        if begins := LINE.match(line):
            if lines:
                yield level, "".join(lines)
            level, lines = begins[1].lower(), []
        lines.append(line)
    if lines:
        yield level, "".join(lines)


def _entry(level: str, text: str) -> str:
    return format_html('<span class="level {}">{}</span>', level, text) if level else format_html("{}", text)
