"""Processes under test."""

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.support.preloaded import Preloaded

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120  # seconds that a process may take before it counts as hung


@cache
def preloaded() -> Preloaded:
    return Preloaded()


def python(arguments: list[str], environment: dict[str, str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Python in an environment of nothing else."""
    clean = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    return preloaded().run(arguments, folder, clean | environment, PATIENCE)


def read_until(process: subprocess.Popen[str], *words: str) -> str:
    """What the process has written once each of the words is in it. Raises AssertionError if it ends without them."""
    output = ""
    assert process.stdout is not None
    for line in process.stdout:
        output += line
        if all(word in output for word in words):
            return output
    raise AssertionError(f"{words} are not all in this:\n{output}")
