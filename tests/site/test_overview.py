"""The front page of the admin: what it says of the data, and to whom."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from tests.support.admin import keys_in_list, page_of, queries_of, text_of
from tests.support.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    make_coin,
    make_node,
    make_rejected,
    make_run,
    make_run_of,
    make_schedule,
)
from tests.support.schedule_pages import NODES, staff
from webapp.coins.models import ChosenColumns, CoinReview
from webapp.crawls.migrated import NotMigrated
from webapp.crawls.models import CrawlRun, CrawlSchedule, RejectedRecord
from webapp.crawls.monitoring import CHECKS
from webapp.crawls.problem import Problem
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db, pytest.mark.usefixtures("noon")]

INDEX = reverse("admin:index")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is noon, a Thursday's, by the database and by this machine."""
    import time_machine

    from webapp.coins import clock

    monkeypatch.setattr(clock, "database_clock", lambda: NOON)
    with time_machine.travel(NOON, tick=False):
        yield


def sentences(client: Client) -> list[tuple[str, str]]:
    """How good each sentence says that something is, and the sentence."""
    page = client.get(INDEX).content.decode()
    lines = re.findall(r'<li class="(good|unsure|bad|fact)(?: problem)?">(.*?)</li>', page, flags=re.DOTALL)
    plain = (re.sub(r"<span class=\"visually-hidden\">.*?</span>|<[^>]*>", "", line) for _, line in lines)
    return [(state, unescape(line).replace("\xa0", " ")) for (state, _), line in zip(lines, plain, strict=True)]


def test_all_is_well(admin_client: Client) -> None:
    schedule = make_schedule(arguments={})
    make_node()
    make_run_of(schedule, NOON - 12 * MINUTE, finished_at=NOON - 12 * MINUTE)
    make_coin("there", last_updated=NOON - 3 * MINUTE)
    make_coin("there too")
    make_coin("gone", missing_since=NOON - DAY)

    assert sentences(admin_client) == [
        ("good", "All 2 coins, proven complete 12 minutes ago."),
        ("good", "1 schedule is enabled, and a scrapyd is alive."),
        ("good", "Of the last 1 run: 1 complete."),
        ("good", "No rejected record needs a person."),
        ("good", "The newest data of the source is 3 minutes old."),
        ("good", "Prices over time are rolled up in time."),
    ]
    shown = text_of(admin_client, INDEX)
    assert "Can the data be trusted now? Yes." in shown
    assert "The last runs (older to newer) complete" in shown


def test_a_clock_that_is_wrong_does_not_make_the_data_new(admin_client: Client) -> None:
    make_coin("wrong", last_updated=NOON + 365 * DAY)
    make_coin("right", last_updated=NOON - 3 * HOUR)

    assert ("good", "The newest data of the source is 3 hours old.") in sentences(admin_client)


def test_the_newest_data_comes_first_whatever_columns_a_person_has_chosen(admin_client: Client) -> None:
    choice = {"user": User.objects.get(), "list": "coins.fullcoin", "columns": ["coin", "ath"]}
    ChosenColumns.objects.create(**choice)
    for number, coin_id in enumerate(("old", "new", "older")):
        make_coin(coin_id, last_updated=NOON - (1, 0, 2)[number] * MINUTE, market_cap_rank=number)

    shown = admin_client.get(INDEX).content.decode()
    address = re.search(r'<a href="([^"]*)">The newest data', shown)

    assert address is not None
    assert keys_in_list(admin_client, unescape(address[1])) == ["new", "old", "older"]


def test_an_empty_database_claims_nothing(admin_client: Client) -> None:
    assert sentences(admin_client)[:5] == [
        ("unsure", "No run of a whole source has been complete yet."),
        ("unsure", "No schedule is enabled: runs are started by hand."),
        ("unsure", "No run has begun yet."),
        ("good", "No rejected record needs a person."),
        ("unsure", "No coin says when it was last updated."),
    ]
    assert "Not sure: look at the copy, schedules, runs, the source." in text_of(admin_client, INDEX)


def test_a_run_of_a_part_proves_nothing_of_the_whole(admin_client: Client) -> None:
    make_run(arguments={"pages": 1}, finished_at=NOON)

    assert sentences(admin_client)[0] == ("unsure", "No run of a whole source has been complete yet.")


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        pytest.param([Verdict.COMPLETE, Verdict.SKIPPED, Verdict.COMPLETE], "good", id="nothing"),
        pytest.param([Verdict.COMPLETE, Verdict.FAILED, Verdict.COMPLETE], "unsure", id="an earlier one has failed"),
        pytest.param([Verdict.PARTIAL, Verdict.COMPLETE], "unsure", id="the last one is partial"),
        pytest.param([Verdict.FAILED, Verdict.COMPLETE], "bad", id="the last one has failed"),
        pytest.param([Verdict.SKIPPED, Verdict.LOST, Verdict.COMPLETE], "bad", id="the last one that ran is lost"),
    ],
)
def test_runs_that_went_wrong_are_no_good_sign(admin_client: Client, verdicts: list[str], state: str) -> None:
    for number, verdict in enumerate(verdicts):
        make_run(verdict=verdict, started_at=NOON - number * HOUR, finished_at=NOON - number * HOUR)

    assert sentences(admin_client)[2][0] == state


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [
        (45, "good", "1 running."),
        (50, "unsure", "1 running. 1 run has had no heartbeat for 50 seconds."),
        (119, "unsure", "1 running. 1 run has had no heartbeat for 119 seconds."),
        (181, "bad", "1 running. 1 run has had no heartbeat for 3 minutes."),
    ],
)
def test_a_run_without_heartbeats_is_no_good_sign(admin_client: Client, seconds: int, state: str, words: str) -> None:
    make_run(verdict=Verdict.RUNNING, started_at=NOON - HOUR, heartbeat_at=NOON - seconds * SECOND)

    found = sentences(admin_client)[2]

    assert found == (state, f"Of the last 1 run: {words}")


def test_rejected_records_need_a_person(admin_client: Client) -> None:
    run = make_run()
    for name in ("one", "two", "three"):
        make_rejected(name, run=run)
    make_rejected("four", run=run, status=RejectedRecord.Status.RESOLVED)

    assert ("unsure", "3 rejected records need a person.") in sentences(admin_client)


def test_each_problem_leads_to_what_it_is_about(admin_client: Client) -> None:
    times = {"changed_at": NOON - DAY, "next_run_at": NOON + HOUR}
    make_schedule("all & sundry", arguments={}, **times)
    wrong = make_schedule("wrong", crontab="never", **times)
    idle = make_schedule("idle", **times)
    run = make_run_of(CrawlSchedule.objects.get(name="all & sundry"), NOON - DAY, finished_at=NOON - DAY)
    CrawlSchedule.objects.filter(name="all & sundry").update(last_run=run)
    make_coin("there")

    said, page = sentences(admin_client), admin_client.get(INDEX).content.decode()

    links = {
        unescape(words): address for address, words in re.findall(r'problem">.*?<a href="([^"]*)">(.*?)</a>', page)
    }
    assert [words.partition(":")[0] for words in links] == [
        'The schedule "all & sundry" has had no complete run since 2026-02-05 10',
        'The schedule "idle" has had no complete run since 2026-02-05 10',
        "No scrapyd has had a heartbeat so far",
        'The schedule "wrong" cannot run',
    ]
    runs = reverse("admin:crawls_crawlrun_changelist")
    assert [*links.values()] == [f"{runs}?schedule=all+%26+sundry", page_of(idle), NODES, page_of(wrong)]
    assert said[0] == ("fact", "All 1 coin, proven complete 4 Feb 12:00.")  # what is known stays above the problem
    assert said[3] == ("fact", "3 schedules are enabled.")
    assert "No: 2 of 6 checks fail (the copy, schedules)." in text_of(admin_client, INDEX)


@pytest.mark.parametrize("check", CHECKS)
def test_a_failing_check_says_what_the_watcher_says(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, check: str
) -> None:
    from webapp.crawls import monitoring

    found = ["The <b>{0}</b> is on fire: put it out.", "So is the moon."]
    monkeypatch.setattr(monitoring, "failing", lambda *_: {check: [Problem(sentence) for sentence in found]})

    said = sentences(admin_client)

    assert [line for line in said if line[0] == "bad"] == [("bad", sentence) for sentence in found]
    assert len(said) == len(CHECKS) + (1 if check == "prices" else 2)  # the fact about prices would not be true
    assert monitoring.problems() == {check: " ".join(found)}


def test_prices_are_archived_if_there_is_an_archive(admin_client: Client, settings: Any) -> None:
    settings.ARCHIVE_URL = "/srv/prices"

    assert sentences(admin_client)[-1] == ("good", "Prices over time are rolled up and archived in time.")


def test_prices_have_no_sentence_if_they_are_not_stored(admin_client: Client, settings: Any) -> None:
    settings.PRICE_HISTORY = False

    assert len(sentences(admin_client)) == len(CHECKS) - 1


def test_it_counts_coins_since_yesterday_and_links_to_them(admin_client: Client) -> None:
    old = {"first_seen_at": NOON - 9 * DAY, "changed_at": NOON - 9 * DAY}
    new = make_coin("new", first_seen_at=NOON - HOUR, changed_at=NOON - HOUR)
    CoinReview.objects.create(coin=new, hidden=True)
    make_coin("changed", **old | {"changed_at": NOON - HOUR})
    make_coin("gone", **old, missing_since=NOON - HOUR)
    make_coin("old", **old, missing_since=NOON - 2 * DAY)

    page = admin_client.get(INDEX).content.decode()
    found = re.findall(r'<a href="([^"]*)"><strong>(\d+)</strong> (\w+)</a>', page)

    assert [(number, word) for _, number, word in found] == [("1", "new"), ("2", "changed"), ("1", "missing")]
    for address, number, _ in found:
        assert len(admin_client.get(unescape(address)).context["cl"].result_list) == int(number)


@pytest.mark.parametrize(
    ("coins", "words"), [(2, "The first crawl was less than a day ago"), (0, "No coin is stored yet.")]
)
def test_without_a_day_before_there_is_nothing_to_compare_with(admin_client: Client, coins: int, words: str) -> None:
    for number in range(coins):
        make_coin(f"coin-{number}", first_seen_at=NOON - HOUR)

    shown = text_of(admin_client, INDEX)

    assert words in shown
    assert " new" not in shown


def test_the_age_of_the_source_leads_to_the_newest_data_whatever_columns_are_chosen(admin_client: Client) -> None:
    for coin_id, minutes in (("second", 5), ("third", 1), ("first", 9)):
        make_coin(coin_id, last_updated=NOON - minutes * MINUTE)
    make_coin("an undated one")
    admin_client.post(reverse("admin:coins_fullcoin_columns"), {"shown": ["coin", "ath"], "save": ""})
    page = admin_client.get(INDEX).content.decode()
    (address,) = re.findall(r'<a href="([^"]*)">The newest data', page)

    found = keys_in_list(admin_client, unescape(address))

    assert found == ["third", "second", "first", "an undated one"]


def test_it_shows_what_runs_and_how_far_it_is(admin_client: Client) -> None:
    make_run(started_at=NOON - DAY, finished_at=NOON - DAY + HOUR, seen=1_000)
    make_run(verdict=Verdict.RUNNING, started_at=NOON - 3 * MINUTE, heartbeat_at=NOON, seen=250, pages=1)

    page = admin_client.get(INDEX).content.decode()

    assert "bout 9 minutes left" in page
    assert '<progress max="100" value="25"' in page
    assert "data-under-way" in page
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in page


def test_it_does_not_refresh_itself_without_a_run(admin_client: Client) -> None:
    page = admin_client.get(INDEX).content.decode()

    assert "No run is under way." in page
    assert "refresh" not in page


def test_it_shows_the_next_slots_the_earliest_first(admin_client: Client) -> None:
    for name in ("later", "first", "last", "next"):
        hours = {"later": 3, "first": 1, "last": 4, "next": 2}[name]
        make_schedule(name, next_run_at=NOON + hours * HOUR, crontab=f"0 {12 + hours} * * *")
    make_schedule("disabled", enabled=False, next_run_at=NOON)
    make_schedule("wrong", crontab="never", next_run_at=NOON)
    CrawlSchedule.objects.filter(name="next").update(next_run_at=NOON - 5 * SECOND)  # it was edited: this is no slot

    shown = text_of(admin_client, INDEX)

    assert re.findall(r"Next: (\w+)\W+in (\d)\shour", shown) == [("first", "1"), ("next", "2"), ("later", "3")]
    assert shown.count("Next:") == 3


@pytest.mark.parametrize(
    ("minutes", "crontab", "words"),
    [
        (-40, "20 * * * *", '<em class="late">due since 2026-02-05 11:20:00 UTC</em>'),
        (
            -100,
            "20,50 * * * *",
            '<em class="late">due since 2026-02-05 10:20:00 UTC</em>',
        ),  # the first that waits
        (0, "0 * * * *", "now"),
        (0.5, "0 * * * * 30", "within a minute"),
        (50, "50 * * * *", "in 50 minutes"),
    ],
)
def test_a_slot_says_how_long_it_is_until_then_and_when_exactly(
    admin_client: Client, minutes: float, crontab: str, words: str
) -> None:
    slot = NOON + minutes * MINUTE
    make_schedule(next_run_at=slot, crontab=crontab)

    page = admin_client.get(INDEX).content.decode().replace("\xa0", " ")

    assert f'title="{slot:%F %T} UTC">{words}</time>' in page


def test_of_many_jobs_it_shows_the_first_twenty(admin_client: Client) -> None:
    make_run(verdict=Verdict.RUNNING, started_at=NOON, heartbeat_at=NOON, queued_at=NOON)
    for number in range(25):
        make_run(verdict=Verdict.PENDING, started_at=None, queued_at=NOON - number * MINUTE)

    shown = text_of(admin_client, INDEX)

    now = shown.partition(" Now ")[2]
    assert now.startswith("markets: everything 0 pages answered")
    minutes = re.findall(r"It has waited in the queue for (\d+)\sminutes", now)
    assert minutes == [str(minute) for minute in range(24, 5, -1)]


def test_the_queue_is_in_the_order_in_which_its_jobs_are_taken(admin_client: Client) -> None:
    jobs: dict[str, dict[str, Any]] = {
        "third": {"queued_at": NOON - MINUTE},
        "second": {"queued_at": NOON, "slot": NOON - HOUR},
        "first": {"queued_at": NOON, "priority": 1},
    }
    for name, values in jobs.items():
        make_run(id=name, verdict=Verdict.PENDING, started_at=None, **values)

    page = admin_client.get(INDEX).content.decode()

    assert re.findall(r"/crawls/crawlrun/(\w+)/change/\">markets: ", page) == ["first", "second", "third"]


def test_without_a_migration_it_says_what_to_do(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise NotMigrated("Run manage.py migrate.")

    monkeypatch.setattr("webapp.admin_site.check_migrated", fail)

    shown = text_of(admin_client, INDEX)

    assert "Run manage.py migrate." in shown
    assert "Coins since yesterday" not in shown


def test_it_shows_the_last_twenty_runs(admin_client: Client) -> None:
    for number in range(25):
        make_run(id=f"run-{number:02}", started_at=NOON - number * MINUTE)

    page = admin_client.get(INDEX).content.decode()
    marks = re.findall(r'class="verdict complete" href="/admin/crawls/crawlrun/(run-\d\d)/', page)

    assert marks == [f"run-{number:02}" for number in range(19, -1, -1)]


@pytest.mark.parametrize(
    ("spent", "hours", "forecast"),
    [
        # It is noon of February 5: 23.5 days are left. A run takes 10 credits.
        pytest.param(100, 12, "The enabled schedules will bring that to about 570 by 28 February.", id="enough"),
        pytest.param(9_600, 12, "The enabled schedules will have spent all about 25 February. Then", id="not enough"),
        pytest.param(10_000, 12, "Runs are skipped until 1 March.", id="none left"),
        pytest.param(100, None, "No enabled schedule takes any.", id="no schedule"),
    ],
)
def test_credits_of_the_month_are_a_bar_with_what_is_to_be_expected(
    admin_client: Client, settings: Any, spent: int, hours: int | None, forecast: str
) -> None:
    settings.COINGECKO_MONTHLY_CREDITS = 10_000
    schedule = make_schedule(crontab=f"0 */{hours or 1} * * *", enabled=bool(hours))
    make_run_of(schedule, NOON - HOUR, credits=10)
    make_run(credits=spent - 10)
    CrawlRun.objects.update(started_at=Now())  # whose month counts

    page = admin_client.get(INDEX).content.decode()

    assert f"{spent:,} of 10,000 credits of this month (UTC) are spent. {forecast}" in page
    assert f'<meter min="0" max="10000" high="9000.0" value="{spent}"' in page


def test_a_plan_that_counts_no_credits_has_no_bar(admin_client: Client, settings: Any) -> None:
    settings.COINGECKO_MONTHLY_CREDITS = 0

    assert "<meter" not in admin_client.get(INDEX).content.decode()


def test_only_who_may_see_runs_sees_it(client: Client) -> None:
    page = staff(client, "view_fullcoin").get(INDEX).content.decode()

    assert "overview" not in page
    assert "trusted now?" not in page
    assert "Ask a superuser to add you to the group <em>Viewer</em>." in page
    assert "Coins" in page


@pytest.mark.parametrize("app", ["coins", "crawls", "auth"])
def test_the_page_of_an_app_says_nothing_of_runs_or_permissions(admin_client: Client, app: str) -> None:
    page = text_of(admin_client, reverse("admin:app_list", args=[app]))

    assert "permission" not in page
    assert "trusted" not in page


def test_it_takes_as_many_queries_with_many_rows(admin_client: Client, settings: Any) -> None:
    settings.DATA_MAX_AGE_HOURS = 6
    settings.COINGECKO_MONTHLY_CREDITS = 10_000
    schedule = make_schedule(arguments={})
    make_node()
    make_run_of(schedule, NOON - HOUR)
    make_run(spider="mirror", verdict=Verdict.RUNNING, heartbeat_at=NOON)
    few = queries_of(admin_client, INDEX)
    for number in range(15):
        make_coin(f"coin-{number}")
        make_run(verdict=Verdict.PENDING, started_at=None)
        make_rejected(f"coin-{number}", run=make_run_of(schedule, NOON - (number + 2) * HOUR))
        make_schedule(f"schedule {number}", crontab=f"{number} * * * *", spider="mirror", arguments={"only": "changed"})

    assert queries_of(admin_client, INDEX) == few <= 31
