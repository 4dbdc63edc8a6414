"""scrapyd as people use it: it runs jobs and schedules, cancels, stops, and survives what goes wrong."""

import json
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fake_api import FakeAPI, answers
from tests.support.crawls import Crawl
from tests.support.databases import Away
from tests.support.nodes import StartNode, free_port, kill_group, until
from webapp.coins.models import FullCoin
from webapp.crawls import queue, ticker
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node

ONE_PAGE = {"order": "market_cap_desc", "pages": "1"}


def run_of(key: str) -> CrawlRun:
    return CrawlRun.objects.get(pk=key)


def ended(key: str) -> CrawlRun:
    """The run, once it is over."""
    until(lambda: run_of(key).finished_at, f"{key} does not end")
    return run_of(key)


def test_a_job_runs_and_its_run_tells_of_it(start_node: StartNode) -> None:
    node = start_node()

    key = node.schedule(**ONE_PAGE)
    run = ended(key)
    until(lambda: json.loads(node.ask("listjobs.json")[1])["finished"])

    log = node.logs / "coincrawl" / "markets" / f"{key}.log"
    assert (run.verdict, run.node, run.arguments) == ("complete", "node", {"order": "market_cap_desc", "pages": 1})
    assert run.log_file == str(log)
    assert "Crawling markets from" in run.log_tail
    stats, _, verdict = log.read_text().partition("Dumping Scrapy stats:\n")[2].rstrip().rpartition("\n")
    for name, value in {
        "finish_reason": "'finished'",
        "item_scraped_count": 250,
        "downloader/response_count": 1,
    }.items():
        assert f"'{name}': {value},\n" in stats
    assert "markets: complete" in verdict
    assert "Dumping Scrapy stats" not in run.log_tail
    assert json.loads(node.ask("listjobs.json")[1])["finished"][0]["id"] == key
    assert node.ask(f"logs/coincrawl/markets/{key}.log")[0] == 200
    assert [node.ask(page)[0] for page in ("", "jobs", "logs/", "logs/%ff")] == [200, 200, 200, 404]
    assert FullCoin.objects.count() == 250
    assert until(lambda: Node.objects.filter(name="node", capacity__gt=0).exists())


def test_a_job_that_runs_is_cancelled_as_interrupted_and_one_that_waits_as_skipped(
    start_node: StartNode, api: FakeAPI
) -> None:
    api.fault(answers.HANGS, page=2)
    node = start_node()
    running = node.schedule(pages="2")
    until(lambda: FullCoin.objects.count() == 250)
    waiting = node.schedule(pages="3")

    jobs = json.loads(node.ask("listjobs.json")[1])
    before = [node.post("cancel.json", job=key)["prevstate"] for key in (waiting, running)]
    first, second = ended(running), ended(waiting)

    assert [[job["id"] for job in jobs[state]] for state in ("running", "pending")] == [[running], [waiting]]
    assert before == ["pending", "running"]
    assert (first.verdict, first.seen, FullCoin.objects.count()) == ("interrupted", 250, 250)
    assert (second.verdict, second.reason) == ("skipped", "stopped on request, before it had begun")


def test_a_job_that_is_killed_is_lost_at_once_and_its_slot_is_made_up_for(start_node: StartNode, api: FakeAPI) -> None:
    api.fault(answers.HANGS, times=1)
    node = start_node()
    slot = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    schedule = CrawlSchedule.objects.create(
        name="yearly", spider="markets", arguments={"pages": 1}, crontab="0 0 1 1 *", next_run_at=slot
    )
    api.wait_for(requests=1)

    for pid in until(node.children):
        kill_group(pid)
    until(lambda: schedule.crawlrun_set.filter(verdict="complete").exists())

    runs = schedule.crawlrun_set.order_by("queued_at")
    assert [(run.verdict, run.slot) for run in runs] == [("lost", slot), ("complete", slot)]
    assert runs[0].reason.startswith("its process ended before the run was over: signal 9 (Killed)")


def test_a_slot_whose_source_cannot_be_reached_falls_due_once_more(crawl: Crawl) -> None:
    slot = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    schedule = CrawlSchedule.objects.create(
        name="yearly", spider="markets", arguments={"pages": 1}, crontab="0 0 1 1 *", next_run_at=slot
    )
    ticker.tick()
    job = queue.claim("node")
    assert job

    crawl(
        f"http://127.0.0.1:{free_port()}",
        *("-a", "pages=1", "-a", f"_job={job.pk}", "-s", f"JOB_CLAIM={job.claim}", "-s", "RETRY_TIMES=1"),
    )

    schedule.refresh_from_db()
    assert (run_of(job.pk).verdict, run_of(job.pk).due_again) == ("failed", True)
    assert (schedule.next_run_at, schedule.not_before is not None) == (slot, True)


def test_what_is_stopped_with_scrapyd_ends_as_interrupted_and_leaves_no_process(
    start_node: StartNode, api: FakeAPI
) -> None:
    api.fault(answers.HANGS, page=2)
    node = start_node()
    key = node.schedule(pages="2")
    until(lambda: FullCoin.objects.count() == 250)
    crawls = node.children()

    status = node.stop()

    assert status == -signal.SIGTERM  # which twistd ends by, once all is done
    assert (run_of(key).verdict, run_of(key).seen) == ("interrupted", 250)
    assert not any(Path(f"/proc/{pid}").exists() for pid in crawls)


@pytest.mark.every_database
def test_a_crawl_goes_on_where_scrapyd_is_killed_and_another_node_does_the_rest(
    start_node: StartNode, api: FakeAPI
) -> None:
    goes_on = threading.Event()
    api.fault(lambda request: api.usual(request, wait=goes_on), page=2)
    first = start_node("first")
    running, waiting = first.schedule(pages="2"), first.schedule(pages="1")
    api.wait_for(requests=2)
    second = start_node("second")

    first.process.kill()
    goes_on.set()

    assert (ended(running).verdict, run_of(running).node) == ("complete", "first")
    assert (ended(waiting).verdict, run_of(waiting).node) == ("complete", "second")
    assert CrawlRun.objects.count() == 2
    assert second.process.poll() is None


@pytest.mark.every_database
def test_due_slots_become_runs_also_after_the_database_was_away(start_node: StartNode, away: Away) -> None:
    node = start_node()
    schedule = CrawlSchedule.objects.create(
        name="often", spider="markets", arguments={"pages": 1}, crontab="* * * * * *"
    )
    complete = schedule.crawlrun_set.filter(verdict="complete")
    until(complete.exists)

    with away():
        node.wait_for("The schedule cannot tick")
    node.wait_for("The schedule ticks again")
    back_at = datetime.now(UTC)

    until(complete.filter(slot__gt=back_at).exists)
    CrawlSchedule.objects.update(enabled=False)
    slots = [slot for slot in schedule.crawlrun_set.order_by("slot").values_list("slot", flat=True) if slot]
    assert slots == [slots[0] + timedelta(seconds=number) for number in range(len(slots))]
    assert set(schedule.crawlrun_set.exclude(node="").values_list("node", flat=True)) == {node.name}
