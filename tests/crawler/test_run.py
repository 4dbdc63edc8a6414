"""The run's record by itself: what ends a run, and what is said of it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.db import DatabaseError, DataError, OperationalError

from coincrawl.components import extension
from coincrawl.extensions.run import RunRecord
from coincrawl.extensions.stop import Ending, Stop
from coincrawl.listing import ListedCoverage
from coincrawl.outcome import LOST
from coincrawl.shape import Shape
from coincrawl.spiders.markets import MarketsSpider
from coincrawl.start import Before
from tests.support.spiders import make_spider
from webapp.crawls import recording
from webapp.crawls.batch import Batch
from webapp.crawls.models import CrawlRun
from webapp.crawls.recording import NotStored, RunLost
from webapp.crawls.verdict import Verdict


class Engine:
    """Closes nothing, because nothing is open."""

    async def close_spider_async(self, reason: str) -> None:
        pass


def raising(*errors: Exception | None) -> Callable[..., None]:
    """A function that raises each in turn, where it is an error."""
    left = list(errors)

    def function(*_: Any, **__: Any) -> None:
        if error := left.pop(0):
            raise error

    return function


class Here:
    """A database that is called at once, and never tried again."""

    async def call(self, function: Callable[[], Any], patience: float = 0) -> Any:
        return function()

    async def renew(self) -> None:
        pass


@pytest.fixture
def record() -> RunRecord:
    """The record of a run that has begun."""
    spider = make_spider(MarketsSpider)
    cast(ListedCoverage, spider.coverage).add_list(["bitcoin"], 1)
    spider.crawler.engine = cast(Any, Engine())
    record = extension(spider.crawler, RunRecord)
    record.database = cast(Any, Here())
    record.stop = extension(spider.crawler, Stop)
    return record


@pytest.fixture
def end(record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """End a run that would be complete, with these functions in the place of its row's and of the checks."""

    def end(row: dict[str, Any] | None = None, **functions: Callable[..., None]) -> None:
        for check in ("check_place", "check_stored"):
            monkeypatch.setattr(f"coincrawl.extensions.run.{check}", functions.pop(check, lambda *_: None))
        monkeypatch.setattr(record, "_decide", lambda *_: (Verdict.COMPLETE, []))
        for name in ("finish", "check_over", "take_back"):
            monkeypatch.setattr(recording, name, functions.get(name, raising(None)))
        run = CrawlRun(**{"verdict": Verdict.COMPLETE, **(row or {})})
        asyncio.run(record._finish(run, record.spider, "finished"))

    return end


def ending(record: RunRecord) -> Ending | None:
    return record.stop.ending


def beat(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch, *errors: Exception | None, is_to_stop: bool = False
) -> list[float]:
    """Let the run write heartbeats with these errors until it is over; how long it waited before each time."""
    waited: list[float] = []

    async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) > len(errors)

    monkeypatch.setattr("coincrawl.extensions.run.wait_for_event", wait_for_event)
    monkeypatch.setattr(recording, "heartbeat", raising(*errors))
    monkeypatch.setattr(recording, "is_to_stop", lambda run: is_to_stop)
    asyncio.run(record._send_heartbeats(CrawlRun()))
    return waited


def test_a_run_shows_life_every_fifteen_seconds_until_it_is_over(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = beat(record, monkeypatch, None, None)

    assert waited == [15, 15, 15]
    assert ending(record) is None


def test_a_heartbeat_that_finds_that_the_run_is_to_stop_interrupts_it(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(record, monkeypatch, None, is_to_stop=True)

    assert ending(record) == Ending(Verdict.INTERRUPTED, "stopped on request")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RunLost(), Ending(Verdict.LOST, LOST)),
        (NotStored("gone"), Ending(Verdict.FAILED, "gone")),
        (
            OperationalError("gone\nfor good"),
            Ending(Verdict.FAILED, "the database fails (gone); only what the run has counted is stored"),
        ),
    ],
    ids=["lock taken", "row gone", "no database"],
)
def test_a_heartbeat_that_fails_ends_the_run(
    error: Exception, expected: Ending, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(record, monkeypatch, error)

    assert ending(record) == expected


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [
        (RunLost(), Verdict.LOST, LOST),
        (
            OperationalError("gone"),
            Verdict.FAILED,
            "the database fails (gone); only what the run has counted is stored",
        ),
        (KeyError("a bug"), Verdict.FAILED, "a batch could not be stored (KeyError: 'a bug')"),
        (DataError("odd"), Verdict.FAILED, "the database fails (odd)"),
        (DatabaseError("malformed"), Verdict.FAILED, "the database's file is damaged (malformed): restore a backup"),
        (NotStored("gone"), Verdict.FAILED, "gone"),
    ],
    ids=["lock taken", "no database", "bug", "a refusal that no row is guilty of", "damaged", "row gone"],
)
def test_a_batch_that_cannot_be_stored_ends_the_run(
    error: Exception, verdict: Verdict, reason: str, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Batch] = []

    def store(_: CrawlRun, batch: Batch, progress: object) -> None:
        tried.append(batch)
        raise error

    monkeypatch.setattr(recording, "store", store)
    record.run, first = CrawlRun(), Batch()

    asyncio.run(record.store(first))
    asyncio.run(record.store(Batch()))

    ended = ending(record)
    assert ended is not None
    assert (tried, ended.verdict) == ([first], verdict)
    assert ended.reason.startswith(reason)


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [
        (RunLost(), Verdict.LOST, LOST),
        (OperationalError("gone"), Verdict.FAILED, "the database fails (gone), so the run will be shown as"),
        (DatabaseError("malformed"), Verdict.FAILED, "the database's file is damaged (malformed): restore a backup"),
        (NotStored("gone"), Verdict.FAILED, "gone"),
        (KeyError("a bug"), Verdict.FAILED, "the run could not be finished (KeyError: 'a bug')"),
    ],
    ids=["lock taken", "no database", "damaged", "not stored", "bug"],
)
def test_a_run_whose_end_cannot_be_written_does_not_claim_to_be_complete(
    error: Exception, verdict: Verdict, reason: str, record: RunRecord, end: Callable[..., None]
) -> None:
    end(finish=raising(error, None))

    assert record.verdict == verdict
    assert record.reason.startswith(reason)


def test_a_bug_at_the_end_is_written_into_the_row(end: Callable[..., None]) -> None:
    bug, written = iter([KeyError("a bug")]), []

    def finish(run: CrawlRun, *facts: Any, **_: Any) -> None:
        if error := next(bug, None):
            raise error
        written.append(facts)

    end(finish=finish)

    assert written == [(Verdict.FAILED, "the run could not be finished (KeyError: 'a bug')")]


@pytest.mark.parametrize("again", [RunLost(), NotStored("gone"), OperationalError("gone")])
def test_a_bug_is_the_reason_also_where_it_cannot_be_written(
    again: Exception, record: RunRecord, end: Callable[..., None]
) -> None:
    end(finish=raising(KeyError("a bug"), again))

    assert record.reason.startswith("the run could not be finished (KeyError: 'a bug')")


@pytest.mark.parametrize("has_answered", [True, False])
def test_the_row_gets_what_it_cannot_see_itself(
    has_answered: bool, record: RunRecord, end: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_answered:
        record.crawler.stats.inc_value("downloader/response_count")
    record.memory.not_kept = 7
    written: dict[str, Any] = {}

    end(finish=lambda *_, **facts: written.update(facts))

    assert (written["has_answered"], written["not_kept"]) == (has_answered, 7)


def test_the_verdict_is_the_one_that_was_stored(record: RunRecord, end: Callable[..., None]) -> None:
    """The row knows of coins that would be missing, and may not believe the run."""
    end(row={"verdict": Verdict.PARTIAL, "reason": "most coins would be missing"})

    assert (record.verdict, record.reason) == (Verdict.PARTIAL, "most coins would be missing")


@pytest.mark.parametrize(
    ("check", "errors", "is_finished"),
    [
        ("check_place", [NotStored("gone")], False),
        ("check_stored", [NotStored("gone")], False),
        ("check_place", [None, NotStored("gone")], True),
        ("check_over", [NotStored("gone")], True),
    ],
    ids=["another file", "rows gone", "another file at the end", "row gone at the end"],
)
def test_a_verdict_is_said_when_what_it_speaks_of_was_read_back_before_and_after(
    check: str, errors: list[Exception | None], is_finished: bool, record: RunRecord, end: Callable[..., None]
) -> None:
    written: list[str] = []

    end(
        finish=lambda *_, **__: written.append("complete"),
        take_back=lambda run, reason: written.append(reason),
        **{check: raising(*errors)},
    )

    assert (record.verdict, record.reason) == (Verdict.FAILED, "gone")
    assert written == (["complete", "gone"] if is_finished else ["gone"])


@pytest.mark.parametrize("has_given_up", [False, True], ids=["all batches stored", "a batch not stored"])
def test_coins_are_read_back_if_all_batches_were_stored(
    has_given_up: bool, record: RunRecord, end: Callable[..., None]
) -> None:
    record.memory.dates = {"a": None, "b": None}
    record._has_given_up = has_given_up
    checked: list[set[str]] = []

    end(check_stored=lambda _, coins: checked.append({*coins}))

    assert checked == [set() if has_given_up else {"a", "b"}]


# The verdict -----------------------------------------------------------------------------------------


def decided(record: RunRecord, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]) -> tuple[Verdict, str]:
    """What becomes of a run of 300 coins, with these facts; Scrapy says `reason` of its end."""
    spider, seen = record.spider, facts.get("seen", 300)
    coverage = spider.coverage
    coverage.pages, coverage.records = facts.get("pages", 2), facts.get("records", seen)
    monkeypatch.setattr(coverage, "doubts", lambda: facts.get("doubts", []))
    monkeypatch.setattr(type(spider), "is_incremental", facts.get("is_incremental", False))
    record.stop.ending = facts.get("ending")
    record.crawler.crawling = not facts.get("by_signal", False)
    record.before = Before(coins=facts.get("before", 0), usual=facts.get("usual", {}))
    record._log.errors = facts.get("errors", 0)
    for name in {"dropped", "absent", "filled"} & facts.keys():
        monkeypatch.setattr(Shape, name, facts[name])
    run = CrawlRun(seen=seen, rejected=facts.get("rejected", 0))
    verdict, reasons = record._decide(run, spider, facts.get("reason", "finished"))
    return verdict, "; ".join(reasons)


ENDING = Ending(Verdict.FAILED, "refused")
EMPTIED = {"usual": {"ath": 1.0}}


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({}, Verdict.COMPLETE, ""),
        ({"ending": ENDING}, Verdict.FAILED, "refused"),
        ({"ending": ENDING, "by_signal": True, "reason": "shutdown"}, Verdict.FAILED, "refused"),
        ({"by_signal": True, "reason": "shutdown"}, Verdict.INTERRUPTED, "stopped by a signal"),
        ({"reason": "closespider_timeout"}, Verdict.PARTIAL, "closed early: closespider_timeout"),
        ({"reason": "closespider_timeout", "pages": 0}, Verdict.FAILED, "closed early: closespider_timeout"),
        ({"before": 400}, Verdict.PARTIAL, "300 coins, but the last complete run had 400"),
        ({"before": 400, "is_incremental": True}, Verdict.COMPLETE, ""),
        ({"errors": 1}, Verdict.PARTIAL, "1 unexpected error: the log has the details"),
        ({"doubts": ["page 7 is gone"]}, Verdict.PARTIAL, "page 7 is gone"),
        ({"records": 301}, Verdict.PARTIAL, "301 records came, and 300 were stored or rejected"),
        ({"rejected": 4}, Verdict.PARTIAL, "4 of 300 records were rejected"),
        ({"dropped": {"coin_id", "ath"}}, Verdict.PARTIAL, "the API does not send ath, id"),
        ({"dropped": {"ath"}, "seen": 0}, Verdict.PARTIAL, "the API returned no coins at all"),
        ({"seen": 0, "is_incremental": True}, Verdict.COMPLETE, ""),
        ({"filled": {"coin_id": 300, "ath": 0}, **EMPTIED}, Verdict.PARTIAL, "empty in every record: ath"),
        (
            {"filled": {"coin_id": 300, "ath": 200}, "absent": {"ath": 100}, **EMPTIED},
            Verdict.PARTIAL,
            "missing from whole pages: ath (100 of 300 records)",
        ),
        (
            {"filled": {"coin_id": 250, "ath": 0}, "seen": 250, "is_incremental": True, **EMPTIED},
            Verdict.PARTIAL,
            "empty in every record: ath",
        ),
        ({"filled": {"coin_id": 249, "ath": 0}, "seen": 249, "is_incremental": True, **EMPTIED}, Verdict.COMPLETE, ""),
        (
            {"filled": {"coin_id": 249, "ath": 0}, "seen": 249, **EMPTIED},
            Verdict.PARTIAL,
            "empty in every record: ath",
        ),
    ],
)
def test_the_end_of_a_run_is_judged_by_all_that_it_has_seen(
    facts: dict[str, Any], verdict: Verdict, words: str, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decided(record, monkeypatch, facts) == (verdict, words)


def test_the_first_end_of_a_run_counts_and_stops_what_waits(record: RunRecord) -> None:
    async def end_twice() -> None:
        record.stop.end(Verdict.PARTIAL, "first")
        record.stop.end(Verdict.FAILED, "second")

    asyncio.run(end_twice())

    assert ending(record) == Ending(Verdict.PARTIAL, "first")
    assert record.stop.begun.is_set()


@pytest.mark.parametrize(("pages", "verdict"), [(0, Verdict.FAILED), (1, Verdict.PARTIAL)])
def test_a_run_that_gives_up_is_partial_where_it_has_had_a_page(
    pages: int, verdict: Verdict, record: RunRecord
) -> None:
    async def give_up() -> None:
        record.stop.give_up("the source stopped answering")

    record.spider.coverage.pages = pages

    asyncio.run(give_up())

    assert ending(record) == Ending(verdict, "the source stopped answering")
