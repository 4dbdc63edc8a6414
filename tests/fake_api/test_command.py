"""`python -m fake_api`: the fake API as a process."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.asking import AGENT
from tests.support.processes import ROOT


def run_fake_api(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fake_api", "--coins", "10", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_the_process_prints_its_address_and_serves_until_it_is_stopped(tmp_path):
    with run_fake_api("--total", "half", "--log", tmp_path / "log.jsonl") as process:
        line = line_of(process)
        port = int(line.removesuffix("/api/v3\n").rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/v3/coins/markets?vs_currency=usd", headers=AGENT)
        total = connection.getresponse().headers["total"]
        connection.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)

    assert line == f"Fake CoinGecko API with 10 coins at http://127.0.0.1:{port}/api/v3\n"
    assert (total, process.returncode, errors) == ("3", 0, "")
    entry = json.loads((tmp_path / "log.jsonl").read_text())
    assert (entry["path"], entry["params"], entry["status"]) == ("/coins/markets", {"vs_currency": "usd"}, 200)
    assert entry["headers"]["user-agent"] == "tests/1.0"
    assert entry["time"] <= time.monotonic()


def test_the_process_runs_a_command_with_its_address_and_ends_with_its_status():
    script = "import os; print(os.environ['BASE_API_URL']); raise SystemExit(3)"

    with run_fake_api("--", sys.executable, "-c", script) as process:
        output, _ = process.communicate(timeout=10)

    first, second = output.splitlines()
    assert first.endswith(f" at {second}")
    assert process.returncode == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_hands_signals_to_its_command(number):
    script = f"import signal; signal.signal({number}, lambda *_: exit(7)); print('ready', flush=True); signal.pause()"

    with run_fake_api("--", sys.executable, "-c", script) as process:
        line_of(process)  # the address
        ready = line_of(process)
        os.kill(process.pid, number)
        process.communicate(timeout=10)

    assert (ready, process.returncode) == ("ready\n", 7)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--plan", "demo"], 1, "The fake API cannot start: the demo plan needs a key\n"),
        (["--pages", "/nonexistent"], 1, "The fake API cannot start: /nonexistent holds no recorded page\n"),
        (["--", "/nonexistent"], 127, "Cannot run /nonexistent: No such file or directory\n"),
    ],
)
def test_the_process_says_in_one_line_why_it_cannot_start(arguments, status, message):
    with run_fake_api(*arguments) as process:
        _, errors = process.communicate(timeout=10)

    assert (process.returncode, errors) == (status, message)
