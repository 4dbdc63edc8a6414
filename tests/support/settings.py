"""The settings of a process with an environment of its own."""

import json
import subprocess
from typing import Any

from tests.support.processes import python

BOTH_SETTINGS = ["-c", "import coincrawl.settings, webapp.settings"]


def setting(name: str, environment: dict[str, str]) -> Any:
    program = f"import json, webapp.settings as s; print(json.dumps(s.{name}, default=str))"
    done = python(["-c", program], environment)
    return json.loads(done.stdout)


def assert_one_sentence(done: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hidden" not in done.stderr
