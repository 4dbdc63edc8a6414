"""Processes that are measured end with the benchmark."""

import os
import sys
from pathlib import Path
from select import select
from subprocess import Popen

import pytest

from tests.bench.processes import environment, measure
from tests.support.processes import PATIENCE


def test_what_is_measured_ends_if_the_benchmark_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "open while it runs"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    program = f"import signal; file = open({str(path)!r}, 'w', buffering=1); print(1, file=file); signal.pause()"

    def stop(_: object) -> None:
        assert select([reader], [], [], PATIENCE)[0]
        assert os.read(reader, 2) == b"1\n"  # it runs
        raise KeyboardInterrupt

    monkeypatch.setattr(Popen, "communicate", stop)

    with pytest.raises(KeyboardInterrupt):
        measure([sys.executable, "-c", program], environment())

    assert select([reader], [], [], PATIENCE)[0]
    assert os.read(reader, 2) == b""  # nothing has it open any more
    os.close(reader)
