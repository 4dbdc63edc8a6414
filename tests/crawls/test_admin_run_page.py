"""The page of a run: its progress, the run before, the coins behind its numbers, and its log by level."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.support.admin import hostile, keys_in_list, page_of, queries_of, text_of
from tests.support.factories import DAY, HOUR, MINUTE, NOON, SECOND, make_coin, make_rejected, make_run, make_schedule
from tests.support.plans import is_read_as_a_whole
from webapp.coins.models import CoinReview, FullCoin
from webapp.crawls import past_runs
from webapp.crawls.admin.run_log import log
from webapp.crawls.admin.run_progress import Progress, about
from webapp.crawls.models import CrawlRun, RejectedRecord
from webapp.crawls.verdict import Verdict

pytestmark = pytest.mark.django_db

RUNNING = {"verdict": Verdict.RUNNING, "heartbeat_at": NOON, "finished_at": None}
COINS = reverse("admin:coins_fullcoin_changelist")


def lines_beside(client: Client, run: CrawlRun) -> dict[str, list[str]]:
    """The table with the run before: by the label of the line, its other cells."""
    page = client.get(page_of(run)).content.decode()
    table = re.search(r'(?s)data-live="summary">.*?<tbody>(.*?)</tbody>', page)
    assert table is not None
    rows = [re.findall(r"<td>(.*?)</td>", line) for line in table[1].split("</tr>") if line]
    return {label.partition("<")[0]: cells for label, *cells in rows}


# Progress ----------------------------------------------------------------------------------------
BEFORE: dict[str, Any] = {
    "verdict": Verdict.COMPLETE,
    "started_at": NOON - DAY,
    "finished_at": NOON - DAY + 10 * MINUTE,
}


@pytest.mark.parametrize(
    ("run", "before", "percent", "left"),
    [
        pytest.param({"seen": 250}, {"seen": 1_000}, 25, 3 * MINUTE, id="by its own pace"),
        pytest.param({"seen": 0}, {"seen": 1_000}, 0, 9 * MINUTE, id="at the beginning by that of the run before"),
        pytest.param({"pages": 1}, {"pages": 2}, 50, MINUTE, id="by pages if there are no records"),
        pytest.param({"seen": 999}, {"seen": 1_000}, 99, MINUTE / 999, id="nearly all"),
        pytest.param({"seen": 1_000}, {"seen": 1_000}, 99, None, id="as many"),
        pytest.param({"seen": 5_000}, {"seen": 1_000}, 99, None, id="more"),
        pytest.param({"seen": 250}, {}, None, None, id="nothing to compare with"),
        pytest.param({"seen": 250}, None, None, None, id="none before"),
    ],
)
def test_progress_is_measured_by_the_last_complete_run(
    run: dict, before: dict | None, percent: int | None, left: timedelta | None
) -> None:
    current = CrawlRun(verdict=Verdict.RUNNING, started_at=NOON, heartbeat_at=NOON + MINUTE, **run)
    earlier = None if before is None else CrawlRun(**BEFORE, **before)

    progress = Progress(current, earlier, NOON + MINUTE)

    assert progress.percent == percent
    if left is None or progress.left is None:
        assert progress.left is left
    else:
        assert abs(progress.left - left) < SECOND / 100


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0 * SECOND, "Less than a minute"),
        (59 * SECOND, "Less than a minute"),
        (60 * SECOND, "About 1 minute"),
        (89 * MINUTE, "About 89 minutes"),
        (90 * MINUTE, "About 2 hours"),
        (26 * HOUR, "About 26 hours"),
    ],
)
def test_the_time_left_is_no_more_exact_than_the_estimate(span: timedelta, words: str) -> None:
    assert about(span) == words


@pytest.mark.usefixtures("noon")
def test_a_run_that_is_under_way_shows_its_progress(admin_client: Client) -> None:
    before = make_run(seen=17_190, started_at=NOON - DAY, finished_at=NOON - DAY + 30 * MINUTE)
    run = make_run(pages=14, seen=3_438, **RUNNING | {"started_at": NOON - 4 * MINUTE})

    page = admin_client.get(page_of(run)).content.decode()
    shown = text_of(admin_client, page_of(run))

    assert "14 pages answered, 3,438 records seen. About 16 minutes left, by the last complete run ." in shown
    assert f'<a href="{page_of(before)}">last complete run</a>' in page
    assert '<progress max="100" value="20" aria-label="Progress">' in page


@pytest.mark.every_database
@pytest.mark.usefixtures("noon")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({}, "No run with these arguments has been complete before", id="no run before"),
        pytest.param(
            {"heartbeat_at": NOON - 4 * MINUTE},
            "No heartbeat for 4 minutes: the last one was at 2026-02-05 11:56:00 UTC. A scrapyd",
            id="silent",
        ),
        pytest.param(
            {"heartbeat_at": NOON - 50 * SECOND},
            "No heartbeat for 50 seconds: the last one was at 2026-02-05 11:59:10 UTC. After 3 minutes",
            id="quiet",
        ),
        pytest.param(
            {"verdict": Verdict.PENDING, "started_at": None, "queued_at": NOON},
            "It has waited in the queue for less than a minute",
            id="waits",
        ),
        pytest.param(
            {"verdict": Verdict.PENDING, "started_at": None, "queued_at": NOON - 20 * HOUR},
            "It has waited in the queue for 20 hours",
            id="waits for long",
        ),
    ],
)
def test_without_an_estimate_the_reason_is_told(admin_client: Client, values: dict, words: str) -> None:
    run = make_run(**RUNNING | values)

    shown, page = text_of(admin_client, page_of(run)), admin_client.get(page_of(run)).content.decode()

    assert words in shown
    assert ('<em class="late">' in page) is ("hours" in words)
    assert "<progress" not in page


@pytest.mark.parametrize("verdict", [*Verdict])
def test_a_page_refreshes_itself_while_its_run_is_under_way(admin_client: Client, verdict: Verdict) -> None:
    run = make_run(verdict=verdict, started_at=None if verdict == Verdict.PENDING else NOON)

    page = admin_client.get(page_of(run)).content.decode()

    is_under_way = verdict in {Verdict.PENDING, Verdict.RUNNING}
    for part in (
        "coincrawl/refresh.js",
        '<noscript><meta http-equiv="refresh" content="15"></noscript>',
        "data-under-way",
    ):
        assert (part in page) == is_under_way, part


# The run before ----------------------------------------------------------------------------------
def test_a_run_stands_beside_the_complete_run_before_it(admin_client: Client) -> None:
    before = make_run(
        id="a/b", finished_at=NOON + 90 * SECOND, pages=70, requests=75, credits=72, seen=17_000, rejected=3
    )
    counts = {"pages": 71, "requests": 75, "credits": 70, "seen": 17_190, "created": 190, "updated": 20}
    run = make_run(verdict=Verdict.PARTIAL, started_at=NOON + HOUR, finished_at=NOON + HOUR + MINUTE, **counts)

    lines = lines_beside(admin_client, run)

    texts = {label: [re.sub("<[^>]*>", "", cell) for cell in cells] for label, cells in lines.items()}
    assert texts == {
        "Verdict": ["partial", "complete", ""],
        "Started (UTC)": ["2026-02-05 13:00:00", "2026-02-05 12:00:00", ""],
        "Duration": ["0:01:00", "0:01:30", "-0:00:30"],
        "Pages": ["71", "70", "+1"],
        "Requests": ["75", "75", "0"],
        "Credits": ["70", "72", "-2"],
        "Seen": ["17,190", "17,000", "+190"],
        "New": ["190", "0", "+190"],
        "Updated": ["20", "0", "+20"],
        "Rejected": ["0", "3", "-3"],
    }
    assert f'href="{page_of(before)}"' in lines["Started (UTC)"][1]


def test_a_first_run_stands_alone(admin_client: Client) -> None:
    run = make_run(seen=5)

    lines, shown = lines_beside(admin_client, run), text_of(admin_client, page_of(run))

    assert lines["Seen"] == ["5", "-"]
    assert "No complete run before" in shown


def test_its_numbers_lead_to_the_coins_and_the_rejected_records(admin_client: Client) -> None:
    run = make_run(finished_at=NOON + MINUTE, created=1, updated=2, rejected=2)
    make_rejected("mine", run=run)
    make_rejected("resolved since", run=run, status=RejectedRecord.Status.RESOLVED)
    span = "2026-02-05T12%3A00%3A00Z", "2026-02-05T12%3A01%3A00Z"

    lines = {label: unescape(cells[0]) for label, cells in lines_beside(admin_client, run).items()}

    new = f"first_seen_at_min={span[0]}&first_seen_at_max={span[1]}&review=hidden+or+not"
    updated = f"changed_at_min={span[0]}&changed_at_max={span[1]}&first_seen_at_max={span[0]}&market=on+the+market"
    assert lines["New"] == f'<a href="{COINS}?{new}">1</a>'
    assert lines["Updated"] == f'<a href="{COINS}?{updated}&review=hidden+or+not">2</a>'
    rejected = re.search('href="([^"]*)">2<', lines["Rejected"])
    assert rejected is not None
    assert len(keys_in_list(admin_client, rejected[1])) == 2
    assert "with the last run that had it" not in text_of(admin_client, page_of(run))


@pytest.mark.parametrize(("listed", "shown"), [(0, "3"), (2, "3; 2 in the list")])
def test_a_number_of_rejected_records_that_is_not_that_of_the_list_says_so(
    admin_client: Client, listed: int, shown: str
) -> None:
    run = make_run(finished_at=NOON + MINUTE, rejected=3)
    for number in range(listed):
        make_rejected(f"coin-{number}", run=run)

    cell = lines_beside(admin_client, run)["Rejected"][0]

    assert re.sub("<[^>]*>", "", cell) == shown
    assert "Rejected The list has each kept record once, with the last run that had it." in text_of(
        admin_client, page_of(run)
    )
    if listed:
        found = re.search('href="([^"]*)">2 in the list', unescape(cell))
        assert found is not None
        assert len(keys_in_list(admin_client, found[1])) == 2


def test_what_is_updated_is_neither_new_nor_gone(admin_client: Client) -> None:
    run = make_run(finished_at=NOON + MINUTE, created=1, updated=1, missing=1)
    make_coin("new", first_seen_at=NOON + SECOND, changed_at=NOON + SECOND)
    make_coin("updated", first_seen_at=NOON - HOUR, changed_at=NOON + SECOND)
    make_coin("gone", first_seen_at=NOON - HOUR, changed_at=NOON + MINUTE, missing_since=NOON + MINUTE)
    for coin in FullCoin.objects.all():
        CoinReview.objects.create(coin=coin, hidden=True)

    lines = {label: unescape(cells[0]) for label, cells in lines_beside(admin_client, run).items()}

    for label, coins in {"New": ["new"], "Updated": ["updated"], "Newly missing": ["gone"]}.items():
        address = re.search('href="([^"]*)">1<', lines[label])
        assert address is not None
        assert keys_in_list(admin_client, address[1]) == coins


def test_a_run_of_past_prices_has_no_links_to_coins(admin_client: Client) -> None:
    run = make_run(spider="history", created=5, updated=5, missing=1, finished_at=NOON + MINUTE)

    lines = lines_beside(admin_client, run)

    assert (lines["New"][0], lines["Updated"][0]) == ("5", "5")
    assert "Newly missing" not in lines


def test_newly_missing_are_the_coins_that_are_missing_since_the_run(admin_client: Client) -> None:
    before = {"started_at": NOON - HOUR, "finished_at": NOON - HOUR + MINUTE, "missing": 2}
    make_run(**before)
    run = make_run(finished_at=NOON + MINUTE, missing=5)
    for minutes in (-59, -30, 0, 1, 2):
        make_coin(f"gone at {minutes}", missing_since=NOON + minutes * MINUTE)
    make_coin("there")

    this, earlier, difference = lines_beside(admin_client, run)["Newly missing"]

    assert "missing_since_min=2026-02-05T12%3A00%3A00Z&amp;missing_since_max=2026-02-05T12%3A01%3A00Z" in this
    assert [re.sub("<[^>]*>", "", cell) for cell in (this, earlier, difference)] == ["2", "1", "+1"]
    assert "Newly missing Those that are still missing." in text_of(admin_client, page_of(run))


@pytest.mark.usefixtures("noon")
def test_a_run_that_is_under_way_has_no_differences_to_the_one_before(admin_client: Client) -> None:
    make_run(started_at=NOON - DAY, finished_at=NOON - DAY + MINUTE, seen=1_000, updated=900, missing=2)
    run = make_run(seen=300, updated=200, **RUNNING | {"started_at": NOON - MINUTE})

    lines, shown = lines_beside(admin_client, run), text_of(admin_client, page_of(run))

    assert "This run so far The complete run before Verdict" in shown
    assert (lines["Seen"], lines["Duration"]) == (["300", "1,000"], ["0:01:00", "0:01:00"])
    assert {len(cells) for cells in lines.values()} == {2}
    assert "Newly missing" not in shown


@pytest.mark.every_database
def test_a_run_that_waits_stands_beside_none(admin_client: Client) -> None:
    make_run(started_at=NOON - DAY)
    run = make_run(verdict=Verdict.PENDING, started_at=None)

    assert "The complete run before" not in text_of(admin_client, page_of(run))


def test_it_remarks_only_on_what_it_shows(admin_client: Client) -> None:
    run = make_run(finished_at=NOON + MINUTE)

    shown = text_of(admin_client, page_of(run))

    assert "still missing" not in shown
    assert "The link shows" not in shown


@pytest.mark.parametrize(
    ("others", "found"),
    [
        pytest.param({"old": {}, "older": {"started_at": NOON - 2 * DAY}}, "old", id="the newest"),
        pytest.param({"old": {"verdict": Verdict.PARTIAL}}, None, id="not one that is partial"),
        pytest.param({"old": {"arguments": {"pages": 2}}}, None, id="not one with other arguments"),
        pytest.param({"old": {"arguments": {}}}, None, id="not one without arguments"),
        pytest.param({"old": {"spider": "mirror"}}, None, id="not one of another spider"),
        pytest.param({"later": {"started_at": NOON + DAY}}, None, id="not a later one"),
    ],
)
def test_the_run_before_is_the_newest_complete_one_of_the_same_scope(others: dict, found: str | None) -> None:
    run = make_run(verdict=Verdict.FAILED, arguments={"pages": 1})
    for key, values in others.items():
        make_run(id=key, **{"arguments": {"pages": 1}, "started_at": NOON - DAY} | values)

    before = past_runs.complete_before(run)

    assert (before.pk if before else None) == found


def test_no_run_is_the_one_before_itself() -> None:
    run = make_run()
    CrawlRun.objects.update(started_at=Now())  # SQLite's clock writes fewer digits than Django compares with
    run.refresh_from_db()

    before = past_runs.complete_before(run)

    assert before is None


def test_the_run_before_may_be_further_back_in_its_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or of its spider, if its schedule has none. Behind so many others it is not looked for."""
    monkeypatch.setattr(past_runs, "RUNS_SEARCHED", 2)
    schedule = make_schedule("Whole", arguments={})
    for hours in range(1, 4):
        make_run(started_at=NOON - hours * HOUR, arguments={"pages": 1})
    weekly = make_run(started_at=NOON - 7 * DAY, schedule=schedule)
    by_hand, scheduled = make_run(verdict=Verdict.FAILED), make_run(verdict=Verdict.FAILED, schedule=schedule)

    found = [past_runs.complete_before(run) for run in (scheduled, by_hand)]

    assert found == [weekly, None]


@pytest.mark.every_database
def test_the_number_of_queries_does_not_grow_with_the_runs(admin_client: Client) -> None:
    run = make_run(schedule=make_schedule(), missing=1)

    make_run(started_at=NOON - HOUR, schedule=run.schedule)
    one = queries_of(admin_client, page_of(run))
    for hours in range(2, 20):
        make_run(started_at=NOON - hours * HOUR, schedule=run.schedule)

    assert queries_of(admin_client, page_of(run)) == one


@pytest.mark.every_database
def test_the_run_before_is_found_by_an_index() -> None:
    schedule = make_schedule()
    for hours in range(5):
        run = make_run(started_at=NOON + hours * HOUR, schedule=schedule, arguments={"pages": hours})

    with CaptureQueriesContext(connection) as captured:
        past_runs.complete_before(run)

    assert len(captured) == 4
    assert not any(is_read_as_a_whole(query["sql"], "crawls_crawlrun") for query in [*captured])


def test_a_run_links_to_the_lists_that_it_is_in(admin_client: Client) -> None:
    schedule = make_schedule("Night & day")
    run = make_run(id="mine", schedule=schedule)
    make_run(id="by hand")

    page = admin_client.get(page_of(run)).content.decode()

    links = dict(re.findall(r'<a href="([^"]*)"><bdi>([^<]*)</bdi></a>', page))
    assert [unescape(name) for name in links.values()] == ["Night & day", "markets"]
    assert [len(keys_in_list(admin_client, unescape(address))) for address in links] == [1, 2]


# Texts from outside ------------------------------------------------------------------------------
@hostile
def test_hostile_texts_are_shown_as_they_are(admin_client: Client, text: str) -> None:
    schedule = make_schedule(f"schedule {text}")
    line = f"2026-02-05 12:00:00 [x] ERROR: error {text}"
    facts = {
        "reason": f"reason {text}",
        "node": f"node {text}",
        "log_tail": line,
        "arguments": {"a": f"argument {text}"},
    }
    make_run(started_at=NOON - HOUR, spider=f"spider {text}", **facts)
    run = make_run(schedule=schedule, spider=f"spider {text}", **facts)

    page = admin_client.get(page_of(run)).content.decode()
    shown = text_of(admin_client, page_of(run))

    for words in ("schedule", "error", "reason", "node", "argument", "spider"):
        assert " ".join(f"{words} {text}".split()) in unescape(page) or " ".join(f"{words} {text}".split()) in shown
    assert "<script>alert" not in page
    assert "onmouseover='alert" not in page


# The log -----------------------------------------------------------------------------------------
LOG = """\
  |   File "cut.py", line 1
2026-02-05 12:00:00 [scrapy.core.engine] DEBUG: Crawled
2026-02-05 12:00:00 [scrapy.core.engine] INFO: Spider opened
2026-02-05 12:00:01 [coincrawl] WARNING: page 7 <b>was</b> throttled
2026-02-05 12:00:02 [scrapy.core.scraper] ERROR: {0} 2026-02-05 12:00:02 [x] INFO: forged
  | Traceback (most recent call last):
  | 2026-02-05 12:00:02 [x] INFO: forged
  | ValueError: %s
2026-02-05 12:00:03 [twisted] CRITICAL: Unhandled
2026-02-05 12:00:04 [scrapy.core.engine] INFO: Closed"""


def test_each_line_of_a_log_has_its_level_and_its_traceback() -> None:
    entries = re.findall(r'(?s)<span class="level (\w+)">(.*?)</span>', log(LOG))

    assert [level for level, _ in entries] == ["debug", "info", "warning", "error", "critical", "info"]
    assert entries[2][1].endswith("WARNING: page 7 &lt;b&gt;was&lt;/b&gt; throttled\n")
    assert entries[3][1].endswith("forged\n  | ValueError: %s\n")


def test_a_log_loses_nothing() -> None:
    shown = re.search("(?s)<pre>(.*)</pre>", log(LOG))

    assert shown is not None
    assert unescape(re.sub("</?span[^>]*>", "", shown[1])) == LOG


def test_the_levels_say_how_many_lines_they_have() -> None:
    labels = re.findall(
        r'<input type="radio" name="log-level" id="log-(\w+)" value="(\w+)"( checked)?> ([^<]*)<', log(LOG)
    )

    assert labels == [
        ("all", "all", " checked", "all (6)"),
        ("warnings", "warnings", "", "warnings and errors (3)"),
        ("errors", "errors", "", "errors (2)"),
    ]


@pytest.mark.parametrize("tail", ["a log of another format\n<b>", "12:00 INFO: Spider opened"])
def test_a_log_of_another_format_has_no_levels(tail: str) -> None:
    shown = log(tail)

    assert "radio" not in shown
    assert "<span" not in shown
