"""What a rejected record says of its coin, beside what is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from webapp.coins.admin.formats import address_of, instant
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin
from webapp.coins.numbers import NOTHING, exact
from webapp.coins.texts import counted, raw_json, values_of
from webapp.crawls.admin.rejected_raw import marked
from webapp.crawls.models import RejectedRecord
from webapp.crawls.retrying import why_no_values
from webapp.crawls.storing import cleaner

LONGEST = 300  # characters of a text in the table; the raw record has all of it
FOLDED = 200  # characters of a text; a longer one is folded
BEGINNING = 60  # characters of a folded text
DIGITS = 100  # of a number; one with more is written as a power of ten
NOT_SENT = mark_safe('<span class="quiet">not sent</span>')
HELP = 'A "null" was sent. What was not sent stays as it is stored.'
NOT_STORED = mark_safe("<p>The coin is not stored.</p>")
FIELDS = {field.name: field for field in FullCoin._meta.concrete_fields}


@dataclass(frozen=True)
class Line:
    """A field: what is stored, what was sent, and what is wrong with it."""

    name: str
    stored: str
    sent: str
    wrong: str
    is_different: bool
    is_sent: bool

    @property
    def html(self) -> str:
        return format_html(
            '<tr><th scope="row">{}</th><td class="stored">{}</td><td class="sent">{}</td>'
            '<td class="wrong">{}</td></tr>',
            self.name,
            self.stored,
            format_html("<mark>{}</mark>", self.sent) if self.wrong else self.sent,
            self.wrong,
        )


class Comparison:
    """A rejected record, its values, its coin, and what is wrong by field."""

    def __init__(self, record: RejectedRecord) -> None:
        self.values = values_of(record.values)
        self.coin = self._coin(record)
        reasons = (reason.partition(": ") for reason in record.reasons.splitlines())
        self.wrong = {name: words for name, _, words in reasons if name in FIELDS}

    @classmethod
    def of(cls, record: RejectedRecord) -> "Comparison":
        """Made once for a page."""
        if "comparison" not in vars(record):
            vars(record)["comparison"] = cls(record)
        made: Comparison = vars(record)["comparison"]
        return made

    def _coin(self, record: RejectedRecord) -> FullCoin | None:
        coin_id = (self.values or {}).get("coin_id", record.coin_id)
        try:
            return FullCoin.objects.filter(pk=check_for(FullCoin._meta.pk)(coin_id)).first()
        except Unfit:
            return None

    def lines(self) -> list[Line]:
        values = self.values or {}
        return [
            self._line(name, check, values)
            for name, _, check in cleaner(reports_missing="missing_since" in values).checks
        ]

    def _line(self, name: str, check: Any, values: Mapping[str, Any]) -> Line:
        stored, sent = getattr(self.coin, name, None), values.get(name)
        try:
            is_same = name not in values or (None if sent is None else check(sent)) == stored
        except Unfit:
            is_same = False
        return Line(
            name,
            shown(stored) if stored is not None else NOTHING,
            shown(sent) if name in values else NOT_SENT,
            self.wrong.get(name, ""),
            is_different=self.coin is not None and not is_same,
            is_sent=name in values,
        )


def shown(value: Any) -> str:
    """A value as text. Texts that were sent are in quotation marks, so that "1" and 1 can be told apart."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, (Decimal, int)) and not isinstance(value, bool):
        number = Decimal(value)
        return exact(number) if number.is_finite() and abs(number.adjusted()) < DIGITS else str(number)[:LONGEST]
    if isinstance(value, str):
        # Half a character cannot be sent to a browser.
        text = value[:LONGEST].encode("utf-8", "backslashreplace").decode()
        if len(value) <= FOLDED:
            return format_html("<bdi>“{}”</bdi>", text)
        return format_html(
            '<details class="long"><summary><bdi>“{}</bdi> <span class="quiet">... {} characters</span></summary>'
            "<bdi>“{}{}</bdi></details>",
            value[:BEGINNING].encode("utf-8", "backslashreplace").decode(),
            exact(len(value)),
            text,
            "”" if len(value) <= LONGEST else "...",
        )
    return raw_json(value)[:LONGEST]


def table(lines: Iterable[Line]) -> str:
    return format_html(
        '<div class="table comparison"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        format_html_join("", '<th scope="col">{}</th>', [["field"], ["stored now"], ["sent"], ["what is wrong"]]),
        format_html_join("", "{}", ([line.html] for line in lines)),
    )


# Lines of a record's page, with the names of the model's fields ----------------------------------
@admin.display(description="coin")
def coin_id(record: RejectedRecord) -> str:
    coin = Comparison.of(record).coin
    if coin:
        return format_html(
            '<a href="{}"><bdi>{}</bdi></a> <bdi class="quiet">{}</bdi>', address_of(coin), coin, coin.pk
        )
    return format_html("<bdi>{}</bdi> (not stored)", record.coin_id) if record.coin_id else "(no id)"


@admin.display(description="side by side")
def side_by_side(record: RejectedRecord) -> str:
    compared = Comparison.of(record)
    if compared.values is None:
        return f"It cannot be tried again. {why_no_values(record, len(record.raw))}"
    lines = compared.lines()
    invalid = [line for line in lines if line.wrong]
    first = [*invalid, *(line for line in lines if line.is_different and line not in invalid)]
    others = [line for line in lines if line not in first]
    sent, not_sent = ([line for line in others if line.is_sent is is_sent] for is_sent in (True, False))
    return format_html(
        '{}{}{}{}<p class="quiet">{}</p>',
        "" if compared.coin else NOT_STORED,
        table(first) if first else "",
        folded(sent, " that agrees", " that agree") if compared.coin else folded(sent, "", "", "other field"),
        folded(not_sent, " that was not sent", " that were not sent"),
        HELP,
    )


def folded(lines: Sequence[Line], of_one: str, of_more: str, noun: str = "field") -> str:
    """The lines behind a summary, which is their number with these words; empty without any."""
    if not lines:
        return ""
    summary = f"{counted(len(lines), noun)}{of_one if len(lines) == 1 else of_more}"
    return format_html("<details><summary>{}</summary>{}</details>", summary, table(lines))


@admin.display(description="what was sent")
def raw(record: RejectedRecord) -> str:
    compared = Comparison.of(record)
    return marked(record.raw, compared.values or {}, compared.wrong)
