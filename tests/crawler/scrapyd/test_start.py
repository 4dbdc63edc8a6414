"""How scrapyd starts: with which settings, where it listens, by which clock its timers go."""

import http.client
import os
import socket
from base64 import b64encode
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import pytest
import time_machine
from scrapyd.config import Config
from scrapyd.exceptions import ConfigError
from twisted.internet.base import ReactorBase

from coincrawl.scrapyd import settings
from coincrawl.scrapyd.application import _use_steady_clock, application
from coincrawl.scrapyd.throttle import MAX_WRONG
from fake_api import FakeAPI, answers
from tests.support.nodes import StartNode
from tests.support.processes import PATIENCE, python
from webapp.crawls.models import Node

ONE_PAGE = {"order": "market_cap_desc", "pages": "1"}


@pytest.mark.django_db
def test_nodes_that_have_been_gone_for_a_week_are_forgotten() -> None:
    for name, days in (("here", 6), ("gone", 8)):
        Node.objects.create(name=name, heartbeat_at=datetime.now(UTC) - timedelta(days=days))

    Node.objects.forget_old()

    assert [node.name for node in Node.objects.all()] == ["here"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"BIND_ADDRESS": "0.0.0.0"}, "scrapyd would listen on 0.0.0.0 for everybody: set SCRAPYD_USERNAME"),
        ({"BIND_ADDRESS": "::"}, "scrapyd would listen on :: for everybody"),
        ({"BIND_ADDRESS": "example.org"}, "scrapyd would listen on example.org for everybody"),
        ({"USERNAME": "me"}, "SCRAPYD_USERNAME and SCRAPYD_PASSWORD belong together"),
        ({"USERNAME": "a:b", "PASSWORD": "a password"}, "SCRAPYD_USERNAME must not have a colon in it."),
        ({"HTTP_PORT": 0}, "SCRAPYD_HTTP_PORT must be a port"),
        ({"HTTP_PORT": 65_536}, "SCRAPYD_HTTP_PORT must be a port"),
        ({"MAX_PROC": 1_001}, "SCRAPYD_MAX_PROC must be at most 1000."),
    ],
    ids=str,
)
def test_invalid_settings_are_rejected_with_a_sentence(
    values: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in values.items():
        monkeypatch.setattr(settings, name, value)

    with pytest.raises(ConfigError, match=sentence):
        application(Config())


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SCRAPYD_USERNAME": "a:b", "SCRAPYD_PASSWORD": "hidden"}, "SCRAPYD_USERNAME must not have a colon in it."),
        ({"SCRAPYD_HTTP_PORT": "many"}, "SCRAPYD_HTTP_PORT must be a whole number from 1 to 65535."),
        ({"COINGECKO_PLAN": "gold"}, "COINGECKO_PLAN=gold is not a plan."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_it_ends_with_a_sentence_if_a_setting_is_invalid(environment: dict[str, str], sentence: str) -> None:
    done = python(["-m", "scrapyd", "--pidfile="], environment)

    assert done.returncode == 1
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "hidden" not in done.stdout + done.stderr


def test_it_asks_for_the_password_of_a_file_and_limits_wrong_ones(start_node: StartNode, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("100 %\n")
    node = start_node(
        SCRAPYD_USERNAME="me", SCRAPYD_PASSWORD_FILE=str(tmp_path / "password"), SCRAPYD_BIND_ADDRESS="0.0.0.0"
    )

    def ask(user: str = "", source: str = "127.0.0.1") -> http.client.HTTPResponse:
        with closing(http.client.HTTPConnection("127.0.0.1", node.port, PATIENCE, source_address=(source, 0))) as node_:
            node_.request("GET", "/daemonstatus.json", headers={"Authorization": basic(user)} if user else {})
            return node_.getresponse()

    assert [ask().status, ask("me:wrong").status, ask("me:100 %").status] == [401, 401, 200]
    wrong = [ask(f"me:{number}").status for number in range(MAX_WRONG)]
    limited = ask("me:100 %")
    assert wrong == [401] * (MAX_WRONG - 1) + [429]
    assert (limited.status, limited.headers["Retry-After"]) == (429, "60")
    assert [ask().status, ask("me:100 %", source="127.0.0.2").status] == [401, 200]


def basic(user: str) -> str:
    return f"Basic {b64encode(user.encode()).decode()}"


ADDRESS = """
from scrapyd import get_application
from twisted.application.internet import TCPServer
from twisted.application.service import IServiceCollection

for service in IServiceCollection(get_application()):
    if isinstance(service, TCPServer):
        print(service.kwargs["interface"], service.args[0])
"""


@pytest.mark.parametrize(("in_file", "in_environment"), [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")])
def test_it_listens_on_the_address_that_was_checked(in_file: str, in_environment: str, tmp_path: Path) -> None:
    """A file has precedence, as for every other setting; scrapyd itself would read the environment."""
    (tmp_path / "address").write_text(f"{in_file}\n")
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/none",
        "SCRAPYD_LOGS_DIR": str(tmp_path),
        "SCRAPYD_USERNAME": "me",
        "SCRAPYD_PASSWORD": "a password",
        "SCRAPYD_HTTP_PORT": "6801",
        "SCRAPYD_BIND_ADDRESS": in_environment,
    }

    done = python(["-c", ADDRESS], environment | {"SCRAPYD_BIND_ADDRESS_FILE": str(tmp_path / "address")})

    assert done.stdout.splitlines()[-1:] == [f"{in_file} 6801"], done.stderr


def test_it_listens_on_one_port_of_this_machine_and_a_crawl_on_none(start_node: StartNode, api: FakeAPI) -> None:
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


def test_its_timers_do_not_stand_still_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReactorBase, "seconds", ReactorBase.seconds)  # to be restored
    _use_steady_clock()
    before = ReactorBase.seconds()

    with time_machine.travel(time() - 3600):
        passed = ReactorBase.seconds() - before

    assert 0 <= passed < 60
