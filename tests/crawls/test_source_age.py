"""Sources that answer with data that get older and older."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.factories import DAY, HOUR, MINUTE, NOON, make_run
from webapp.crawls import monitoring
from webapp.crawls.source_age import span
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def dated(*ages: timedelta, last: datetime = NOON, every: timedelta = HOUR, **values: Any) -> None:
    """Runs one after the other, whose newest data were so old at their end; the last ends at `last`."""
    for number, age in enumerate(reversed(ages)):
        end = last - number * every
        times = {"started_at": end - MINUTE, "finished_at": end, "newest_update": end - age}
        make_run(id=f"{values.get('id', 'run')} {end:%F %T}", **times, **{k: v for k, v in values.items() if k != "id"})


def is_failing() -> bool:
    return "source" in monitoring.problems(NOON)


def frozen(since: timedelta, every: timedelta = HOUR) -> list[timedelta]:
    """The ages of a source that stood still all that time."""
    return [every * number for number in range(1, since // every + 1)]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        pytest.param([], False, id="no run"),
        pytest.param([MINUTE], False, id="fresh"),
        pytest.param([HOUR], False, id="an hour"),
        pytest.param([HOUR + MINUTE], True, id="more than an hour, and nothing to compare it with"),
        pytest.param([MINUTE, MINUTE, HOUR + MINUTE], True, id="more than an hour"),
        pytest.param([MINUTE, MINUTE, 31 * DAY], True, id="the data of last month"),
        pytest.param([2 * HOUR, 2 * HOUR, 6 * HOUR], False, id="three times what they used to be"),
        pytest.param([2 * HOUR, 2 * HOUR, 6 * HOUR + MINUTE], True, id="more than three times"),
        pytest.param([MINUTE, *frozen(30 * DAY)], True, id="a month already"),
        pytest.param([MINUTE, *frozen(30 * DAY), MINUTE], False, id="recovered after a month"),
        pytest.param([MINUTE, MINUTE, *frozen(30 * DAY), MINUTE, HOUR + MINUTE], True, id="and again"),
        pytest.param([MINUTE, *[30 * DAY - MINUTE] * 20], True, id="for long a month behind, at the usual pace"),
        pytest.param([MINUTE, *[30 * DAY - MINUTE] * 20, MINUTE], False, id="and caught up"),
        pytest.param([MINUTE, *[number * 59 * MINUTE for number in range(1, 30)]], True, id="falling behind"),
        pytest.param([5 * MINUTE] * 24 + [number * MINUTE for number in range(6, 300)], True, id="slowly"),
        pytest.param(frozen(6 * HOUR) * 5, False, id="new data every six hours"),
        pytest.param([*frozen(6 * HOUR) * 5, *frozen(19 * HOUR)], True, id="no new ones for nineteen"),
    ],
)
def test_a_source_stands_still_when_its_data_are_old_and_used_to_be_newer(
    ages: list[timedelta], expected: bool
) -> None:
    dated(*ages)

    assert is_failing() is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"arguments": {"ids": ["dead"]}, "seen": 249}, False, id="a few coins"),
        pytest.param({"arguments": {"pages": 1}, "seen": 250}, True, id="many coins"),
        pytest.param({"arguments": {"order": "id_desc"}, "seen": 2}, True, id="all of a small source"),
        pytest.param({"verdict": Verdict.PARTIAL}, True, id="partial"),
        pytest.param({"verdict": Verdict.FAILED}, False, id="failed"),
        pytest.param({"spider": "another"}, False, id="of a spider that there is no more"),
    ],
)
def test_the_last_run_that_can_tell_is_judged(values: dict[str, Any], expected: bool) -> None:
    dated(MINUTE, MINUTE, last=NOON - HOUR)
    dated(DAY, id="last", **values)

    assert is_failing() is expected


def test_each_address_is_a_source_of_its_own() -> None:
    dated(*[DAY] * 3, last=NOON - DAY, spider="mirror", arguments={"url": "https://slow/"})
    dated(MINUTE, 2 * HOUR, spider="mirror", arguments={"url": "https://quick/"})

    assert is_failing()


@pytest.mark.parametrize(("hours", "expected"), [(0, False), (0.5, True), (24, True), (25, False), (10.0**30, False)])
def test_how_old_is_too_old_can_be_set(settings: Any, hours: float, expected: bool) -> None:
    settings.SOURCE_MAX_AGE_HOURS = hours
    dated(MINUTE, MINUTE, 24 * HOUR + MINUTE)

    assert is_failing() is expected


def test_it_is_said_in_words() -> None:
    dated(MINUTE, MINUTE, 30 * DAY)

    assert monitoring.problems(NOON)["source"] == (
        "The source of markets answers, but its data is old: the newest last_updated "
        "(2026-01-06 12:00:00 UTC) was 4 weeks, 2 days old when the last run ended. Before that it was usually "
        "1 minute old. Check the source, or raise SOURCE_MAX_AGE_HOURS if this is normal."
    )


@pytest.mark.parametrize(("seconds", "words"), [(0, "less than a minute"), (60, "1 minute"), (90_000, "1 day, 1 hour")])
def test_a_span_is_said_in_words(seconds: int, words: str) -> None:
    assert span(timedelta(seconds=seconds)).replace("\xa0", " ") == words
