"""How a run begins: with its spider's lock, or with the reason why not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from tests.support.factories import DAY, NOON
from tests.support.runs import begin
from webapp.coins.models import FullCoin
from webapp.crawls import past_runs, recording
from webapp.crawls.models import CrawlRun
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_a_run_begins_with_the_lock() -> None:
    run = begin()

    assert (run.verdict, run.started_at is not None, run.heartbeat_at is not None) == (Verdict.RUNNING, True, True)


def test_a_second_run_is_skipped_and_says_why() -> None:
    begin()

    second = begin()

    assert second.verdict == Verdict.SKIPPED
    assert second.reason.startswith("another run of markets is under way; ")
    assert second.finished_at is not None


def test_the_lock_is_a_constraint_of_the_database() -> None:
    begin()

    with pytest.raises(IntegrityError), transaction.atomic():
        CrawlRun.objects.create(spider="markets", verdict=Verdict.RUNNING)


def test_a_run_without_a_heartbeat_gives_way() -> None:
    dead = begin()
    CrawlRun.objects.update(heartbeat_at=Now() - timedelta(seconds=181))

    run = begin()

    dead.refresh_from_db()
    assert (run.verdict, dead.verdict) == (Verdict.RUNNING, Verdict.LOST)
    assert "no heartbeat for 180 s" in dead.reason


def test_a_run_with_a_heartbeat_does_not() -> None:
    alive = begin()
    CrawlRun.objects.update(heartbeat_at=Now() - timedelta(seconds=170))

    begin()

    alive.refresh_from_db()
    assert alive.verdict == Verdict.RUNNING


def test_a_run_that_finds_the_api_at_rest_is_skipped_and_says_until_when() -> None:
    recording.begin("markets", {}, leave_alone=3_600)

    run = CrawlRun.objects.get(verdict=Verdict.SKIPPED)
    words, until = run.reason[:-23], datetime.fromisoformat(run.reason[-23:].replace(" UTC", "+00:00"))
    assert words == "the API asked for no requests before "
    assert run.started_at is not None
    assert abs(until - run.started_at - timedelta(hours=1)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("seconds", "absence"),
    [(600, timedelta(seconds=600)), (365 * 24 * 3_600, timedelta(days=1))],
    ids=["ten minutes", "a year"],
)
def test_an_api_that_asks_to_be_left_alone_is_for_a_day_at_most(seconds: float, absence: timedelta) -> None:
    run = begin()

    recording.finish(run, Verdict.PARTIAL, leave_alone=seconds)

    assert run.not_before is not None
    assert run.finished_at is not None
    assert run.not_before - run.finished_at == absence


@pytest.mark.parametrize(
    "values",
    [
        {"verdict": Verdict.RUNNING, "heartbeat_at": Now()},
        {"verdict": Verdict.RUNNING, "heartbeat_at": Now() - timedelta(seconds=181)},
        {"verdict": Verdict.COMPLETE, "started_at": Now(), "credits": 80},
    ],
    ids=["lock", "lock without a heartbeat", "credits"],
)
def test_another_spiders_runs_do_not_matter(values: dict[str, Any]) -> None:
    other = CrawlRun.objects.create(spider="another", **values)

    run = recording.begin("markets", {}, monthly_credits=1)

    other.refresh_from_db()
    assert (run.verdict, other.verdict) == (Verdict.RUNNING, values["verdict"])


@pytest.fixture(params=[-1, 1], ids=["slow", "fast"])
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour off; the database's is not."""
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=request.param))


@pytest.mark.usefixtures("wrong_clock")
def test_a_run_is_dated_by_the_databases_clock() -> None:
    minute = timedelta(minutes=1)

    run = begin()
    began = run.heartbeat_at
    recording.heartbeat(run)
    run.refresh_from_db()
    beaten = run.heartbeat_at
    recording.finish(run, Verdict.PARTIAL, leave_alone=60)

    dated = CrawlRun.objects.filter(
        started_at__range=(Now() - minute, Now()), not_before__range=(Now(), Now() + minute)
    )
    (now,) = dated.values_list(Now(), flat=True)
    assert all(now - minute < moment <= now for moment in (began, beaten, run.heartbeat_at, run.finished_at))


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"verdict": Verdict.RUNNING, "heartbeat_at": Now() - timedelta(seconds=170)}, Verdict.SKIPPED),
        ({"verdict": Verdict.RUNNING, "heartbeat_at": Now() - timedelta(seconds=181)}, Verdict.RUNNING),
    ],
    ids=["lives", "dead"],
)
def test_heartbeats_are_compared_with_the_databases_clock(values: dict[str, Any], verdict: Verdict) -> None:
    CrawlRun.objects.create(spider="markets", **values)

    assert begin().verdict == verdict


@pytest.mark.usefixtures("wrong_clock")
def test_lost_and_skipped_runs_are_dated_by_the_databases_clock() -> None:
    CrawlRun.objects.create(spider="markets", verdict=Verdict.RUNNING, heartbeat_at=Now() - timedelta(seconds=181))

    for _ in range(2):
        begin()

    dated = CrawlRun.objects.filter(finished_at__range=(Now() - timedelta(minutes=1), Now()))
    assert sorted(dated.values_list("verdict", flat=True)) == ["lost", "skipped"]


def test_a_job_id_serves_once() -> None:
    recording.finish(recording.begin("markets", {}, key="job-1"), Verdict.COMPLETE)

    with pytest.raises(ValueError, match="There is a run with the key job-1 already"):
        recording.begin("markets", {}, key="job-1")


def test_changes_are_known_from_the_last_complete_run_on_the_same_address() -> None:
    def ended(url: str, verdict: Verdict, newest: datetime | None, **arguments: str) -> None:
        run = recording.begin("mirror", {"url": url} | arguments)
        recording.finish(run, verdict, newest_change=newest)

    ended("https://a/", Verdict.COMPLETE, NOON + timedelta(days=9))
    ended("https://a/", Verdict.COMPLETE, NOON, only="changed")
    ended("https://a/", Verdict.COMPLETE, None, only="changed")
    ended("https://a/", Verdict.PARTIAL, NOON + timedelta(days=2))
    ended("https://b/", Verdict.COMPLETE, NOON + timedelta(days=1))

    known = [past_runs.newest_change("mirror", url) for url in ("https://a/", "https://b/", "https://c/")]

    assert known == [NOON, NOON + timedelta(days=1), None]
    assert past_runs.newest_change("markets", "https://a/") is None


@pytest.mark.parametrize("last", [{}, {"prices": "day"}, {"prices": "day", "only": "changed"}], ids=str)
def test_changes_are_known_whether_or_not_the_last_run_copied_prices(last: dict[str, str]) -> None:
    for arguments, newest in (({}, NOON), ({"prices": "day"}, NOON + DAY), (last, NOON + 2 * DAY)):
        run = recording.begin("mirror", {"url": "https://a/"} | arguments)
        recording.finish(run, Verdict.COMPLETE, newest_change=newest)

    assert past_runs.newest_change("mirror", "https://a/") == NOON + 2 * DAY


def test_another_currency_is_rejected_with_the_way_out(settings: Any) -> None:
    FullCoin.objects.upsert([{"coin_id": "a"}])
    settings.VS_CURRENCY = "eur"

    run = begin()

    assert run.verdict == Verdict.FAILED
    assert "Set VS_CURRENCY=usd, or name another database in DATABASE_URL" in run.reason


def test_the_last_complete_run_is_the_one_of_the_same_scope() -> None:
    recording.finish(begin(), Verdict.COMPLETE)
    narrow = begin(pages=1)
    recording.finish(narrow, Verdict.COMPLETE)
    recording.finish(begin(pages=1), Verdict.PARTIAL)
    recording.finish(recording.begin("another", {"pages": 1}), Verdict.COMPLETE)

    assert past_runs.last_complete("markets", {"pages": 1}) == narrow
