"""scrapyd as people use it: its web services, the queue behind them, what it refuses, how it stops."""

import json
import signal
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from fake_api import FakeAPI, answers
from tests.conftest import Away, StartNode
from tests.support.nodes import PATIENCE, free_port, kill_group, until
from webapp.coins.models import FullCoin
from webapp.crawls import queue
from webapp.crawls.catalog import SPIDERS
from webapp.crawls.models import CrawlRun, CrawlSchedule, Node, Verdict

pytestmark = pytest.mark.every_database

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
    assert FullCoin.objects.count() == 250
    assert until(lambda: Node.objects.filter(name="node", capacity__gt=0).exists())


def test_the_web_services_answer_as_scrapyds_own_do(start_node: StartNode) -> None:
    node = start_node(MIRROR_URL="")

    assert json.loads(node.ask("listprojects.json")[1])["projects"] == ["coincrawl"]
    assert json.loads(node.ask("listspiders.json?project=coincrawl")[1])["spiders"] == sorted(SPIDERS)
    assert json.loads(node.ask("listversions.json?project=coincrawl")[1])["versions"] == []
    assert json.loads(node.ask("daemonstatus.json")[1]) == {
        "pending": 0, "running": 0, "finished": 0, "status": "ok", "node_name": "node"
    }  # fmt: skip
    for page in ("", "jobs", "logs/"):
        assert node.ask(page)[0] == 200
    # What is wrong is refused with a sentence, and nothing is queued.
    for values, sentence in {
        (("spider", "nosuch"),): "spider 'nosuch' not found",
        (("spider", "markets"), ("pages", "0")): "pages=0 is not valid: pages is a whole number from 1 to 1000.",
        (("spider", "markets"), ("url", "x")): "markets has no argument 'url'.",
        (("spider", "markets"), ("colour", "red")): "There is no argument 'colour'.",
        (("spider", "markets"), ("_job", "x")): "There is no argument '_job'.",
        (("spider", "markets"), ("setting", "LOG_LEVEL")): "A setting is given as setting=NAME=value.",
        (("spider", "markets"), ("jobid", "../../x")): "A job id has letters, digits",
        (("spider", "markets"), ("setting", "ITEM_PIPELINES={}")): "A job cannot set 'ITEM_PIPELINES'.",
        (("spider", "markets"), ("setting", "LOG_LEVEL=LOUD")): "LOG_LEVEL=LOUD is not valid",
        (("spider", "markets"), ("_version", "1")): "version '1' not found",
        (("spider", "mirror"),): "mirror needs -a url=..., or MIRROR_URL in the environment.",
    }.items():
        answer = node.post("schedule.json", **dict(values))
        assert (answer["status"], sentence in answer["message"]) == ("error", True), answer
    assert node.post("cancel.json", job="nosuch")["prevstate"] is None
    assert "There is no signal NOPE" in node.post("cancel.json", job="nosuch", signal="NOPE")["message"]
    assert not CrawlRun.objects.exists()
    # A page of another site cannot have a reader's browser do it.
    assert node.ask("listjobs.json", Origin="https://evil.example")[0] == 403
    assert node.ask("listjobs.json", Origin="http://evil.example", Host="evil.example")[0] == 403
    assert node.ask("listjobs.json", Origin=node.url)[0] == 200
    assert node.ask("listjobs.json", Host=f"localhost:{node.port}")[0] == 200
    assert node.ask("listjobs.json", Host="")[0] == 403
    assert status_of(node.port, b"GET /listjobs.json HTTP/1.0\r\n\r\n") == 403
    assert [node.ask(f"logs/{name}")[0] for name in ("%00", "%ff", "x%0a")] == [404] * 3
    assert "Traceback" not in "".join(node.log)


def status_of(port: int, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection, connection.makefile("rb") as answer:
        connection.sendall(request)
        return int(answer.readline().split()[1])


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


def test_a_due_slot_is_run_within_a_moment(start_node: StartNode) -> None:
    node = start_node()
    schedule = CrawlSchedule.objects.create(
        name="often", spider="markets", arguments={"pages": 1}, crontab="* * * * * */2"
    )

    until(lambda: schedule.crawlrun_set.exclude(verdict=Verdict.SKIPPED).filter(finished_at__isnull=False).count() > 1)

    CrawlSchedule.objects.update(enabled=False)
    slots = [slot for slot in schedule.crawlrun_set.order_by("slot").values_list("slot", flat=True) if slot]
    assert slots == [slots[0] + timedelta(seconds=2 * number) for number in range(len(slots))]
    assert set(schedule.crawlrun_set.exclude(node="").values_list("node", flat=True)) == {node.name}


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
    assert runs[0].reason.startswith("its process ended before it had: signal 9 (Killed)")


def test_a_slot_whose_source_cannot_be_reached_falls_due_once_more(start_node: StartNode) -> None:
    start_node(BASE_API_URL=f"http://127.0.0.1:{free_port()}")
    slot = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    schedule = CrawlSchedule.objects.create(
        name="yearly", spider="markets", arguments={"pages": 1}, crontab="0 0 1 1 *", next_run_at=slot
    )

    until(lambda: schedule.crawlrun_set.filter(verdict="failed").exists())
    schedule.refresh_from_db()
    waits = schedule.next_run_at, schedule.not_before is not None
    CrawlSchedule.objects.update(not_before=None)
    until(lambda: schedule.crawlrun_set.filter(verdict="failed").count() == 2)

    runs = schedule.crawlrun_set.order_by("queued_at")
    assert waits == (slot, True)
    assert [(run.slot, run.due_again) for run in runs] == [(slot, True), (slot, False)]


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


def test_a_job_that_was_claimed_by_a_node_that_died_is_claimed_anew(start_node: StartNode) -> None:
    key = queue.enqueue("markets", ONE_PAGE).pk
    assert queue.claim("dead") is not None
    CrawlRun.objects.update(claimed_at=Now() - timedelta(seconds=61))

    start_node("alive")

    assert (ended(key).verdict, run_of(key).node) == ("complete", "alive")


# What goes wrong -------------------------------------------------------------------------------------
def test_jobs_that_cannot_be_started_have_failed_with_the_reason_and_others_go_on(start_node: StartNode) -> None:
    odd = CrawlRun.objects.create(id="../../odd", spider="markets").pk
    too_long = CrawlRun.objects.create(spider="mirror", arguments={"url": "x" * 200_000}, priority=2).pk
    unknown = CrawlRun.objects.create(spider="nosuch", priority=1).pk
    node = start_node(SCRAPYD_MAX_PROC="1")

    good = node.schedule(**ONE_PAGE)

    assert ended(good).verdict == "complete"
    assert [ended(key).verdict for key in (odd, too_long, unknown)] == ["failed"] * 3
    assert "cannot be part of a file's name" in run_of(odd).reason
    assert "could not be started ([Errno 7] Argument list too long" in run_of(too_long).reason
    assert "exit status 2: Usage" in run_of(unknown).reason or "There is no spider 'nosuch'" in run_of(unknown).reason
    assert not list(node.logs.parent.rglob("odd.log"))


def test_a_log_that_cannot_be_written_stops_no_crawl(start_node: StartNode) -> None:
    node = start_node(SCRAPYD_MAX_PROC="1")
    node.logs.rmdir()
    node.logs.write_text("a file, and no folder")

    without_folder = ended(node.schedule(**ONE_PAGE))
    node.logs.unlink()
    full = node.logs / "coincrawl" / "markets" / "full.log"
    full.parent.mkdir(parents=True)
    full.symlink_to("/dev/full")
    on_a_full_disk = ended(node.schedule(jobid="full", **ONE_PAGE))
    again = ended(node.schedule(**ONE_PAGE))

    for run, fault in ((without_folder, "Not a directory"), (on_a_full_disk, "No space left on device")):
        assert run.verdict == "complete"
        assert f"not all of the log could be written ({fault}: " in run.messages
        assert "Crawling markets from" in run.log_tail
    assert (again.verdict, "log" in again.messages) == ("complete", False)
    assert "Crawling markets from" in Path(again.log_file).read_text()


def test_a_database_that_is_away_for_a_while_stops_neither_the_beat_nor_the_queue(
    start_node: StartNode, away: Away
) -> None:
    node = start_node()
    schedule = CrawlSchedule.objects.create(
        name="often", spider="markets", arguments={"pages": 1}, crontab="* * * * * *"
    )
    with away():
        node.wait_for("The schedule cannot beat")
    node.wait_for("The schedule beats again")
    began_again = datetime.now(UTC)

    until(lambda: schedule.crawlrun_set.filter(slot__gt=began_again, verdict="complete").exists())
