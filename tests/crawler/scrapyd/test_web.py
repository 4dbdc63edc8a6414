"""scrapyd's web services and pages: what they know of the jobs of all nodes, and how they refuse."""

import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from scrapy.settings import Settings
from scrapy.spiderloader import SpiderLoader
from scrapyd.app import application
from scrapyd.config import Config
from twisted.internet.defer import maybeDeferred
from twisted.logger import globalLogPublisher, textFileLogObserver
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import getChildForRequest
from twisted.web.test.requesthelper import DummyChannel

from coincrawl.scrapyd import database
from coincrawl.scrapyd.job import Job
from coincrawl.scrapyd.log import Log
from coincrawl.scrapyd.queue import RunQueue
from coincrawl.scrapyd.web import Root
from coincrawl.secret import Secret
from coincrawl.spiders.markets import MarketsSpider
from tests.support.processes import ROOT
from webapp.crawls import queue, recording, ticker
from webapp.crawls.models import CrawlRun, CrawlSchedule
from webapp.crawls.queue import Death
from webapp.crawls.verdict import Verdict

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

runs = CrawlRun.objects
FORGED = "x\n1999-12-31 [-] forged\r\x1b[2K\u2028\x85y"
SCHEDULE = {"project": "coincrawl", "spider": "markets"}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Root:
    """A scrapyd of this project by the name of `here` that listens nowhere, with the database in this thread."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(database.worker, "submit", in_this_thread)
    config = Config()
    config.cp.remove_option("settings", "default")
    for option, value in {"node_name": "here", "finished_to_keep": "3"}.items():
        config.cp.set(config.SECTION, option, value)
    return Root(config, application(config))


def in_this_thread(function: Callable[[], Any]) -> "Future[Any]":
    future: Future[Any] = Future()
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
    return future


@pytest.fixture
def log() -> Iterator[Callable[[], list[str]]]:
    """The lines of scrapyd's log, without their times."""
    file = io.StringIO()
    observer: Any = textFileLogObserver(file)
    globalLogPublisher.addObserver(observer)
    yield lambda: [re.sub(r"^\S+ ", "", line) for line in file.getvalue().split("\n")[:-1]]
    globalLogPublisher.removeObserver(observer)


def request(method: str, **values: str | bytes) -> Any:
    channel = HTTPChannel()
    channel.makeConnection(DummyChannel.TCP())
    made: Any = Request(channel)
    channel.requests.append(made)
    made.method, made.args, made.postpath = method.encode(), {}, []
    for name, value in values.items():
        made.args[name.encode()] = [value if isinstance(value, bytes) else value.encode()]
    return made


def ask(node: Root, service: str, method: str = "GET", **values: str | bytes) -> dict[str, Any]:
    return json.loads(node.children[service.encode()].render(request(method, **values)))


def page(node: Root, name: str) -> str:
    made = request("GET")
    made.requestHeaders.addRawHeader("Host", "coins.example:6800")
    return node.children[name.encode()].render(made).decode()


def claimed(key: str, on: str, spider: str = "markets") -> CrawlRun:
    queue.enqueue(spider, {}, key)
    job = queue.claim(on)
    assert job
    return job


def begun(key: str, on: str, spider: str = "markets") -> CrawlRun:
    job = claimed(key, on, spider)
    return recording.begin(spider, {}, key, claim=job.claim)


def over(key: str, on: str) -> None:
    recording.finish(begun(key, on), Verdict.COMPLETE)


def test_a_spider_without_its_key_is_rejected(node: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MarketsSpider, "secret", Secret("NO_SUCH_KEY"))

    missing = ask(node, "schedule.json", "POST", **SCHEDULE)
    monkeypatch.setenv("NO_SUCH_KEY", "two words")
    odd = ask(node, "schedule.json", "POST", **SCHEDULE)
    monkeypatch.setenv("NO_SUCH_KEY", "word")
    taken = ask(node, "schedule.json", "POST", **SCHEDULE)

    assert missing["message"].startswith("NO_SUCH_KEY must be set in the environment")
    assert odd["message"].startswith("NO_SUCH_KEY must be one word")
    assert taken["status"] == "ok"


# The jobs of all nodes ---------------------------------------------------------------------------
def test_it_knows_the_jobs_of_all_nodes_and_forgets_none(node: Root) -> None:
    over("over", "oslo")
    job = claimed("unbegun", "here")
    queue.settle(job.claim, Death("its process could not be started"))
    queue.enqueue("markets", {}, "cancelled")
    queue.stop("cancelled")
    begun("runs", "oslo")
    claimed("begins", "bergen", "mirror")
    queue.enqueue("markets", {"pages": "2"}, "waits")

    jobs = ask(node, "listjobs.json")
    states = {key: ask(node, "status.json", job=key)["currstate"] for key in (*KEYS, "nosuch", "\0")}
    counts = ask(node, "daemonstatus.json")

    nodes = {state: {job["id"]: job.get("node_name") for job in jobs[state]} for state in STATES}
    assert nodes == {
        "pending": {"waits": None},
        "running": {"runs": "oslo", "begins": "bergen"},
        "finished": {"over": "oslo", "unbegun": "here", "cancelled": ""},
    }
    assert states == KEYS | {"nosuch": None, "\0": None}
    assert counts == {"pending": 1, "running": 2, "finished": 3, "status": "ok", "node_name": "here"}


STATES = ("pending", "running", "finished")
KEYS = {
    "over": "finished",
    "unbegun": "finished",
    "cancelled": "finished",
    "runs": "running",
    "begins": "running",
    "waits": "pending",
}


def test_it_has_one_project_with_the_spiders_that_scrapy_lists_and_without_versions(node: Root) -> None:
    spiders = SpiderLoader.from_settings(Settings({"SPIDER_MODULES": ["coincrawl.spiders"]})).list()

    assert ask(node, "listprojects.json")["projects"] == ["coincrawl"]
    assert ask(node, "listspiders.json", project="coincrawl")["spiders"] == sorted(spiders)
    assert ask(node, "listversions.json", project="coincrawl")["versions"] == []


def test_jobs_are_listed_in_scrapyds_own_words(node: Root) -> None:
    over("over", "oslo")
    begun("runs", "oslo")
    queue.enqueue("markets", {"pages": "2"}, "waits", settings={"LOG_LEVEL": "DEBUG"})

    jobs = ask(node, "listjobs.json", project="coincrawl")

    run = runs.get(pk="over")
    assert run.started_at
    assert run.finished_at
    shown = {"project": "coincrawl", "spider": "markets"}
    here = {"log_url": None, "items_url": None, "node_name": "oslo"}
    assert jobs["pending"] == [
        {"id": "waits", "version": None, "settings": {"LOG_LEVEL": "DEBUG"}, "args": {"pages": "2"}} | shown
    ]
    assert jobs["finished"] == [
        {"id": "over", "start_time": naive(run.started_at), "end_time": naive(run.finished_at)} | shown | here
    ]
    (running,) = jobs["running"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?", running.pop("start_time"))
    assert running == {"id": "runs", "pid": None} | shown | here


def naive(moment: datetime) -> str:
    return str(moment.astimezone().replace(tzinfo=None))


def test_the_newest_are_listed_and_the_state_of_every_one_is_known(node: Root) -> None:
    for number in range(5):
        over(f"job-{number}", "oslo")
        runs.filter(pk=f"job-{number}").update(finished_at=Now() - timedelta(hours=5 - number))

    jobs = ask(node, "listjobs.json")["finished"]

    assert [job["id"] for job in jobs] == ["job-4", "job-3", "job-2"]
    assert ask(node, "status.json", job="job-0")["currstate"] == "finished"


def test_a_slot_that_passed_is_no_job_and_one_that_was_cancelled_is(node: Root) -> None:
    one = CrawlSchedule.objects.create(name="one", spider="markets", crontab="* * * * *")
    values: dict[str, Any] = {"spider": "markets", "schedule": one, "verdict": "skipped"}
    runs.create(id="passed", slot=Now() - timedelta(hours=2), started_at=Now(), finished_at=Now(), **values)
    runs.create(id="cancelled", slot=Now(), finished_at=Now(), stop_requested_at=Now(), **values)

    assert [job["id"] for job in ask(node, "listjobs.json")["finished"]] == ["cancelled"]


def test_a_job_whose_process_has_not_ended_is_listed_as_running(node: Root) -> None:
    over("over", "here")
    own(node)["slot"] = job("over")

    jobs = ask(node, "listjobs.json")

    assert ([job["id"] for job in jobs["running"]], jobs["finished"]) == (["over"], [])
    assert (jobs["running"][0]["pid"], jobs["running"][0]["node_name"]) == (4, "here")
    assert ask(node, "status.json", job="over")["currstate"] == "running"


def own(node: Root) -> Any:
    return super(Root, node).launcher.processes


def job(key: str) -> Job:
    process = Mock(spec=subprocess.Popen, pid=4)
    return Job("coincrawl", "markets", key, claim="", log=Path(os.devnull), process=process)


def test_a_job_is_cancelled_on_whichever_node_it_runs(node: Root) -> None:
    begun("elsewhere", "oslo")
    begun("here", "here", "mirror")
    own(node)["slot"] = mine = job("here")

    before = [
        ask(node, "cancel.json", "POST", project="coincrawl", job=key)["prevstate"] for key in ("elsewhere", "here")
    ]
    again = ask(node, "cancel.json", "POST", project="coincrawl", job="\0")["prevstate"]

    assert (before, again) == (["running", "running"], None)
    assert not runs.filter(stop_requested_at=None).exists()
    mine.process.send_signal.assert_called_once_with(signal.SIGINT)  # type: ignore[attr-defined]  # a mock's


def test_the_page_of_jobs_names_the_nodes(node: Root) -> None:
    over("over", "<oslo>")
    begun("runs", "bergen")

    rows = re.findall(r"<tr>\s*<td>coincrawl</td>.*?</tr>", page(node, "jobs"), re.DOTALL)

    cells = [[cell.strip() for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)] for row in rows]
    assert [(row[2], row[-1]) for row in cells] == [("runs", "bergen"), ("over", "&lt;oslo&gt;")]


def test_the_first_page_shows_a_call_that_works(node: Root) -> None:
    shown = page(node, "")

    call = "curl http://coins.example:6800/schedule.json -d project=coincrawl -d spider=markets -d pages=1"
    assert f"<code>{call}</code>" in shown
    assert "somespider" not in shown
    values = dict(re.findall(r"-d (\w+)=(\w+)", call))
    assert ask(node, "schedule.json", "POST", **values)["status"] == "ok"


# What is rejected --------------------------------------------------------------------------------
CODE = "Code is neither uploaded to this scrapyd nor deleted from it"
REJECTED = [
    ("schedule.json", "POST", SCHEDULE | {"spider": "nosuch"}, "spider 'nosuch' not found"),
    ("schedule.json", "POST", SCHEDULE | {"pages": "0"}, "pages=0 is not valid: pages is a whole number from 1 to"),
    ("schedule.json", "POST", SCHEDULE | {"url": "x"}, "markets has no argument 'url'."),
    ("schedule.json", "POST", SCHEDULE | {"colour": "red"}, "markets has no argument 'colour'."),
    ("schedule.json", "POST", SCHEDULE | {"_job": "x"}, "There is no argument '_job'."),
    ("schedule.json", "POST", SCHEDULE | {"setting": "LOG_LEVEL"}, "A setting is given as setting=NAME=value."),
    ("schedule.json", "POST", SCHEDULE | {"setting": "LOG_LEVEL=LOUD"}, "LOG_LEVEL=LOUD is not valid"),
    ("schedule.json", "POST", SCHEDULE | {"jobid": "../../x"}, "A job id has letters, digits"),
    ("schedule.json", "POST", {}, "'project' parameter is required"),
    ("schedule.json", "GET", SCHEDULE, "This service takes OPTIONS, POST."),
    ("schedule.json", "HEAD", SCHEDULE, "This service takes OPTIONS, POST."),
    ("schedule.json", "DELETE", SCHEDULE, "This service takes OPTIONS, POST."),
    ("listjobs.json", "POST", {}, "This service takes OPTIONS, HEAD, GET."),
    ("schedule.json", "POST", SCHEDULE | {"project": FORGED}, "project 'x\n"),
    ("schedule.json", "POST", SCHEDULE | {"spider": FORGED}, "spider 'x\n"),
    ("schedule.json", "POST", SCHEDULE | {"jobid": FORGED}, "A job id has letters, digits"),
    ("schedule.json", "POST", SCHEDULE | {"category": FORGED}, "is not valid: category is one of"),
    ("schedule.json", "POST", SCHEDULE | {FORGED: "x"}, "markets has no argument 'x\\n"),
    ("schedule.json", "POST", SCHEDULE | {"category": b"\xff"}, "Names and values must be UTF-8."),
    ("schedule.json", "POST", SCHEDULE | {"project": b"\xff"}, "project is invalid: 'utf-8' codec can't decode"),
    ("schedule.json", "POST", SCHEDULE | {"priority": "1e999"}, "A priority is a finite number."),
    ("schedule.json", "POST", SCHEDULE | {"priority": "high"}, "priority is invalid"),
    ("schedule.json", "POST", SCHEDULE | {"setting": "DOWNLOAD_DELAY=1"}, "A job cannot set 'DOWNLOAD_DELAY'."),
    ("schedule.json", "POST", SCHEDULE | {"setting": "USER_AGENT=x"}, "A job cannot set 'USER_AGENT'."),
    ("schedule.json", "POST", SCHEDULE | {"_version": "1"}, "version '1' not found"),
    ("cancel.json", "POST", {"project": FORGED, "job": "x"}, "project 'x\n"),
    ("cancel.json", "POST", {"project": "coincrawl", "job": "x", "signal": FORGED}, "There is no signal x\n"),
    ("status.json", "GET", {}, "'job' parameter is required"),
    ("status.json", "GET", {"job": "x", "project": "nosuch"}, "project 'nosuch' not found"),
    ("listjobs.json", "GET", {"project": FORGED}, "project 'x\n"),
    ("listversions.json", "GET", {"project": "../x"}, "DirectoryTraversalError: ../x"),
    ("addversion.json", "POST", {"project": "coincrawl", "version": "1", "egg": b"PK\5\6" + bytes(18)}, CODE),
    ("delproject.json", "POST", {"project": "coincrawl"}, CODE),
    ("delversion.json", "POST", {"project": "coincrawl", "version": "1"}, CODE),
]


@pytest.mark.parametrize(("service", "method", "values", "sentence"), REJECTED, ids=[case[3][:30] for case in REJECTED])
def test_an_invalid_request_is_answered_with_a_sentence_and_leaves_nothing_in_the_log(
    service: str, method: str, values: dict[str, Any], sentence: str, *, node: Root, log: Callable[[], list[str]]
) -> None:
    answer = ask(node, service, method, **values)

    assert (answer["status"], sentence in answer["message"]) == ("error", True), answer
    assert log() == []
    assert not runs.exists()


def test_a_spider_without_a_source_is_rejected(node: Root, settings: Any) -> None:
    settings.MIRROR_URL = ""

    answer = ask(node, "schedule.json", "POST", project="coincrawl", spider="mirror")

    assert answer["message"] == "mirror needs -a url=..., or MIRROR_URL in the environment."


def test_a_job_that_is_not_there_cannot_be_cancelled(node: Root) -> None:
    assert ask(node, "cancel.json", "POST", project="coincrawl", job="nosuch")["prevstate"] is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:6800"}, 200),
        ({"Host": "127.0.0.1:6800", "Origin": "http://127.0.0.1:6800"}, 200),
        ({"Host": "127.0.0.1:6800", "Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({}, 403),
    ],
    ids=str,
)
def test_a_page_of_another_site_cannot_have_a_browser_ask(headers: dict[str, str], status: int, node: Root) -> None:
    made = request("GET")
    for name, value in headers.items():
        made.requestHeaders.addRawHeader(name, value)

    node.getChildWithDefault(b"listjobs.json", made).render(made)

    assert made.code == status


@pytest.mark.parametrize("name", [b"\0", b"\xff"])
def test_a_name_that_no_file_can_have_is_not_found(name: bytes, node: Root, log: Callable[[], list[str]]) -> None:
    made = request("GET")
    made.requestHeaders.addRawHeader("Host", "localhost")
    made.prepath, made.postpath = [], [b"logs", name]

    getChildForRequest(node, made).render(made)

    assert (made.code, log()) == (404, [])


def failing(error: Exception | None) -> Callable[[Any], "Future[Any]"]:
    """A worker whose calls raise this error, or never end."""

    def submit(function: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        if error:
            future.set_exception(error)
        return future

    return submit


def test_an_unexpected_error_has_a_traceback_that_forges_no_line(
    node: Root, log: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.worker, "submit", failing(ValueError(FORGED)))

    answer = ask(node, "listjobs.json")

    assert (answer["status"], answer["message"]) == ("error", f"ValueError: {FORGED}")
    first, second, *others = log()
    assert (first, second) == (
        "[coincrawl.scrapyd.services#critical] ListJobs fails",
        "\tTraceback (most recent call last):",
    )
    assert all(line.startswith("\t") and line[1:].isprintable() for line in others)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OperationalError("gone\nand more"), "gone"), (None, "it does not answer, try again later")],
    ids=["fails", "hangs"],
)
def test_a_database_that_is_away_is_an_answer_and_a_line(
    error: Exception | None, reason: str, node: Root, log: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.worker, "submit", failing(error))
    monkeypatch.setattr(database, "MAX_HTTP_SECONDS", 0)

    answers = [ask(node, "listjobs.json"), ask(node, "schedule.json", "POST", **SCHEDULE)]
    shown = page(node, "jobs")

    sentence = f"The database cannot be asked: {reason}"
    assert ([answer["message"] for answer in answers], shown) == ([sentence] * 2, f"{sentence}\n")
    assert log() == [f"[coincrawl.scrapyd.database#warn] {sentence}"] * 3


def test_a_value_is_one_line_of_the_log(log: Callable[[], list[str]]) -> None:
    Log("here").info("{job} has ended after {seconds} s", job=FORGED, seconds=3)

    assert log() == [r"[here#info] x\n1999-12-31 [-] forged\r\x1b[2K\u2028\x85y has ended after 3 s"]


# The queue by itself -----------------------------------------------------------------------------
def test_the_queue_takes_values_that_are_no_texts_and_an_empty_version(node: Root) -> None:
    run_queue: RunQueue = node.poller.queues["coincrawl"]

    run_queue.add("markets", 1, pages=2, _version="", settings={"DOWNLOAD_TIMEOUT": 5})
    run_queue.add("markets", 0.5, ids=["bitcoin", "ethereum"])
    by_request = ask(node, "schedule.json", "POST", _version="", **SCHEDULE)

    assert by_request["status"] == "ok"
    assert [(run.arguments, run.settings, run.priority) for run in queue.waiting()] == [
        ({"pages": 2}, {"DOWNLOAD_TIMEOUT": 5.0}, 1.0),
        ({"ids": ["bitcoin", "ethereum"]}, {}, 0.5),
        ({}, {}, 0.0),
    ]
    assert [run_queue.list()[0][name] for name in ("name", "pages")] == ["markets", "2"]


def pop(node: Root) -> str | None:
    """The key of the job that the queue brings."""
    brought: list[Any] = []
    node.poller.queues["coincrawl"].pop().addCallback(brought.append)
    return brought[0] and brought[0]["_job"]


@pytest.fixture
def due(monkeypatch: pytest.MonkeyPatch) -> CrawlSchedule:
    """A slot that came on New Year's Day, and a job that was queued since."""
    monkeypatch.setattr(database, "later", maybeDeferred)
    slot = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
    queue.enqueue("markets", {}, "job")
    return CrawlSchedule.objects.create(name="one", spider="markets", crontab="0 0 1 1 *", next_run_at=slot)


def test_the_queue_brings_a_slot_that_is_due_before_the_jobs_that_came_later(node: Root, due: CrawlSchedule) -> None:
    brought = pop(node)

    assert runs.get(pk=brought).slot == due.next_run_at


def test_a_run_that_ends_while_the_queue_ticks_lets_no_job_in_before_the_slot(
    node: Root, due: CrawlSchedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recording.begin("markets", {})
    queue.enqueue("mirror", {}, "other")
    tick = ticker.tick

    def tick_and_end() -> None:
        tick()
        if run.verdict == Verdict.RUNNING:
            recording.finish(run, Verdict.COMPLETE)

    monkeypatch.setattr(ticker, "tick", tick_and_end)

    first, second = pop(node), pop(node)

    assert first == "other"
    assert runs.get(pk=second).slot == due.next_run_at
