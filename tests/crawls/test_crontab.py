"""When slots are: crontabs by the clocks of a time zone, and what happens to those clocks twice a year."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webapp.crawls.crontab import Crontab, CrontabError

BERLIN, LORD_HOWE = "Europe/Berlin", "Australia/Lord_Howe"


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def between(crontab: Crontab, first: datetime, last: datetime) -> list[datetime]:
    return list(takewhile(lambda slot: slot <= last, crontab.since(first)))


@pytest.mark.parametrize(
    ("expression", "zone", "slots"),
    [
        ("*/20 * * * *", "UTC", ["2026-11-22 12:20", "2026-11-22 12:40", "2026-11-22 13:00"]),
        ("* * * * * */30", "UTC", ["2026-11-22 12:00:30", "2026-11-22 12:01", "2026-11-22 12:01:30"]),
        ("0 */6 * * *", "UTC", ["2026-11-22 18:00", "2026-11-23 00:00", "2026-11-23 06:00"]),
        ("@daily", "UTC", ["2026-11-23", "2026-11-24", "2026-11-25"]),
        ("30 6 * * mon-fri", BERLIN, ["2026-11-23 05:30", "2026-11-24 05:30", "2026-11-25 05:30"]),
        ("15 12 * * *", "Asia/Kathmandu", ["2026-11-23 06:30", "2026-11-24 06:30", "2026-11-25 06:30"]),
        ("0 0 29 2 *", "UTC", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("0 0 L * *", "UTC", ["2026-11-30", "2026-12-31", "2027-01-31"]),
    ],
)
def test_slots_are_by_the_clocks_of_the_zone(expression: str, zone: str, slots: list[str]) -> None:
    found = Crontab(expression, zone).upcoming(at("2026-11-22 12:00"), 3)

    assert found == [at(slot) for slot in slots]
    assert all(slot.tzinfo is UTC for slot in found)


@pytest.mark.parametrize(
    ("expression", "zone", "first", "slots"),
    [
        # Clocks are set forward at 01:00 UTC, from 2:00 to 3:00.
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", ["03-29 01:00", "03-30 00:30"]),
        ("30 2 * * * 30", BERLIN, "2026-03-28 12:00", ["03-29 01:00:30", "03-30 00:30:30"]),
        ("0 * * * *", BERLIN, "2026-03-29 00:00", ["03-29 00:00", "03-29 01:00", "03-29 02:00"]),
        ("0 3 * * *", BERLIN, "2026-03-28 12:00", ["03-29 01:00", "03-30 01:00"]),
        # And back, from 3:00 to 2:00.
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 2-3 * * *", BERLIN, "2026-10-25 00:00", ["10-25 00:30", "10-25 02:30"]),
        ("30 * * * *", BERLIN, "2026-10-25 00:00", ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),
        # There it is half an hour: forward at 15:30 UTC, from 2:00 to 2:30.
        ("15 2 * * *", LORD_HOWE, "2026-10-03 00:00", ["10-03 15:30", "10-04 15:15"]),
        ("15 2 * * * 30", LORD_HOWE, "2026-10-03 00:00", ["10-03 15:30:30", "10-04 15:15:30"]),
        # And back at 15:00 UTC, from 2:00 to 1:30.
        ("45 1 * * *", LORD_HOWE, "2026-04-04 00:00", ["04-04 14:45", "04-05 15:15"]),
        ("0 * * * *", LORD_HOWE, "2026-04-04 13:30", ["04-04 14:00", "04-04 15:30"]),
    ],
)
def test_a_slot_comes_once_although_clocks_are_changed(
    expression: str, zone: str, first: str, slots: list[str]
) -> None:
    crontab = Crontab(expression, zone)
    expected = [at(f"2026-{slot}") for slot in slots]

    assert between(crontab, at(first), expected[-1]) == expected
    assert [next(crontab.since(slot)) for slot in expected] == expected
    assert [next(crontab.after(slot)) for slot in expected[:-1]] == expected[1:]


EXPRESSIONS = [
    "* * * * *",
    "*/7 * * * *",
    "0 */6 * * *",
    "30 2 * * *",
    "15,45 1-3 * * *",
    "0 0 * * sun",
    "*/20 * * * * */30",
    "30 2 * * * 30",
    "@hourly",
    "0 0 1,15 * *",
]
CHANGES = [at(text) for text in ("2026-03-29 01:00", "2026-10-25 01:00", "2026-07-01 00:00", "2026-12-31 23:00")]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(["UTC", BERLIN]),
    st.tuples(st.sampled_from(CHANGES), st.integers(-180_000, 180_000)),
    st.integers(0, 90_000),
    st.integers(1, 30),
)
@example("30 2 * * * 30", BERLIN, (CHANGES[0], -20_000), 40_000, 2)
def test_the_latest_slots_are_the_end_of_all(
    expression: str, zone: str, begin: tuple[datetime, int], length: int, most: int
) -> None:
    crontab, first = Crontab(expression, zone), begin[0] + timedelta(seconds=begin[1])
    last = first + timedelta(seconds=length)

    latest = crontab.latest(first, last, most)

    every = between(crontab, first, last)
    assert latest == every[-most:]
    assert all(earlier < later for earlier, later in pairwise(every))
    assert all(next(crontab.since(slot)) == slot for slot in latest)


@pytest.mark.parametrize("expression", ["* * * * * *", "*/3 * * * *", "0 0 29 2 *"])
def test_the_latest_of_many_years_are_found_without_going_through_all(expression: str) -> None:
    crontab, now = Crontab(expression), at("2026-11-22 12:00")

    latest = crontab.latest(at("2000-01-01"), now, 3)

    assert len(latest) == 3
    assert next(crontab.after(latest[-1])) > now


@pytest.mark.parametrize(
    ("expression", "zone", "slots"),
    [
        ("* * * * *", "UTC", 43_200),
        ("* * * * * */10", "UTC", 259_200),
        ("*/3 * * * *", BERLIN, 14_400),
        ("0 */6 * * *", "UTC", 120),
        ("0 2 * * *", BERLIN, 30),
        ("0 0 * * mon", "UTC", 5),
        ("0 0 * * 1-5", "UTC", 22),
        ("0 6 * * 1-5", "UTC", 22),
        ("0 0,12 1 * *", "UTC", 2),
        ("0 0 29 2 *", "UTC", 0),
        ("@daily", LORD_HOWE, 30),
    ],
)
def test_a_months_slots_are_counted(expression: str, zone: str, slots: int) -> None:
    assert Crontab(expression, zone).a_month(at("2026-10-05 12:00")) == slots


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "A crontab has five fields"),
        ("* * * *", "A crontab has five fields"),
        ("* * * * * * *", "A crontab has five fields"),
        (f"{'0,' * 50}0 * * * *", "A crontab has five fields"),
        (
            "60 * * * *",
            "'60 * * * *' is not a crontab. Its minute cannot be '60': valid are *, 0 to 59, and lists (0,30)",
        ),
        ("0 * * * 8", "Its day of week cannot be '8': valid are *, 0 to 7, sun to sat, and"),
        ("0 * * * * 60", "Its second cannot be '60'"),
        ("a * * * *", "For example, '0 */6 * * *' is every six hours."),
        ("*/0 * * * *", "is not a crontab"),
        ("a * * * *", "is not a crontab"),
        ("\x00 * * * *", "is not a crontab"),
        ("0 0 31 2 *", "is not a crontab. There is no such date."),
        ("@reboot", "is not a crontab"),
        ("@reboot", "The names are @hourly, @daily, @weekly, @monthly and @yearly."),
        ("@daily x", "is not a crontab"),
        ("H * * * *", "has random slots"),
        ("0 h(0-7) * * *", "has random slots"),
        ("R * * * *", "has random slots"),
    ],
)
def test_a_wrong_crontab_is_refused_with_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(CrontabError) as raised:
        Crontab(expression)

    assert sentence in str(raised.value)


@pytest.mark.parametrize("zone", ["", "Europe", "Berlin", "../etc/passwd", "/etc/localtime", "\x00", "x" * 1_000])
def test_a_wrong_time_zone_is_refused_with_a_sentence(zone: str) -> None:
    with pytest.raises(CrontabError, match="is not a time zone: name one of the tz database, such as UTC"):
        Crontab("* * * * *", zone)


ODD = [
    *(
        "*/5",
        "5-1",
        "L",
        "l5",
        "5#3",
        "5#6",
        "mon",
        "sat-mon",
        "jan-dec",
        "@",
        "?",
        "W",
        "15W",
        "*/0",
        "*/-1",
        "0-59/7",
    ),
    *("1,,2", ",", "/", "#", "L-3", "٣", "²", "0x5", "1e3", "\x00", "*/1000", "007", "sun#1,mon#2", "7", "0-7", "*,5"),
    *("29", "31", "1#5", "H", "R", "**", "*-5", "5-", "1.5", "+5", "1_0", "32", "1-999999999999", "*/9999999999"),
]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["*"] * 20 + ODD), min_size=5, max_size=6).map(" ".join))
def test_whatever_stands_in_the_table_is_a_crontab_or_a_sentence(expression: str) -> None:
    now = at("2026-11-22 12:00")
    try:
        crontab = Crontab(expression)
    except CrontabError:
        return

    assert now < next(crontab.after(now))
    assert crontab.a_month(now) >= 0
