"""Python, half a second sooner: forked from a process that has imported what a crawl and the site import.

A program is a process of its own all the same, with its own arguments, environment and outputs. Only libraries are
imported beforehand, and nothing that reads the environment. Variables that Python reads when it starts, as
PYTHONWARNINGS, have no effect. Tests of signals and of what a process shows start a real one.
"""

import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = [
    "aiohttp",
    "croniter",
    "environ",
    "psycopg",
    "rich.console",
    "rich.progress",
    "rich.table",
    "simplejson",
    "sqlite3",
    "tldextract",
    "scrapy.cmdline",
    "scrapy.commands.bench",
    "scrapy.commands.check",
    "scrapy.commands.crawl",
    "scrapy.commands.fetch",
    "scrapy.commands.genspider",
    "scrapy.commands.parse",
    "scrapy.commands.shell",
    "scrapy.crawler",
    "scrapy.core.downloader.handlers.http11",
    "scrapy.core.engine",
    "scrapy.downloadermiddlewares.cookies",
    "scrapy.downloadermiddlewares.httpcompression",
    "scrapy.extensions.feedexport",
    "scrapy.extensions.remote_control",
    "scrapy.extensions.telnet",
    "scrapy.pqueues",
    "scrapy_djangoitem",
    "twisted.internet.asyncioreactor",
    "django.contrib.admin.sites",
    "django.core.management",
    "django.db.migrations.executor",
    "django.forms",
    "django.http",
    "django.template.response",
    "django.urls",
    "django.db.backends.sqlite3.base",
]
REQUEST = 2**20  # bytes at most
END = 10  # seconds


class Preloaded:
    """The process that forks; it ends with the one that has made it."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._control, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, REQUEST)
        program = [sys.executable, "-m", "tests.support.preloaded", str(theirs.fileno())]
        self._process = subprocess.Popen(program, pass_fds=[theirs.fileno()])
        theirs.close()

    def close(self) -> None:
        self._control.close()
        self._process.wait(END)

    def run(
        self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """As subprocess.run(["python", *arguments], ..., capture_output=True, text=True)."""
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, ours, theirs:
            request = json.dumps({"arguments": arguments, "cwd": str(cwd), "env": env}).encode()
            socket.send_fds(self._control, [request], [out.fileno(), err.fileno(), theirs.fileno()])
            theirs.close()
            ours.settimeout(timeout)
            answers, pid = ours.makefile(), 0
            try:
                pid = int(answers.readline())
                status = int(answers.readline())
            except TimeoutError:
                if pid:
                    os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout) from None
            except ValueError:
                raise RuntimeError("the process that forks programs has died") from None
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(arguments, status, out.read().decode(), err.read().decode())


def serve(control: socket.socket) -> None:
    for name in LIBRARIES:
        import_module(name)
    assert "twisted.internet.reactor" not in sys.modules, "each program has a reactor of its own"
    gc.collect()
    gc.freeze()  # what is here stays: no program has to look at it, and copy it by that
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that children leave no zombies: their status goes to `answer`
    while True:
        request, fds, _, _ = socket.recv_fds(control, REQUEST, 3)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            wait_for_program(json.loads(request), *fds)
            return  # in the program, whose run it was
        for fd in fds:
            os.close(fd)


def wait_for_program(request: dict[str, Any], out: int, err: int, answer: int) -> None:
    """Fork the program, and say its process id and its exit status; returns in the program alone, when it is over."""
    pid = os.fork()
    if pid:
        os.write(answer, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):  # whoever has asked has given up
            os.write(answer, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(answer)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[0] = request["cwd"]
    match request["arguments"]:
        case ["-m", module, *arguments]:
            sys.argv[1:] = arguments
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *arguments]:
            sys.argv = ["-c", *arguments]
            exec(program, {"__name__": "__main__"})
        case [path, *arguments]:
            sys.argv = [path, *arguments]
            sys.path[0] = str(Path(path).parent)
            runpy.run_path(path, run_name="__main__")


def main() -> NoReturn:
    serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit()


if __name__ == "__main__":
    main()
