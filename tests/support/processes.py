"""Processes under test."""

import subprocess


def read_until(process: subprocess.Popen[str], *words: str) -> str:
    """What the process has written once each of the words is in it. Raises AssertionError if it ends without them."""
    output = ""
    assert process.stdout is not None
    for line in process.stdout:
        output += line
        if all(word in output for word in words):
            return output
    raise AssertionError(f"{words} are not all in this:\n{output}")
