"""The run's record by itself: what ends a run, and what is said of it."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, DataError, OperationalError
from scrapy.settings import Settings
from scrapy.signalmanager import SignalManager

from coincrawl.extensions.run import LOST, RunRecord
from webapp.crawls import recording
from webapp.crawls.batch import Batch
from webapp.crawls.models import Verdict
from webapp.crawls.recording import NotStored, RunLost


class Spider:
    """Remembers how it was told to end, and then it is over."""

    pages = 0

    def __init__(self) -> None:
        self.endings: list[tuple[Verdict, str]] = []

    def end(self, verdict: Verdict, reason: str) -> None:
        self.endings.append((verdict, reason))


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


@pytest.fixture(autouse=True)
def _verbs_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `recording` call what a test's run has under the same name."""

    def calling(name: str) -> Callable[..., Any]:
        return lambda run, *given, **facts: getattr(run, name)(*given, **facts)

    for name in ("heartbeat", "is_to_stop", "store", "finish", "check_over", "take_back"):
        monkeypatch.setattr(recording, name, calling(name))


@pytest.fixture
def ending(record: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """End a run that would be complete, with these functions in the place of its own and of the checks."""

    def end(row: dict[str, Any] | None = None, **functions: Callable[..., None]) -> None:
        for check in ("check_place", "check_stored"):
            monkeypatch.setattr(f"coincrawl.extensions.run.{check}", functions.pop(check, lambda *_: None))
        monkeypatch.setattr("coincrawl.extensions.run.extension", lambda crawler, kind: PACE)
        monkeypatch.setattr(record, "_decide", lambda *_: (Verdict.COMPLETE, []))
        verbs = {name: raising(None) for name in ("finish", "check_over", "take_back")} | functions
        facts: dict[str, Any] = {"went_back": 0, "stale": 0, "rounded": {}, "verdict": Verdict.COMPLETE}
        run: Any = SimpleNamespace(**facts | (row or {}), **verbs)
        asyncio.run(record._finish(run, ENDED, "finished"))

    return end


@pytest.fixture
def record() -> Any:
    crawler: Any = SimpleNamespace(
        signals=SignalManager(),
        settings=Settings({"HEARTBEAT_SECONDS": 15, "LOG_FORMAT": "%(message)s"}),
        stats=SimpleNamespace(get_value=lambda name, default=None: default),
        spider=Spider(),
    )
    record: Any = RunRecord(crawler)
    record.database = Here()
    return record


def endings(record: Any) -> list[tuple[Verdict, str]]:
    return record.spider.endings


def beat(
    record: Any, monkeypatch: pytest.MonkeyPatch, *errors: Exception | None, is_to_stop: bool = False
) -> list[float]:
    """Let the run beat with these errors until it is over; how long it waited before each beat."""
    waited: list[float] = []

    async def within(event: asyncio.Event, seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) > len(errors)

    monkeypatch.setattr("coincrawl.extensions.run.within", within)
    run: Any = SimpleNamespace(heartbeat=raising(*errors), is_to_stop=lambda: is_to_stop)
    asyncio.run(record._beat(run))
    return waited


def test_a_run_beats_every_fifteen_seconds_until_it_is_over(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = beat(record, monkeypatch, None, None)

    assert waited == [15, 15, 15]
    assert endings(record) == []


def test_a_heartbeat_that_finds_that_the_run_is_to_stop_interrupts_it(
    record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(record, monkeypatch, None, is_to_stop=True)

    assert endings(record) == [(Verdict.INTERRUPTED, "stopped on request")]


def test_a_heartbeat_that_finds_its_lock_taken_ends_the_run(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(record, monkeypatch, RunLost())

    assert endings(record) == [(Verdict.LOST, LOST)]


def test_a_heartbeat_that_finds_its_row_gone_ends_the_run(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(record, monkeypatch, NotStored("gone"))

    assert endings(record) == [(Verdict.FAILED, "gone")]


def test_a_heartbeat_that_finds_no_database_ends_the_run(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(record, monkeypatch, OperationalError("gone\nfor good"))

    assert endings(record) == [(Verdict.FAILED, "the database fails (gone); only what the run has counted is stored")]


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
    error: Exception, verdict: Verdict, reason: str, record: Any
) -> None:
    store = raising(error)
    record.run = SimpleNamespace(store=store)

    asyncio.run(record.store(Batch()))
    asyncio.run(record.store(Batch()))  # is not even tried

    ((ended, because),) = endings(record)
    assert ended == verdict
    assert because.startswith(reason)


# A spider that has nothing more to say.
PACE = SimpleNamespace(resting=0, give_back=lambda: False)
ENDED: Any = SimpleNamespace(
    fields=(), notes=list, proof=str, listed=None, present=None, newest_change=None, has_heard=True
)


@pytest.mark.parametrize(
    ("error", "verdict", "reason"),
    [
        (RunLost(), Verdict.LOST, LOST),
        (OperationalError("gone"), Verdict.FAILED, "the database fails (gone), so the run will be shown as"),
        (DatabaseError("malformed"), Verdict.FAILED, "the database's file is damaged (malformed): restore a backup"),
        (NotStored("gone"), Verdict.FAILED, "gone"),
        (KeyError("a bug"), Verdict.FAILED, "the run could not be ended as it should (KeyError: 'a bug')"),
    ],
    ids=["lock taken", "no database", "damaged", "not stored", "bug"],
)
def test_a_run_whose_end_cannot_be_written_does_not_claim_to_be_complete(
    error: Exception, verdict: Verdict, reason: str, record: Any, ending: Callable[..., None]
) -> None:
    ending(finish=raising(error, None))

    assert record.verdict == verdict
    assert record.reason.startswith(reason)


def test_a_bug_at_the_end_is_written_into_the_row(ending: Callable[..., None]) -> None:
    bug, written = iter([KeyError("a bug")]), []

    def finish(*facts: Any, **_: Any) -> None:
        if error := next(bug, None):
            raise error
        written.append(facts)

    ending(finish=finish)

    assert written == [(Verdict.FAILED, "the run could not be ended as it should (KeyError: 'a bug')")]


@pytest.mark.parametrize("again", [RunLost(), NotStored("gone"), OperationalError("gone")])
def test_a_bug_is_the_reason_also_where_it_cannot_be_written(
    again: Exception, record: Any, ending: Callable[..., None]
) -> None:
    ending(finish=raising(KeyError("a bug"), again))

    assert record.reason.startswith("the run could not be ended as it should (KeyError: 'a bug')")


@pytest.mark.parametrize("heard", [True, False])
def test_the_row_is_told_what_it_cannot_see_itself(heard: bool, record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coincrawl.extensions.run.extension", lambda crawler, kind: PACE)
    monkeypatch.setattr(
        "coincrawl.extensions.run.check_place", lambda place: None
    )  # a test before may have made a file
    monkeypatch.setattr(record, "_decide", lambda *_: (Verdict.FAILED, []))
    record.not_kept = 7
    told: dict[str, Any] = {}
    finish = lambda *_, **facts: told.update(facts)  # noqa: E731 - it is the row's
    run: Any = SimpleNamespace(
        verdict=Verdict.FAILED, finish=finish, check_over=lambda: None, went_back=0, stale=0, rounded={}
    )
    spider: Any = SimpleNamespace(**vars(ENDED) | {"has_heard": heard})

    asyncio.run(record._finish(run, spider, "finished"))

    assert (told["heard"], told["not_kept"]) == (heard, 7)
    assert "proof" not in told["messages"]  # of a run that failed


def test_the_verdict_is_the_one_that_was_stored(record: Any, ending: Callable[..., None]) -> None:
    """The row knows of coins that would be missing, and may not believe the run."""
    ending(row={"verdict": Verdict.PARTIAL, "reason": "most coins would be missing"})

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
    check: str, errors: list[Exception | None], is_finished: bool, record: Any, ending: Callable[..., None]
) -> None:
    written: list[str] = []

    ending(
        finish=lambda *_, **__: written.append("complete"),
        take_back=written.append,
        **{check: raising(*errors)},
    )

    assert (record.verdict, record.reason) == (Verdict.FAILED, "gone")
    assert written == (["complete", "gone"] if is_finished else ["gone"])


# The verdict -----------------------------------------------------------------------------------------


def decided(record: Any, reason: str = "finished", **facts: Any) -> tuple[Verdict, str]:
    """What becomes of a run of 300 coins, which ended as Scrapy says by `reason`, and with these facts."""
    record.stop = SimpleNamespace(by_signal=facts.get("by_signal", False))
    record.previous = SimpleNamespace(coins=facts["before"]) if "before" in facts else None
    record.usual = facts.get("usual", {})
    record.errors.count = facts.get("errors", 0)
    shape: dict[str, Any] = {"dropped": [], "absent": {}, "filled": {}}
    record.shape = SimpleNamespace(**{name: facts.get(name, value) for name, value in shape.items()})
    seen = facts.get("seen", 300)
    run: Any = SimpleNamespace(seen=seen, coins=seen, rejected=facts.get("rejected", 0))
    spider: Any = SimpleNamespace(
        ending=facts.get("ending"),
        pages=facts.get("pages", 2),
        records=facts.get("records", seen),
        counts_vary=facts.get("counts_vary", False),
        doubts=lambda: facts.get("doubts", []),
        called=lambda names: {f"its {name}" for name in names},
    )
    verdict, reasons = record._decide(run, spider, reason)
    return verdict, "; ".join(reasons)


ENDING = SimpleNamespace(verdict=Verdict.FAILED, reason="refused")
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
        ({"before": 400}, Verdict.PARTIAL, "300 coins, where the last complete run had 400"),
        ({"before": 400, "counts_vary": True}, Verdict.COMPLETE, ""),
        ({"errors": 1}, Verdict.PARTIAL, "1 unexpected error: the log has the details"),
        ({"doubts": ["page 7 is gone"]}, Verdict.PARTIAL, "page 7 is gone"),
        ({"records": 301}, Verdict.PARTIAL, "301 records came, and 300 were stored or rejected"),
        ({"rejected": 4}, Verdict.PARTIAL, "4 of 300 records were rejected"),
        ({"dropped": ["ath"]}, Verdict.PARTIAL, "the API no longer sends its ath"),
        ({"dropped": ["ath"], "seen": 0}, Verdict.PARTIAL, "the API returned no coins at all"),
        ({"seen": 0, "counts_vary": True}, Verdict.COMPLETE, ""),
        ({"filled": {"coin_id": 300, "ath": 0}, **EMPTIED}, Verdict.PARTIAL, "empty in every record: ath"),
        (
            {"filled": {"coin_id": 300, "ath": 200}, "absent": {"ath": 100}, **EMPTIED},
            Verdict.PARTIAL,
            "missing from whole pages: ath (100 of 300 records)",
        ),
        (
            {"filled": {"coin_id": 250, "ath": 0}, "seen": 250, "counts_vary": True, **EMPTIED},
            Verdict.PARTIAL,
            "empty in every record: ath",
        ),
        ({"filled": {"coin_id": 249, "ath": 0}, "seen": 249, "counts_vary": True, **EMPTIED}, Verdict.COMPLETE, ""),
        (
            {"filled": {"coin_id": 249, "ath": 0}, "seen": 249, **EMPTIED},
            Verdict.PARTIAL,
            "empty in every record: ath",
        ),
    ],
)
def test_the_end_of_a_run_is_judged_by_all_that_it_has_seen(
    facts: dict[str, Any], verdict: Verdict, words: str, record: Any
) -> None:
    assert decided(record, **facts) == (verdict, words)
