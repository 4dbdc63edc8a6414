"""The reasons of rejected records: how many open records have each, and which records have one.

A reason is a line of `RejectedRecord.reasons`, without the name of the record that it is about.
"""

import re
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet, TextField, Value
from django.db.models.functions import Concat

from webapp.crawls.models import RejectedRecord

NAMED = " (in the record named "  # as the cleaner writes it where a record has no id
A_NAME = re.compile(re.escape(NAMED) + r".*\)$")
GROUPS = 10_000  # of records with equal reasons; the rarest ones beyond are not counted
LONGEST = 1_000  # characters of a reason


class Reason(NamedTuple):
    text: str
    records: int
    with_values: int  # of the records: those that can be tried again
    coins: int  # a record without an id counts as one
    first_seen_at: datetime
    last_seen_at: datetime


def without_name(reason: str) -> str:
    return A_NAME.sub("", reason)


def open_reasons() -> list[Reason]:
    """The reasons of open records, the commonest first. A record with several counts for each of them. Two queries."""
    groups = RejectedRecord.objects.open().order_by().values_list("reasons")
    counts = groups.annotate(
        records=Count("pk"),
        with_values=Count("pk", filter=~Q(values="")),
        first=Min("first_seen_at"),
        last=Max("last_seen_at"),
    )
    found: Counter[str] = Counter()
    with_values: Counter[str] = Counter()
    seen: dict[str, tuple[datetime, datetime]] = {}
    for lines, records, valued, first, last in counts.order_by("-records", "reasons")[:GROUPS]:
        reasons = set(map(without_name, lines.splitlines()))
        found.update(dict.fromkeys(reasons, records))
        with_values.update(dict.fromkeys(reasons, valued))
        for reason in reasons:
            earliest, latest = seen.get(reason, (first, last))
            seen[reason] = min(first, earliest), max(last, latest)
    more = _further_records()
    return [
        Reason(text, records, with_values[text], records - more[text], *seen[text])
        for text, records in sorted(found.items(), key=lambda one: (-one[1], one[0]))
    ]


def _further_records() -> Counter[str]:
    """By reason, how many open records have it of whose coin another one has it, too."""
    open_ones = RejectedRecord.objects.open().exclude(coin_id="").order_by()
    several = open_ones.values("coin_id").annotate(records=Count("pk")).filter(records__gt=1).values("coin_id")
    own: Counter[tuple[str, str]] = Counter()
    for coin_id, lines in open_ones.filter(coin_id__in=several).values_list("coin_id", "reasons")[:GROUPS]:
        own.update((coin_id, reason) for reason in set(map(without_name, lines.splitlines())))
    more: Counter[str] = Counter()
    for (_, reason), records in own.items():
        more[reason] += records - 1
    return more


def can_be(reason: str) -> bool:
    """Whether a record can have this reason: none is empty, longer than LONGEST, or longer than a line."""
    return 0 < len(reason) <= LONGEST and "\n" not in reason


def having(reason: str, records: QuerySet[RejectedRecord]) -> QuerySet[RejectedRecord]:
    """Those of these records that have this reason, alone or among others."""
    lines = records.alias(lines=Concat(Value("\n"), "reasons", Value("\n"), output_field=TextField()))
    return lines.filter(Q(lines__contains=f"\n{reason}\n") | Q(lines__contains=f"\n{reason}{NAMED}"))
