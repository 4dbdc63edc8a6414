"""The reasons of rejected records: how many open records have each, and which records have one.

A reason is a line of `RejectedRecord.reasons`, without the name of the record that it is about.
"""

import re
from collections import Counter
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet, TextField, Value
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


def without_name(reason: str) -> str:
    return A_NAME.sub("", reason)


def open_reasons() -> list[Reason]:
    """The reasons of open records, the commonest first. A record with several counts for each of them. One query."""
    groups = RejectedRecord.objects.open().order_by().values_list("reasons")
    counts = groups.annotate(records=Count("pk"), with_values=Count("pk", filter=~Q(values="")))
    found: Counter[str] = Counter()
    with_values: Counter[str] = Counter()
    for lines, records, valued in counts.order_by("-records", "reasons")[:GROUPS]:
        reasons = list(map(without_name, lines.splitlines()))
        found.update(dict.fromkeys(reasons, records))
        with_values.update(dict.fromkeys(reasons, valued))
    return [Reason(text, records, with_values[text]) for text, records in found.most_common()]


def can_be(reason: str) -> bool:
    """Whether a record can have this reason: none is empty, longer than LONGEST, or longer than a line."""
    return 0 < len(reason) <= LONGEST and "\n" not in reason


def having(reason: str, records: QuerySet[RejectedRecord]) -> QuerySet[RejectedRecord]:
    """Those of these records that have this reason, alone or among others."""
    lines = records.alias(lines=Concat(Value("\n"), "reasons", Value("\n"), output_field=TextField()))
    return lines.filter(Q(lines__contains=f"\n{reason}\n") | Q(lines__contains=f"\n{reason}{NAMED}"))
