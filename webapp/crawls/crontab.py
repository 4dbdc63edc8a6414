"""When a schedule's slots are: a crontab in a named time zone. Pure.

By croniter (https://github.com/pallets-eco/croniter): five fields, or six, of which the last is seconds, or a name such
as `@daily`. Moments go in and come out with a time zone; slots come out in UTC. croniter is imported where it is used:
crawls have no schedules, and it takes 0.6 MB.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, islice, takewhile
from math import prod
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MONTH = timedelta(days=30)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MAX_LENGTH = 100  # characters
SIZES = (60, 24, 31, 12, 7, 60)  # of the fields: how many values a * has
HOURS, DAYS = 1, (2, 3, 4)  # the fields' places
NAMES = "The names are @hourly, @daily, @weekly, @monthly and @yearly."
FIELDS = (  # by place: the name, and the values
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31"),
    ("month", "1 to 12, jan to dec"),
    ("day of week", "0 to 7, sun to sat"),
    ("second", "0 to 59"),
)
FORMS = "lists (0,30), ranges (9-17) and steps (*/10)"
EXAMPLE = "For example, '0 */6 * * *' is every six hours."


class CrontabError(ValueError):
    """A crontab or a time zone is invalid: a sentence that says what would be valid."""


class Crontab:
    """The slots of `expression` by the clocks of `time_zone`. Raises CrontabError if there are none.

    If clocks are set back, an hour comes twice: a crontab that names hours has its slot in the first of the two only,
    one that runs every hour has slots in both. (Of the half hour that comes twice on Lord Howe Island, croniter leaves
    some out.) If they are set forward, a slot in the hour that is left out comes in the first minute after it.
    """

    def __init__(self, expression: str, time_zone: str = "UTC") -> None:
        from croniter import CroniterError, croniter  # noqa: PLC0415

        try:
            self._zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # no such name, or not a name at all
            raise CrontabError(
                f"{time_zone!r} is not a time zone: name one of the tz database, such as UTC or Europe/Berlin."
            ) from None
        self._expression = expression
        is_name = expression.startswith("@")
        if len(expression) > MAX_LENGTH or not (is_name or len(expression.split()) in (5, 6)):
            raise CrontabError(
                "A crontab has five fields (minute, hour, day of month, month, day of week), or a sixth for seconds."
            )
        if re.search(r"(?<![a-z])[hr](?![a-z])", expression, re.IGNORECASE):
            raise CrontabError(f"{expression!r} has random slots (H, R): name the minutes and hours.")
        try:
            fields, _ = croniter.expand(expression)
            self._names_hours = fields[HOURS] != ["*"]
            self._names_days = any(fields[place] != ["*"] for place in DAYS)
            self._a_day = prod(
                SIZES[place] if fields[place] == ["*"] else len(fields[place])
                for place in (0, 1, *range(5, len(fields)))
            )
            next(self.after(datetime(2000, 1, 1, tzinfo=UTC)))
        except CroniterError:
            valid = NAMES if is_name else f"{_why_not(expression)} {EXAMPLE}"
            raise CrontabError(f"{expression!r} is not a crontab. {valid}") from None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The slots later than `moment`, endlessly."""
        from croniter import croniter  # noqa: PLC0415

        slots = croniter(self._expression, moment.astimezone(self._zone), ret_type=datetime)
        while True:
            slot = slots.get_next()
            if not (slot.fold and self._names_hours):
                yield slot.astimezone(UTC)

    def since(self, moment: datetime) -> Iterator[datetime]:
        """The slots from `moment` on, including it if it is one."""
        # croniter finds a slot that was moved out of an hour that is left out only from before the end of that hour.
        return dropwhile(lambda slot: slot < moment, self.after(moment - MINUTE))

    def latest(self, first: datetime, last: datetime, most: int) -> list[datetime]:
        """The slots from `first` to `last`, both included; of many, the latest `most`."""
        enough = 4 * most
        early = start = first
        late = last
        while True:
            slots = list(islice(takewhile(lambda slot: slot <= last, self.since(start)), enough))
            if len(slots) == enough:
                early = start
            elif len(slots) >= most or start == first:
                return slots[-most:]
            else:
                late = start
            start = early + (late - early) / 2

    def a_month(self, moment: datetime) -> int:
        """How many slots there are in 30 days from the day of `moment` on, without changes of the clocks."""
        if not self._names_days:
            return MONTH.days * self._a_day
        midnight = moment.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        day, end, days = midnight, midnight + MONTH, 0
        while (slot := next(self.since(day)).astimezone(self._zone)) < end:
            days += 1
            day = slot.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + DAY  # by the clocks on the wall
        return days * self._a_day

    def upcoming(self, moment: datetime, number: int) -> list[datetime]:
        return list(islice(self.after(moment), number))


def _why_not(expression: str) -> str:
    """The first field that is wrong, and what it can be. If each is right by itself, they have no date in common."""
    from croniter import croniter  # noqa: PLC0415

    texts = expression.split()
    for place, text in enumerate(texts):
        alone = ["*"] * len(texts)
        alone[place] = text
        if not croniter.is_valid(" ".join(alone)):
            name, values = FIELDS[place]
            return f"Its {name} cannot be {text!r}: valid are *, {values}, and {FORMS}."
    return "There is no such date."
