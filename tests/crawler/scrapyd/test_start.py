"""How scrapyd starts: what it refuses to start with, where it listens, which clock it goes by, what it keeps."""

import http.client
import os
import signal
import socket
from base64 import b64encode
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

import pytest

from coincrawl.scrapyd.guesses import MOST_GUESSES
from coincrawl.scrapyd.logs import forget_old_logs
from fake_api import FakeAPI, answers
from tests.conftest import PATIENCE, ROOT, StartNode, python
from tests.support.nodes import ScrapydNode, free_port
from webapp.crawls.models import Node

ONE_PAGE = {"order": "market_cap_desc", "pages": "1"}


@pytest.mark.django_db
def test_nodes_that_have_been_gone_for_a_week_are_forgotten() -> None:
    for name, days in (("here", 6), ("gone", 8)):
        Node.objects.create(name=name, heartbeat_at=datetime.now(UTC) - timedelta(days=days))

    Node.objects.forget_old()

    assert [node.name for node in Node.objects.all()] == ["here"]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SCRAPYD_BIND_ADDRESS": "0.0.0.0"}, "scrapyd would listen on 0.0.0.0 for everybody: set SCRAPYD_USERNAME"),
        ({"SCRAPYD_BIND_ADDRESS": "::"}, "scrapyd would listen on :: for everybody"),
        ({"SCRAPYD_BIND_ADDRESS": "example.org"}, "scrapyd would listen on example.org for everybody"),
        ({"SCRAPYD_USERNAME": "me"}, "SCRAPYD_USERNAME and SCRAPYD_PASSWORD belong together"),
        ({"SCRAPYD_USERNAME": "a:b", "SCRAPYD_PASSWORD": "hidden"}, "SCRAPYD_USERNAME must not have a colon in it."),
        ({"SCRAPYD_HTTP_PORT": "65536"}, "SCRAPYD_HTTP_PORT must be a port"),
        ({"SCRAPYD_HTTP_PORT": "many"}, "SCRAPYD_HTTP_PORT must be a whole number from 0 up."),
        ({"SCRAPYD_MAX_PROC": "1001"}, "SCRAPYD_MAX_PROC must be at most 1000."),
        ({"COINGECKO_PLAN": "gold"}, "COINGECKO_PLAN=gold is not a plan."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_it_cannot_start_with_is_a_sentence(environment: dict[str, str], sentence: str) -> None:
    done = python(["-m", "scrapyd", "--pidfile="], {"SCRAPYD_HTTP_PORT": str(free_port())} | environment)

    assert done.returncode == 1
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "hidden" not in done.stdout + done.stderr


def test_a_password_is_asked_for_may_come_from_a_file_and_is_not_to_be_guessed(
    start_node: StartNode, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("100 %\n")
    node = start_node(
        SCRAPYD_USERNAME="me", SCRAPYD_PASSWORD_FILE=str(tmp_path / "password"), SCRAPYD_BIND_ADDRESS="0.0.0.0"
    )

    def ask(user: str = "", source: str = "127.0.0.1") -> http.client.HTTPResponse:
        with closing(http.client.HTTPConnection("127.0.0.1", node.port, PATIENCE, source_address=(source, 0))) as node_:
            node_.request("GET", "/daemonstatus.json", headers={"Authorization": basic(user)} if user else {})
            return node_.getresponse()

    assert [ask().status, ask("me:wrong").status, ask("me:100 %").status] == [401, 401, 200]
    guesses = [ask(f"me:{number}").status for number in range(MOST_GUESSES)]
    refused = ask("me:100 %")
    assert guesses == [401] * (MOST_GUESSES - 1) + [429]
    assert (refused.status, 0 < int(refused.headers["Retry-After"]) <= 60) == (429, True)
    assert [ask().status, ask("me:100 %", source="127.0.0.2").status] == [401, 200]


def basic(user: str) -> str:
    return f"Basic {b64encode(user.encode()).decode()}"


@pytest.mark.parametrize(
    ("in_file", "in_environment", "address"),
    [("127.0.0.1", "0.0.0.0", "127.0.0.1"), ("0.0.0.0", "127.0.0.1", "0.0.0.0")],
)
def test_its_address_has_one_reader(
    in_file: str, in_environment: str, address: str, start_node: StartNode, tmp_path: Path
) -> None:
    """A file has precedence, as for every other setting."""
    (tmp_path / "address").write_text(f"{in_file}\n")
    user = {"SCRAPYD_USERNAME": "me", "SCRAPYD_PASSWORD": "a password"} if address == "0.0.0.0" else {}

    node = start_node(SCRAPYD_BIND_ADDRESS_FILE=str(tmp_path / "address"), SCRAPYD_BIND_ADDRESS=in_environment, **user)

    assert listening(node.process.pid) == {(address, node.port)}


def test_it_listens_on_its_one_port_of_this_machine_and_a_crawl_on_none(start_node: StartNode, api: FakeAPI) -> None:
    api.fault(answers.HANGS)
    node = start_node()
    node.schedule(**ONE_PAGE)
    api.wait_for(requests=1)

    assert listening(node.process.pid) == {("127.0.0.1", node.port)}
    assert [listening(pid) for pid in node.children()] == [set()]


def listening(pid: int) -> set[tuple[str, int]]:
    """The TCP addresses that a process listens on."""
    sockets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                host = socket.inet_ntoa(bytes.fromhex(address)[::-1]) if table == "tcp" else address
                found.add((host, int(port, 16)))
    return found


def test_a_second_one_can_be_started_in_its_folder_and_none_leaves_a_file_there(
    database_url: str, tmp_path: Path
) -> None:
    """twistd refuses to start where another one has left its process id."""
    (tmp_path / "scrapy.cfg").symlink_to(ROOT / "scrapy.cfg")
    nodes = [ScrapydNode(database_url, tmp_path, name, PYTHONPATH=str(ROOT)) for name in ("first", "second")]
    for node in nodes:
        node.cwd, node.options = tmp_path, []

    with nodes[0], nodes[1]:
        status = [node.stop() for node in nodes]

    assert status == [-signal.SIGTERM, -signal.SIGTERM]
    assert not (tmp_path / "twistd.pid").exists()


def test_its_timers_do_not_stand_still_when_the_clock_is_set_back() -> None:
    program = """
import time
from twisted.internet import reactor
from coincrawl.scrapyd.application import _go_by_a_steady_clock
_go_by_a_steady_clock()
before, wall = reactor.seconds(), time.time
time.time = lambda: wall() - 3600
assert 0 <= reactor.seconds() - before < 60, reactor.seconds() - before
reactor.callLater(0, reactor.stop)
reactor.run()
"""

    done = python(["-c", program], {})

    assert done.returncode == 0, done.stderr


def test_of_logs_the_newest_are_kept_for_a_month(tmp_path: Path) -> None:
    folder = tmp_path / "coincrawl" / "markets"
    folder.mkdir(parents=True)
    for name, days in {"new": 0, "week": 7, "fortnight": 14, "old": 31}.items():
        path = folder / f"{name}.log"
        path.touch()
        os.utime(path, (time() - days * 86_400,) * 2)
    (folder / "other.txt").touch()

    forget_old_logs(tmp_path, most=3)
    after_a_month = {path.name for path in folder.iterdir()}
    forget_old_logs(tmp_path, most=2)

    assert after_a_month == {"new.log", "week.log", "fortnight.log", "other.txt"}
    assert {path.name for path in folder.iterdir()} == {"new.log", "week.log", "other.txt"}
