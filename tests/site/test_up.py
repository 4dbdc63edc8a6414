"""`make up` and `manage.py schedules`: from an empty database to a site, scrapyd and a watcher, and back to nothing."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import honcho.manager
import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import call_command

from fake_api import FakeAPI, answers
from tests.support.nodes import free_port
from tests.support.processes import PATIENCE, ROOT, read_until
from webapp.crawls.models import CrawlSchedule
from webapp.management.commands import up

COMMAND = [sys.executable, "webapp/manage.py", "up"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """With an empty database and ports of its own. Whatever is started has the folder's name in its environment."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": f"sqlite:///{folder / 'coins.sqlite3'}",
        "SCRAPYD_LOGS_DIR": str(folder / "logs"),
        "PORT": str(free_port()),
        "SCRAPYD_HTTP_PORT": str(free_port()),
        "MIRROR_URL": "",
        **more,
    }


def procfile(folder: Path, line: str) -> str:
    path = folder / "Procfile"
    path.write_text(f"{line}\n")
    return str(path)


def left_behind(folder: Path) -> list[int]:
    """The processes that know of the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{folder}/coins.sqlite3".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return found


@contextmanager
def limited(process: subprocess.Popen[str], folder: Path) -> Iterator[None]:
    """What hangs is killed, and so is what is left where a test fails."""

    def kill() -> None:
        for pid in left_behind(folder):
            os.kill(pid, signal.SIGKILL)

    watchdog = threading.Timer(PATIENCE, kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        kill()
        process.wait()


def run(environment: dict[str, str], project: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=project
    )


def ask(url: str, data: str | None = None) -> Any:
    """The answer, which is JSON."""
    with urlopen(url, data=data.encode() if data else None, timeout=PATIENCE) as answer:
        return json.load(answer)


# make up ------------------------------------------------------------------------------------------


def test_make_alone_names_it() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert re.search(r"^make up +start ", done.stdout, re.MULTILINE)


def test_site_scrapyd_and_watcher_run_until_ctrl_c_which_leaves_nothing_behind(tmp_path: Path, api: FakeAPI) -> None:
    api.fault(answers.rate_limited(300), page=2)
    env = environment(tmp_path, BASE_API_URL=api.url)
    scrapyd = f"http://127.0.0.1:{env['SCRAPYD_HTTP_PORT']}"
    with (
        subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
        limited(process, tmp_path),
    ):
        said = read_until(process, "Listening at:", "Site starting on", "watch.1 started")
        ready = ask(f"http://127.0.0.1:{env['PORT']}/readyz")
        [project] = ask(f"{scrapyd}/listprojects.json")["projects"]
        ask(f"{scrapyd}/schedule.json", f"project={project}&spider=markets")
        api.wait_for(requests=2)

        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the whole group
        said += process.communicate(timeout=PATIENCE)[0]
        left = left_behind(tmp_path)

    with closing(sqlite3.connect(tmp_path / "coins.sqlite3")) as database:
        verdicts = {verdict for (verdict,) in database.execute("SELECT verdict FROM crawls_crawlrun")}
        [(encoded,)] = database.execute("SELECT password FROM auth_user WHERE is_superuser").fetchall()
    login = re.search(rf"^Log in: http://127\.0\.0\.1:{env['PORT']}/admin/ as admin, password (\S+)$", said, re.M)
    assert ready["status"] == "ready"
    assert left == [], said
    assert "interrupted" in verdicts, said
    assert "running" not in verdicts, said
    assert process.returncode == 130
    assert login
    assert check_password(login[1], encoded)
    assert "SIGKILL" not in said


def test_what_is_there_already_is_left_as_it_is(tmp_path: Path) -> None:
    env = environment(tmp_path, PROCFILE=procfile(tmp_path, "nothing: true"))

    first, second = run(env), run(env)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "There was no schedule" in first.stdout
    assert "as admin, password" in first.stdout
    assert "There was no schedule" not in second.stdout
    assert "The whole market: markets, 0 */6 * * *" in second.stdout
    assert f"Log in: http://127.0.0.1:{env['PORT']}/admin/\n" in second.stdout


def test_a_password_with_a_hash_sign_is_not_what_honcho_makes_of_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "webapp", tmp_path / "webapp", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".env").write_text("SCRAPYD_PASSWORD=a#b\n")
    procfile(tmp_path, 'show: printf "it is %s" "$SCRAPYD_PASSWORD"')

    done = run(environment(tmp_path, ENV_FILE=""), tmp_path)

    assert "it is a#b" in done.stdout, done.stderr


def test_honcho_kills_after_a_time_that_can_be_lengthened() -> None:
    assert honcho.manager.KILL_WAIT < up.PATIENCE


@pytest.mark.parametrize("variable", ["PORT", "SCRAPYD_HTTP_PORT"])
def test_a_second_one_ends_with_a_sentence_before_it_does_anything(variable: str, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as first:
        port = str(first.getsockname()[1])
        done = run(environment(tmp_path, **{variable: port}))

    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(
        rf"CommandError: Port {port} .* is coincrawl up already\? .* make up {variable}=\.\.\.\n", done.stderr
    )
    assert not (tmp_path / "coins.sqlite3").exists()


def test_a_database_that_cannot_be_reached_is_a_sentence(tmp_path: Path) -> None:
    done = run(environment(tmp_path, DATABASE_URL=f"postgres://ada:hidden@127.0.0.1:{free_port()}/coins"))

    assert done.returncode == 1
    assert re.fullmatch(r"CommandError: The database cannot be used \(.*\): check DATABASE_URL\.\n", done.stderr)
    assert "hidden" not in done.stderr


def test_a_terminal_that_is_closed_stops_all(tmp_path: Path) -> None:
    env = environment(tmp_path, PROCFILE=procfile(tmp_path, "sleeper: echo here I am; sleep 300"))
    ours, theirs = pty.openpty()
    with (
        subprocess.Popen(
            ["setsid", "--ctty", *COMMAND], cwd=ROOT, env=env, stdin=theirs, stdout=theirs, stderr=theirs, text=True
        ) as process,
        limited(process, tmp_path),
    ):
        os.close(theirs)
        said = b""
        while b"here I am" not in said:
            said += os.read(ours, 10_000)

        os.close(ours)
        process.wait(PATIENCE)
        left = left_behind(tmp_path)

    assert left == []
    assert process.returncode == 128 + signal.SIGTERM  # not killed by this test


def test_a_signal_that_arrives_while_a_line_is_written_is_told_too() -> None:
    read, write = os.pipe()
    size = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with open(write, "wb", buffering=0), up.unbuffered(write) as output, open(read, "rb", buffering=0) as ours:

        def tell(*_: object) -> None:
            ours.read(size)
            output.write("stopped\n")
            output.flush()

        before = signal.signal(signal.SIGALRM, tell)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        output.write("x" * 2 * size)
        output.flush()  # waits for a reader, until the signal arrives
        signal.signal(signal.SIGALRM, before)

        assert b"stopped\n" in ours.read(size)


# manage.py schedules ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_schedules_are_made_once_and_listed(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    settings.MIRROR_URL = ""
    call_command("schedules")
    call_command("schedules")

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("There was no schedule")
    assert lines[1].startswith(
        "The biggest 250 coins: markets order=market_cap_desc pages=1, */3 * * * * (UTC), next at "
    )
    assert lines[2].startswith("The whole market: markets, 0 */6 * * * (UTC), next at ")
    assert [line.partition(", next")[0] for line in lines[3:]] == [line.partition(", next")[0] for line in lines[1:3]]


@pytest.mark.django_db
def test_a_mirror_has_no_schedule_until_somebody_makes_one(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("schedules")

    assert capsys.readouterr().out == "There is no schedule. Make one in the admin: Schedules > Add schedule.\n"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "line"),
    [
        pytest.param({"enabled": False}, "S: markets, 0 5 * * * (Europe/Berlin), disabled", id="disabled"),
        pytest.param({"crontab": "often"}, "S: cannot run. A crontab has five fields", id="no crontab"),
        pytest.param({"spider": "gone"}, "S: cannot run. There is no spider 'gone'.", id="no spider"),
        pytest.param({"name": "\x1b[2J"}, "\\x1b[2J: markets, 0 5", id="a name that would clear the terminal"),
    ],
)
def test_a_schedule_is_a_line(values: dict[str, object], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    CrawlSchedule.objects.create(
        **{"name": "S", "spider": "markets", "crontab": "0 5 * * *", "time_zone": "Europe/Berlin"} | values
    )

    call_command("schedules")

    assert capsys.readouterr().out.startswith(line)
